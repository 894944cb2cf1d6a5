import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askStatus, type HubStatus } from '../adapters/terminal/index.ts';
import { createKeeperClient } from '../agent/keeper/client.ts';
import type { KeptApp } from '../agent/keeper/protocol.ts';
import { type HomeLayout, homeLayout } from '../config/home.ts';
import { until } from '../test/support/until.ts';
import { configureApp, freePort, publishApp } from './app.ts';
import type { Tools } from './figure.ts';
import { parentOf, processesNaming } from './process-tree.ts';

/** Fettle as people start it: the built bundle, `fettle up --detach` in a home of its own, then `fettle down`. */

export const ROOT = join(import.meta.dirname, '..');
const MAIN = join(ROOT, 'dist', 'main.js');
/** Anything that a person waits for ends sooner. */
const COMMAND_MS = 60_000;

/** Folders of a run, removed at its end. */
export interface Home {
  /** What runs the bundle. */
  readonly node: string;
  readonly layout: HomeLayout;
  /** What its processes are started with: nothing that this machine happens to have set. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Fettle extends Home {
  readonly port: number;
  /** The first process of all: the start script. */
  readonly root: number;
  readonly keeper: number;
  /** By name; `pid` is the shell above each. */
  apps(): Promise<Readonly<Record<string, KeptApp>>>;
  status(): Promise<HubStatus>;
}

export function temporaryFolder(tools: Tools, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `fettle-bench-${name}-`));
  tools.cleanup(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

export function makeHome(tools: Tools, node = process.execPath): Home {
  const home = temporaryFolder(tools, 'home');
  const runtime = temporaryFolder(tools, 'run');
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: home,
    LANG: 'C.UTF-8',
    XDG_RUNTIME_DIR: runtime,
    FETTLE_HOME: home,
    FETTLE_PORT: '0',
  };
  return { node, layout: homeLayout(home, runtime), env };
}

/** What runs a subcommand of the bundle. */
export function command(home: Home, ...args: string[]): readonly [string, readonly string[]] {
  return [home.node, [MAIN, ...args]];
}

/** Starts Fettle with one app, and resolves when the app runs. `down` is left to the cleanup. */
export async function startFettle(
  tools: Tools,
  versions: readonly [string, ...string[]],
  node?: string,
): Promise<Fettle> {
  const home = makeHome(tools, node);
  const port = await freePort();
  tools.progress('starting Fettle');
  await publishApp(home.layout.home, versions);
  configureApp(home.layout.home, port, versions[0]);
  let starting: AbortController | undefined = new AbortController();
  tools.cleanup(() => end(home, starting));
  await runFettle(home, ['up', '--detach'], starting.signal);
  starting = undefined;
  const client = createKeeperClient(home.layout.runtime.keeperSocket);
  tools.cleanup(() => client.close());
  const keeper = (await client.ask('hello', {}, { timeoutMs: 10_000 })).pid;
  const root = parentOf(keeper) ?? keeper;
  const status = () => askStatus(home.layout.runtime.hubSocket, 5_000);
  await until('the app to be well', async () => {
    const app = (await status()).apps.find((one) => one.app === 'app');
    return app?.version === versions[0] && app.health === 'healthy';
  });
  return { ...home, port, root, keeper, status, apps: async () => (await client.ask('status', {})).apps };
}

/** `fettle down`, and an end to what an interrupted start left, which `down` may not have seen yet. */
async function end(home: Home, starting: AbortController | undefined): Promise<void> {
  starting?.abort();
  await runFettle(home, ['down']).catch((error: unknown) => {
    if (!starting) throw error;
  });
  const left = () => processesNaming(home.layout.home);
  try {
    await until('all processes to end', () => left().length === 0, starting ? 2_000 : 10_000);
  } catch (error) {
    const pids = left();
    // The folder is this run's own, so they are too. Parents first, so that nothing is started again.
    for (const pid of pids) kill(pid);
    if (!starting) throw new Error(`fettle down left ${pids.join(', ')} behind`, { cause: error });
    await until('all processes to end', () => left().length === 0, 5_000);
  }
}

async function runFettle(home: Home, args: readonly string[], signal?: AbortSignal): Promise<void> {
  const [program, all] = command(home, ...args);
  const child = spawn(program, all, { env: home.env, cwd: home.layout.home, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, COMMAND_MS);
  signal?.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  clearTimeout(deadline);
  if (late) throw new Error(`fettle ${args.join(' ')} did not end within ${COMMAND_MS / 1_000} s; it said: ${said}`);
  if (code !== 0) throw new Error(`fettle ${args.join(' ')} ended with ${String(code)}: ${said}`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
