import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createKeeperClient, type KeeperClient } from '../../agent/keeper/client.ts';
import { allPids, readProc, readStat, readVariable } from '../../agent/keeper/proc.ts';
import { findByStartId } from '../../agent/keeper/processes.ts';
import type { KeepSpec } from '../../agent/keeper/protocol.ts';
import type { KeeperTimes } from '../../agent/keeper/times.ts';
import { type HomeLayout, homeLayout } from '../../config/home.ts';

/** A temporary home with keepers that are real processes. Everything in it is ended and removed by `remove`. */
export interface KeeperHome {
  readonly layout: HomeLayout;
  readonly client: KeeperClient;
  /** Starts a keeper and waits until it answers. */
  start(options?: { parentPipe?: boolean; times?: Partial<KeeperTimes> }): Promise<RunningKeeper>;
  /** The same without waiting. */
  spawn(options?: { parentPipe?: boolean; times?: Partial<KeeperTimes> }): RunningKeeper;
  /** A slot of an app that runs `script` with Node; `current` points at it where it is the first. */
  slot(app: string, version: string, script: string): string;
  /** How `script` of the current slot is kept. */
  spec(app: string, change?: Partial<KeepSpec>): KeepSpec;
  log(app: string): string;
  /** Pids of processes that carry this app's mark and run its script, whatever keeper started them. */
  pids(app: string): number[];
  remove(): Promise<void>;
}

export interface RunningKeeper {
  readonly process: ChildProcess & { readonly pid: number };
  readonly output: () => string;
  /** Exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
}

/** An app that says when it starts and lives until it is told to end. */
export const STEADY = `
console.log('start', process.pid, process.env.TEST_SLOT);
setInterval(() => {}, 1000);
`;

/** An app that ends by itself at once. */
export const CRASHING = `
console.log('start', process.pid, process.env.TEST_SLOT);
process.exit(7);
`;

/** How many times an app's own code has been run. */
export function starts(log: string): number {
  return log.split('\n').filter((line) => line.startsWith('start ')).length;
}

const ENTRY = fileURLToPath(new URL('./keeper-entry.ts', import.meta.url));

export function keeperHome(): KeeperHome {
  const home = mkdtempSync(join(tmpdir(), 'fettle-keeper-'));
  const runtime = join(home, 'run');
  const layout = homeLayout(home, runtime);
  const client = createKeeperClient(layout.runtime.keeperSocket);
  const keepers: RunningKeeper[] = [];

  function spawnKeeper(options: { parentPipe?: boolean; times?: Partial<KeeperTimes> } = {}): RunningKeeper {
    const child = spawn(
      process.execPath,
      [
        ENTRY,
        '--home',
        home,
        '--runtime',
        runtime,
        '--times',
        JSON.stringify(options.times ?? {}),
        ...(options.parentPipe ? ['--parent-pipe'] : []),
      ],
      { stdio: ['ignore', 'ignore', 'pipe', options.parentPipe ? 'pipe' : 'ignore'], detached: true },
    );
    const keeper = followKeeper(child);
    keepers.push(keeper);
    return keeper;
  }

  function pids(app: string): number[] {
    return marked(home)
      .filter((process) => process.app === app)
      .map((process) => process.pid);
  }

  return {
    layout,
    client,
    spawn: spawnKeeper,
    async start(options) {
      const keeper = spawnKeeper(options);
      await Promise.race([
        until(async () => (await client.ask('hello', {}, { timeoutMs: 1_000 })).pid === keeper.process.pid),
        keeper.exited.then((code) => {
          throw new Error(`the keeper ended with ${code}: ${keeper.output()}`);
        }),
      ]);
      return keeper;
    },
    slot(app, version, script) {
      const { dir, releases, current } = layout.app(app);
      const slot = join(releases, version);
      mkdirSync(slot, { recursive: true });
      writeFileSync(join(slot, 'main.mjs'), script);
      if (!existsSync(current)) symlinkSync(`releases/${version}`, join(dir, 'current'));
      return `releases/${version}`;
    },
    spec: (app, change = {}) => ({
      dir: layout.app(app).dir,
      argv: [process.execPath, '{slot}/main.mjs'],
      cwd: '{slot}',
      env: { PATH: process.env.PATH ?? '', TEST_HOME: home, TEST_SLOT: '{slot}' },
      log: layout.appLog(app),
      stopSignal: 'SIGTERM',
      graceMs: 5_000,
      ...change,
    }),
    log(app) {
      try {
        // Without the keeper's marks: what the app itself has printed.
        return readFileSync(layout.appLog(app), 'utf8').replaceAll(/^\[fettle\] start .*\n/gm, '');
      } catch {
        return '';
      }
    },
    pids,
    async remove() {
      client.close();
      for (const keeper of keepers) {
        if (keeper.process.exitCode === null && keeper.process.signalCode === null) keeper.process.kill('SIGKILL');
        await keeper.exited;
      }
      for (let left = marked(home); left.length > 0; left = marked(home)) {
        for (const { pid } of left) kill(pid);
        await pause();
      }
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export function followKeeper(child: ChildProcess): RunningKeeper {
  if (child.pid === undefined) throw new Error('the keeper was not spawned');
  let output = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const exited = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  return { process: child as RunningKeeper['process'], output: () => output, exited };
}

/** Polls until the condition holds. @throws where it does not within the time */
export async function until<T>(
  condition: () => T | Promise<T>,
  withinMs = 10_000,
): Promise<Exclude<NonNullable<T>, false>> {
  const end = performance.now() + withinMs;
  for (let last: unknown; ; ) {
    try {
      const value = await condition();
      if (value) return value as Exclude<NonNullable<T>, false>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`not so within ${withinMs} ms: ${condition} (${String(last)})`);
    await pause();
  }
}

export function alive(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}

/** The app's own process below the wrapper. */
export function appPid(startId: string): number | undefined {
  const found = findByStartId(startId);
  const wrapper = found.find((process) => process.wrapper);
  return found.find((process) => !process.wrapper && process.group === wrapper?.pid)?.pid;
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}

/** Processes that were started with this home in their environment by a test's app. */
function marked(home: string): { pid: number; app: string }[] {
  const found: { pid: number; app: string }[] = [];
  for (const pid of allPids()) {
    const environ = readProc(`/proc/${pid}/environ`);
    if (!environ || readVariable(environ, 'TEST_HOME') !== home || !alive(pid)) continue;
    found.push({ pid, app: readVariable(environ, 'FETTLE_APP') ?? '' });
  }
  return found;
}
