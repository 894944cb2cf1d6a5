import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalEntry } from '../../agent/journal.ts';
import { type HomeLayout, layoutWith } from '../../config/home.ts';
import { publish } from '../../src/cli/publish.ts';
import { type TestEntry, writeArchive } from './artifact.ts';
import type { Machine, Ran, RunOptions } from './machine.ts';
import { RELEASE_KEY } from './release-key.ts';

/** A home inside a machine, and the shipped command there. */
export interface MachineHome {
  /** Paths inside. */
  readonly layout: HomeLayout;
  /** Runs `fettle ARGS` inside. */
  fettle(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Says something in the chat of its hub. */
  say(text: string, timeoutMs?: number): Promise<Ran>;
  publish(app: string, version: string, entries: readonly TestEntry[] | string): Promise<void>;
  /** The journal's newest entry of an app, read from outside: also while the machine is off. */
  journal(app: string): JournalEntry | undefined;
}

const ROOT = join(import.meta.dirname, '../..');
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

export function machineHome(machine: Machine, home: string, runtime = '/run/fettle'): MachineHome {
  const layout = layoutWith(home, runtime);
  mkdirSync(machine.path(home), { recursive: true, mode: 0o700 });
  const made: MachineHome = {
    layout,
    fettle: (args, options = {}) =>
      machine.run([process.execPath, join(ROOT, 'dist/main.js'), '--home', home, ...args], {
        timeoutMs: 90_000,
        ...options,
        env: { FETTLE_PORT: '0', ...options.env },
      }),
    say: (text, timeoutMs = 60_000) =>
      made.fettle(['say', text, '--timeout', String(timeoutMs / 1_000)], { timeoutMs: timeoutMs + 5_000 }),
    async publish(app, version, entries) {
      // The feed is locked while it is written, and a lock through /proc is not worth relying on.
      const folder = mkdtempSync(join(tmpdir(), 'fettle-feed-'));
      const feed = join(folder, 'feed');
      const inside = machine.path(join(layout.releases, app));
      try {
        mkdirSync(inside, { recursive: true });
        cpSync(inside, feed, { recursive: true });
        const path = typeof entries === 'string' ? entries : join(folder, `${app}-${version}.tar.gz`);
        if (typeof entries !== 'string') await writeArchive(path, entries);
        // Releases of Fettle itself are always signed.
        const key = app === 'fettle' ? RELEASE_KEY : undefined;
        await publish({ folder: feed, app, version, files: [{ platform: 'any', path }], clock, key });
        cpSync(feed, inside, { recursive: true });
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    journal(app) {
      const folder = layout.agent.journal;
      const names = readdirSync(machine.path(folder)).filter((name) => name.endsWith('.json'));
      const entries = names.flatMap((name) => {
        try {
          return [JSON.parse(machine.read(join(folder, name))) as JournalEntry];
        } catch {
          return [];
        }
      });
      return entries
        .filter((entry) => entry.order.app === app)
        .sort((a, b) => a.startedAt - b.startedAt)
        .at(-1);
    },
  };
  return made;
}
