import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { openSlots } from '../../agent/install/slots.ts';
import { openJournal } from '../../agent/journal.ts';
import { finishSlot } from '../../agent/self/finish.ts';
import { keeperSlots, pointKeeper } from '../../agent/self/index.ts';
import { installRuntime } from '../../agent/self/runtime.ts';
import type { HomeLayout } from '../../config/home.ts';
import { SELF_APPS, type SelfApp } from '../domain/app.ts';
import { isFinal } from '../domain/update.ts';
import { compareVersions } from '../domain/version.ts';
import { makeFolder } from '../files/durable.ts';
import { packageRoot } from './default-home.ts';
import { VERSION } from './version.ts';

/** What cannot be bundled and so goes along with it. */
export const EXTERNAL = ['better-sqlite3', 'npm'] as const;

/** What a start changed. */
export interface InstalledSelf {
  /** The version that ran here before, where this start brought another build. */
  readonly before?: string | undefined;
  /** The version that runs here, where it is newer than this build, which is then left aside. */
  readonly newer?: string | undefined;
  /** Apps whose update was interrupted: it goes on first, and this build is for the next start. */
  readonly left: readonly SelfApp[];
}

/**
 * Copies this package and its Node into the home, as slots of the apps `hub` and `agent`, so that what runs does
 * not depend on the checkout: it may be changed, moved or removed. A build that is there already is left alone, and so
 * is a newer one, which came by an update. The old slot stays as last-good.
 */
export async function installSelf(
  layout: HomeLayout,
  signal: AbortSignal,
  apps: readonly SelfApp[] = SELF_APPS,
): Promise<InstalledSelf> {
  const node = installRuntime(layout.runtimes, process.execPath, process.versions.node);
  const root = packageRoot();
  const digest = buildDigest(root);
  let before: string | undefined;
  let newer: string | undefined;
  const updating = new Set(
    openJournal(layout.agent.journal)
      .list()
      .flatMap((entry) => (isFinal(entry.state) ? [] : [entry.order.app])),
  );
  const left: SelfApp[] = [];
  for (const app of apps) {
    const slots = openSlots(layout.app(app));
    const current = slots.current();
    const installed = current === undefined ? undefined : slots.record(current)?.version;
    // An update that was interrupted goes on, and needs the slots between which it is.
    if (installed !== undefined && updating.has(app)) {
      left.push(app);
      continue;
    }
    if (installed !== undefined && compareVersions(installed, VERSION) > 0) {
      newer = installed;
      continue;
    }
    const slot = slots.nameFor(VERSION, digest);
    if (!slots.record(slot)) {
      const target = slots.prepare(slot);
      copyPackage(root, join(target, 'package'));
      finishSlot({
        app,
        slot: target,
        version: VERSION,
        node,
        nodeVersion: process.versions.node,
        runtimes: layout.runtimes,
      });
      await slots.seal(
        slot,
        { version: VERSION, digest, abi: process.versions.modules, sealedAt: Date.now() },
        [],
        signal,
      );
    }
    if (current !== slot) {
      if (current !== undefined) {
        before = installed;
        slots.setLastGood(current);
      }
      slots.activate(slot);
      slots.prune([slot, ...(app === 'agent' ? keeperSlots(layout) : [])]);
    }
  }
  makeFolder(layout.keeper.dir);
  if (!left.includes('agent')) pointKeeper(layout);
  return { before, newer, left };
}

function copyPackage(root: string, target: string): void {
  const modules = join(target, 'node_modules');
  mkdirSync(modules, { recursive: true });
  cpSync(join(root, 'dist'), join(target, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(target, 'package.json'));
  const require = createRequire(join(root, 'package.json'));
  for (const name of EXTERNAL) {
    const from = dirname(require.resolve(`${name}/package.json`));
    const filter = (path: string) => !isLeftOut(from, path);
    cpSync(from, join(modules, name), { recursive: true, filter, verbatimSymlinks: true });
  }
}

/** SQLite's C sources are for building; the binaries came with the package. */
export function isLeftOut(packageFolder: string, path: string): boolean {
  return ['deps', 'src', 'docs', 'man'].some((name) => path === join(packageFolder, name));
}

/** What a build is known by: its bundle, its Node and the versions of what goes along. */
export function buildDigest(root: string): string {
  const hash = createHash('sha256').update(VERSION).update(process.versions.node);
  const dist = join(root, 'dist');
  for (const file of readdirSync(dist).sort()) hash.update(file).update(readFileSync(join(dist, file)));
  const require = createRequire(join(root, 'package.json'));
  for (const name of EXTERNAL) hash.update((require(`${name}/package.json`) as { version: string }).version);
  return `sha256-${hash.digest('hex')}`;
}
