import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, fstatSync, openSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { askStatus, type HubStatus } from '../../adapters/terminal/index.ts';
import { readDeviceId } from '../../agent/device-id.ts';
import { pinHub } from '../../agent/hub-identity.ts';
import { createKeeperClient, type KeeperClient } from '../../agent/keeper/client.ts';
import { takeLock } from '../../agent/keeper/lock.ts';
import type { KeepSpec } from '../../agent/keeper/protocol.ts';
import { SMALL_NODE, startStub } from '../../agent/keeper/start-stub.ts';
import { readTail } from '../../agent/updater/log-tail.ts';
import type { Environment } from '../../config/environment.ts';
import type { HomeLayout } from '../../config/home.ts';
import { type LoadedConfig, loadConfig, parseConfig } from '../../config/load.ts';
import { FettleError } from '../domain/errors.ts';
import { makeFolder, writeDurably } from '../files/durable.ts';
import { openKey } from '../protocol/key.ts';
import { agentFile, isEnrolled } from './enrolled.ts';
import { firstRun } from './first-run.ts';
import { installSelf } from './install-self.ts';
import { machineClock, writeNpmSettings } from './npm-tools.ts';
import { asOwnerOf } from './service/owner.ts';
import { VERSION } from './version.ts';

/** What `up` makes before anything talks: everything that can be refused is refused before anything runs. */

const KEEPER_MS = 20_000;
const READY_MS = 5 * 60_000;
/** The longest grace that an app may have is 10 minutes. */
const END_MS = 12 * 60_000;
/** A hub or an agent that ends this often while it is waited for will not come up by itself. */
const TOO_MANY_CRASHES = 3;

export interface Running {
  readonly layout: HomeLayout;
  readonly loaded: LoadedConfig;
  /** Ends everything that was started here and resolves when it is gone. */
  stop(): Promise<void>;
  /** Leaves it running and lets go of it. */
  leave(): void;
}

export interface UpOptions {
  readonly layout: HomeLayout;
  readonly environment: Environment;
  readonly config: string | undefined;
  readonly detach: boolean;
  readonly say: (line: string) => void;
  /** Stops waiting; what was started is then ended by the caller. */
  readonly signal: AbortSignal;
}

/**
 * Checks, prepares and starts the process tree; resolves when the hub answers.
 * @throws {FettleError | ConfigError} with nothing half started
 */
export async function startAll(options: UpOptions): Promise<Running> {
  const { layout } = options;
  const loaded = await prepareAll(options);
  const child = spawnStart(options);
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopAll(child, keeper);
    return stopping;
  };
  try {
    await keeperAnswers(child, keeper, layout);
    await startRoles(options, keeper, ['hub', 'agent']);
  } catch (error) {
    await stop();
    throw error;
  }
  return { layout, loaded, stop, leave: () => keeper.close() };
}

/** Has a keeper that answers keep hub and agent; resolves when the hub answers. */
export async function startRoles(
  options: Pick<UpOptions, 'layout' | 'environment' | 'config' | 'say' | 'signal'>,
  keeper: KeeperClient,
  roles: readonly ('hub' | 'agent')[],
): Promise<void> {
  // A device whose hub is elsewhere has an agent alone, and its own file is another.
  const alone = isEnrolled(options.layout);
  const config = options.config ?? (alone ? agentFile(options.layout) : undefined);
  for (const role of roles) {
    if (alone && role === 'hub') continue;
    await keeper.ask('keep', { app: role, spec: roleSpec({ ...options, config }, role) });
    await keeper.ask('start', { app: role });
  }
  if (alone) await agentRuns(options, keeper);
  else await hubReady(options, keeper);
}

/**
 * Makes a home ready to be started: its configuration, this build in it, the start script.
 * @throws {FettleError | ConfigError} before anything runs; `home_in_use` where a keeper does
 */
export async function prepareAll(
  options: Pick<UpOptions, 'layout' | 'environment' | 'config' | 'say'> & {
    /** It runs, and is to go on. */
    readonly running?: boolean;
    /** As whom the apps of a first start run, where that is not Fettle's own user. */
    readonly appUser?: ((app: string) => string) | undefined;
  },
): Promise<LoadedConfig> {
  const { layout, environment, say, running = false } = options;
  prepareHome(layout);
  if (environment.port === 'invalid') {
    throw new FettleError('bad_arguments', {
      data: { reason: 'FETTLE_PORT is not a port: it takes a number from 0 to 65535' },
    });
  }
  if (!running) takeLock(layout.keeper.lock).release();
  if (isEnrolled(layout)) return prepareDevice(options);
  // Before a home is made: what is refused leaves nothing half done.
  if (options.config === undefined && !existsSync(layout.config))
    await requireFreePort(environment.port ?? parseConfig('', layout.config).hub.port, layout);
  const made = options.config === undefined ? await firstRun(layout, machineClock, options.appUser) : undefined;
  const loaded = loadConfig(options.config ?? layout.config);
  if (!running) await requireFreePort(environment.port ?? loaded.config.hub.port, layout);
  if (made) {
    say(`Fettle ${VERSION}: a first start. Made ${layout.home} with two apps to try updates on:`);
    say(
      `  web    a web server from npm (sirv-cli), installed a few versions behind   http://127.0.0.1:${made.webPort}/`,
    );
    say(
      `  hello  a small service with three releases; 1.2.0 is broken on purpose     http://127.0.0.1:${made.helloPort}/`,
    );
    say('');
  } else {
    say(`Fettle ${VERSION}, home ${layout.home}`);
  }
  // One that `fettle init` put there is that of the Fettle that runs.
  if (existsSync(join(layout.home, 'fettle.schema.json')))
    (await import('./config/schema.ts')).writeSchema(layout.home);
  const self = await installSelf(layout, AbortSignal.timeout(5 * 60_000));
  if (self.before !== undefined) say(`This build takes over from ${self.before}.`);
  if (self.left.length > 0)
    say(
      `An update of ${self.left.join(' and ')} was interrupted and goes on first; this build takes over at the next start.`,
    );
  if (self.newer !== undefined) say(`Fettle ${self.newer} is installed here and runs; this build is older.`);
  writeDurably(layout.keeper.start, startStub(layout), 0o700);
  writeNpmSettings(environment, layout.agent.dir);
  asOwnerOf(layout.hub.dir, () => writeNpmSettings(environment, layout.hub.dir));
  // A hub with a user of its own finds both as they are made for it to read, from its first start on.
  openKey(layout.agent.key);
  readDeviceId(layout);
  // Whoever starts both says that they belong together. Another user's hub says nothing of itself: it was believed once.
  if (statSync(layout.hub.dir).uid === process.geteuid?.()) {
    openKey(layout.hub.key);
    pinHub(layout);
  }
  return loaded;
}

/** The home of a device whose hub is elsewhere: the agent, and what starts it. */
async function prepareDevice(
  options: Pick<UpOptions, 'layout' | 'environment' | 'config' | 'say'>,
): Promise<LoadedConfig> {
  const { layout, environment, say } = options;
  const file = options.config ?? agentFile(layout);
  const loaded = loadConfig(file);
  say(`Fettle ${VERSION}, home ${layout.home}, a device`);
  const self = await installSelf(layout, AbortSignal.timeout(5 * 60_000), ['agent']);
  if (self.before !== undefined) say(`This build takes over from ${self.before}.`);
  writeDurably(layout.keeper.start, startStub(layout), 0o700);
  writeNpmSettings(environment, layout.agent.dir);
  return loaded;
}

/** Has the keeper an agent that stays? Whether the hub can be reached is no reason to wait. */
async function agentRuns(
  { layout, signal }: Pick<UpOptions, 'layout' | 'signal'>,
  keeper: KeeperClient,
): Promise<void> {
  const end = performance.now() + KEEPER_MS;
  while (performance.now() < end && !signal.aborted) {
    const { apps } = await keeper.ask('status', {});
    if ((apps.agent?.crashes ?? 0) >= TOO_MANY_CRASHES) {
      const reason = readTail(layout.appLog('agent'), 3, 2_000).split('\n').at(-1) ?? '';
      throw new FettleError('keeper_unreachable', { data: { reason, log: layout.appLog('agent') } });
    }
    if (/ is ready$/m.test(readTail(layout.appLog('agent'), 5, 4_000))) return;
    await delay(100);
  }
}

function prepareHome(layout: HomeLayout): void {
  try {
    makeFolder(layout.home);
    accessSync(layout.home, constants.R_OK | constants.W_OK | constants.X_OK);
    for (const folder of [layout.logs, layout.keeper.dir, layout.hub.dir, layout.agent.dir]) makeFolder(folder);
  } catch (error) {
    throw new FettleError('home_not_writable', {
      data: { home: layout.home, reason: (error as Error).message },
      cause: error,
    });
  }
}

/** A port that is taken is said before anything is started; by our own hub, left by a keeper that was killed, is fine. 0 takes any. */
async function requireFreePort(port: number, layout: HomeLayout): Promise<void> {
  if (port === 0 || (await askStatus(layout.runtime.hubSocket, 1_000).catch(() => undefined))) return;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new FettleError('port_in_use', { data: { port, reason: error.code ?? error.message }, cause: error }));
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()));
  });
}

/** The start script, in a session of its own. Attached, it holds a pipe of ours: its end means stop. */
export function spawnStart({
  layout,
  environment,
  detach,
}: Pick<UpOptions, 'layout' | 'environment' | 'detach'>): ChildProcess {
  const log = openSync(layout.keeper.log, 'a', 0o600);
  const child = spawn('/bin/sh', [layout.keeper.start, ...(detach ? [] : ['--parent-pipe'])], {
    cwd: layout.home,
    detached: true,
    env: { ...environment.basic, ...environment.passed },
    stdio: detach ? ['ignore', log, log] : ['ignore', log, log, 'pipe'],
  });
  child.on('error', () => undefined);
  if (detach) child.unref();
  return child;
}

async function keeperAnswers(child: ChildProcess, keeper: KeeperClient, layout: HomeLayout): Promise<void> {
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', (code) => {
      const reason = readTail(layout.keeper.log, 3, 2_000).split('\n').at(-1) ?? '';
      reject(
        new FettleError('keeper_unreachable', {
          data: { reason: `it ended with status ${code ?? 'unknown'}: ${reason}`, log: layout.keeper.log },
        }),
      );
    });
  });
  const answered = keeper.ask('hello', {}, { timeoutMs: KEEPER_MS }).catch((error: unknown) => {
    throw new FettleError('keeper_unreachable', {
      data: { reason: String(error), log: layout.keeper.log },
      cause: error,
    });
  });
  ended.catch(() => undefined);
  await Promise.race([answered, ended]);
}

/** The hub has no part in an app's outage: it needs no threads of V8's, and is smaller for it. */
const OWN_FLAGS = { hub: ['--single-threaded'], agent: [] } as const;

/** How the keeper starts the hub or the agent. */
export function roleSpec(
  { layout, environment, config }: Pick<UpOptions, 'layout' | 'environment' | 'config'>,
  role: 'hub' | 'agent',
): KeepSpec {
  return {
    dir: layout.app(role).dir,
    argv: [
      ...(role === 'hub' && layout.hub.user !== undefined ? ['/bin/sh', layout.keeper.asHub] : []),
      '{slot}/.fettle/node',
      ...SMALL_NODE.flags,
      ...OWN_FLAGS[role],
      '{slot}/.fettle/fettle',
      role,
      '--home',
      layout.home,
      ...(config === undefined ? [] : ['--config', config]),
    ],
    cwd: layout.home,
    env: SMALL_NODE.env,
    inherit: [...new Set([...Object.keys(environment.basic), ...Object.keys(environment.passed)])],
    log: layout.appLog(role),
    stopSignal: 'SIGTERM',
    graceMs: 15_000,
  };
}

/** Waits until the hub answers and what the first run installs is there, saying what is waited for. */
async function hubReady(
  { layout, say, signal }: Pick<UpOptions, 'layout' | 'say' | 'signal'>,
  keeper: KeeperClient,
): Promise<void> {
  const end = performance.now() + READY_MS;
  const said = new Set<string>();
  const once = (line: string) => {
    if (!said.has(line)) say(line);
    said.add(line);
  };
  let last: HubStatus | undefined;
  while (performance.now() < end && !signal.aborted) {
    last = await askStatus(layout.runtime.hubSocket, 2_000).catch(() => undefined);
    for (const line of last?.waitingFor ?? []) once(`  ${line} …`);
    if (last?.ready) {
      for (const line of last.problems ?? []) once(`  ${line}`);
      return;
    }
    const { apps } = await keeper.ask('status', {});
    for (const role of ['hub', 'agent'] as const) {
      if ((apps[role]?.crashes ?? 0) < TOO_MANY_CRASHES) continue;
      const reason = readTail(layout.appLog(role), 3, 2_000).split('\n').at(-1) ?? '';
      throw new FettleError('hub_unreachable', {
        data: { reason: `the ${role} does not start: ${reason}`, log: layout.appLog(role) },
      });
    }
    await delay(100);
  }
  if (last || signal.aborted) return;
  const reason = readTail(layout.appLog('hub'), 3, 2_000).split('\n').at(-1) ?? 'it does not answer';
  throw new FettleError('hub_unreachable', { data: { reason, log: layout.appLog('hub') } });
}

async function stopAll(child: ChildProcess, keeper: KeeperClient): Promise<void> {
  const gone = child.exitCode !== null || child.signalCode !== null;
  const exit = gone ? Promise.resolve() : new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await keeper.ask('shutdown', {}, { timeoutMs: 2_000 }).catch(() => child.stdio[3]?.destroy());
  keeper.close();
  const late = new AbortController();
  await Promise.race([exit, delay(END_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
  late.abort();
  child.stdio[3]?.destroy();
}

/** What standard input is: who is at the other end decides how `up` behaves. */
export function inputKind(): 'terminal' | 'script' | 'nobody' {
  if (process.stdin.isTTY) return 'terminal';
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket() ? 'script' : 'nobody';
  } catch {
    return 'nobody';
  }
}
