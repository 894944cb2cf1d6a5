import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import type { Manifest } from '../../agent/backup/manifest.ts';
import { openSlots } from '../../agent/install/slots.ts';
import { type JournalEntry, openJournal } from '../../agent/journal.ts';
import { createKeeperClient, type KeeperClient } from '../../agent/keeper/client.ts';
import { findByStartId } from '../../agent/keeper/scan.ts';
import { finishSlot } from '../../agent/self/finish.ts';
import { type HomeLayout, homeLayout } from '../../config/home.ts';
import { publish } from '../../src/cli/publish.ts';
import { isSelf } from '../../src/domain/app.ts';
import { makeFolder, switchLink, writeDurably } from '../../src/files/durable.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { readFolder } from '../../src/origin/folder.ts';
import { openKey } from '../../src/protocol/key.ts';
import type {
  AgentMessage,
  AppReport,
  BackupReport,
  HubMessage,
  Order,
  OrderedRelease,
  Outcome,
} from '../../src/protocol/messages.ts';
import { writeArchive } from './artifact.ts';
import { AGENT_RELEASES, agentPackage, type Behaviour, program, RELEASES } from './device-releases.ts';
import { freePort } from './free-port.ts';
import { RELEASE_KEY, RELEASE_KEYS } from './release-key.ts';
import { until } from './until.ts';

/**
 * A device for tests: a real keeper, a real agent and real apps in a home of its own, and a hub that is only a gateway,
 * so that a test sees and says each message itself.
 */
export interface Device {
  readonly layout: HomeLayout;
  readonly keeper: KeeperClient;
  readonly port: number;
  /** Outcomes as they came in, repetitions too. */
  readonly outcomes: readonly Outcome[];
  readonly messages: readonly AgentMessage[];
  /** Sends an order for `app@version` and answers the update's id. */
  order(kind: Order['kind'], version?: string, more?: Partial<Order>): Promise<string>;
  cancel(update: string): void;
  /** Says anything to the agent. */
  say(message: HubMessage): Promise<void>;
  /** The outcome of an update, once it is there; it is acknowledged. */
  outcome(update: string, limitMs?: number): Promise<Outcome>;
  /** What the app answers now. */
  version(): Promise<string | undefined>;
  data(): string;
  /** Asks the agent for its backups. */
  backups(): Promise<readonly BackupReport[]>;
  /** Makes the app ill on the data of a backup, which stays whole. */
  poison(seq: number): void;
  journal(update: string): JournalEntry | undefined;
  inventory(): readonly AppReport[] | undefined;
  /** Starts the agent anew with these points to kill itself at. */
  startAgent(...kill: string[]): Promise<void>;
  /** The same from a slot of its own, so that it can be updated: `agent` is then an app with these releases. */
  startOwnAgent(...kill: string[]): Promise<void>;
  stopAgent(): Promise<void>;
  /** Ends keeper and agent with SIGKILL; the app runs on. */
  killAll(): Promise<void>;
  /** A new keeper, after {@link Device.killAll}. */
  startKeeper(): Promise<void>;
  /** For commands on this device. */
  readonly environment: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

export interface DeviceOptions {
  readonly probing?: string;
  /** The app is one executable that is replaced in place: `opt/robot` of the home. */
  readonly binary?: boolean;
  /** Another app than the usual one: makes its releases (of `app`, in the folder `releases`), and answers its configuration. */
  readonly other?: (of: { readonly home: string; readonly releases: string; readonly port: number }) => Promise<string>;
  /** Lines of the app in the device's file, by key, in the place of the usual ones or beside them. May name `$PORT`, `$HOME`. */
  readonly app?: Readonly<Record<string, string>>;
  /** Releases beside the usual ones, by version: their files. */
  readonly releases?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The app's program in a release, instead of the usual one. */
  readonly program?: (version: string, behaviour: Behaviour) => string;
  /** More keys of the app's configuration, as YAML flow: `backup: {command: [cat, x]}`. */
  readonly more?: string;
}

export async function makeDevice(options: DeviceOptions = {}): Promise<Device> {
  const home = mkdtempSync(join(tmpdir(), 'fettle-device-'));
  const runtime = mkdtempSync(join(tmpdir(), 'fettle-rt-'));
  const layout = homeLayout(home, runtime);
  for (const dir of [layout.logs, layout.keeper.dir, layout.agent.dir, layout.hub.dir]) makeFolder(dir);
  const port = await freePort();
  const releases = join(home, 'releases');
  const executable = options.binary ? join(home, 'opt', 'robot') : undefined;
  const dataFolder = executable ? dirname(executable) : layout.app('app').shared;
  if (executable) {
    makeFolder(join(dataFolder, 'data'));
    writeFileSync(join(dataFolder, 'data', 'store.json'), '{"format":1,"notes":["kept"]}\n');
  }
  const usual = options.other ? {} : RELEASES;
  for (const [version, behaviour] of Object.entries(usual)) {
    if (executable) {
      const path = join(home, 'made', version, 'robot');
      makeFolder(dirname(path));
      writeFileSync(path, `#!${process.execPath}\n${program(version, behaviour)}`);
      await publish({ folder: releases, app: 'app', version, files: [{ platform: 'any', path }], clock });
      continue;
    }
    const archive = join(home, `app-${version}.tar.gz`);
    await writeArchive(archive, [
      { name: 'server.mjs', content: (options.program ?? program)(version, behaviour) },
      { name: 'data/store.json', content: '{"format":1,"notes":["kept"]}\n' },
    ]);
    await publish({ folder: releases, app: 'app', version, files: [{ platform: 'any', path: archive }], clock });
  }
  for (const [version, files] of Object.entries(options.releases ?? {})) {
    const archive = join(home, `app-${version}.tar.gz`);
    await writeArchive(
      archive,
      Object.entries(files).map(([name, content]) => ({ name, content })),
    );
    await publish({ folder: releases, app: 'app', version, files: [{ platform: 'any', path: archive }], clock });
  }
  for (const [version, behaviour] of Object.entries(AGENT_RELEASES)) {
    const archive = join(home, `fettle-${version}.tgz`);
    await writeArchive(archive, agentPackage(version, behaviour));
    const folder = join(home, 'releases-fettle');
    await publish({
      folder,
      app: 'fettle',
      version,
      files: [{ platform: 'any', path: archive }],
      clock,
      key: RELEASE_KEY,
    });
  }
  const other = await options.other?.({ home, releases, port });
  writeFileSync(layout.config, other ?? configuration(home, port, options, executable));
  const environment = { ...process.env, XDG_RUNTIME_DIR: runtime };

  const server = createServer();
  const hubKey = openKey(layout.hub.key);
  writeDurably(layout.agent.peers, hubKey.publicKey);
  const outcomes: Outcome[] = [];
  const messages: AgentMessage[] = [];
  let device = '';
  let epoch = 0;
  const gateway: Gateway = createGateway({
    servers: [server],
    key: hubKey,
    hub: { id: 'h-test', version: '0.0.0' },
    deviceKey: async () => ({ publicKey: readFileSync(`${layout.agent.key}.pub`, 'utf8'), state: 'active' }),
    clock,
    random: (length) => randomBytes(length),
    log: () => undefined,
    events: {
      connected: async (peer) => {
        device = peer.device;
        epoch += 1;
        return epoch;
      },
      disconnected: async () => undefined,
      message: async (_peer, _epoch, message) => {
        messages.push(message);
        if (message.type === 'outcome') outcomes.push(message.outcome);
      },
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  writeDurably(layout.hub.port, `${(server.address() as AddressInfo).port}\n`);

  let keeperProcess: ChildProcess;
  const runKeeper = () => {
    const log = openSync(layout.keeper.log, 'a');
    keeperProcess = spawn(process.execPath, ['src/main.ts', 'keeper', '--home', home], {
      env: environment,
      stdio: ['ignore', 'ignore', log],
    });
    closeSync(log);
    // What the start script does for the keeper's own update.
    keeperProcess.once('exit', (code) => code === 75 && runKeeper());
  };
  runKeeper();
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  await keeper.ask('hello', {}, { timeoutMs: 20_000 });

  async function start(program: readonly string[], kill: readonly string[]): Promise<void> {
    const spec = {
      dir: layout.app('agent').dir,
      argv: [...program, '--home', home, ...kill.flatMap((k) => (k.startsWith('--') ? [k] : ['--kill', k]))],
      cwd: process.cwd(),
      env: environment as Record<string, string>,
      log: layout.appLog('agent'),
      stopSignal: 'SIGTERM',
      graceMs: 5_000,
    } as const;
    await keeper.ask('keep', { app: 'agent', spec });
    await keeper.ask('start', { app: 'agent' });
    await until('the agent to connect', () => gateway.isConnected(device));
  }

  const made: Device = {
    layout,
    keeper,
    port,
    outcomes,
    messages,
    async order(kind, version, more = {}) {
      await until('the agent to connect', () => gateway.isConnected(device) && device);
      const update = `u-${randomBytes(3).toString('hex')}`;
      const app = more.app ?? 'app';
      const [folder, name] = isSelf(app) ? [join(home, 'releases-fettle'), 'fettle'] : [releases, 'app'];
      const release = version === undefined ? undefined : await findRelease(folder, name, version);
      const order: Order = {
        id: `o-${update}`,
        update,
        device,
        app,
        kind,
        ...(release ? { release: { version: release.version, channel: release.channel, digest: release.digest } } : {}),
        withData: false,
        backup: true,
        force: false,
        notBefore: Date.now(),
        expiresAt: Date.now() + 300_000,
        ...more,
      };
      gateway.send(device, { type: 'order', order });
      return update;
    },
    cancel: (update) => {
      gateway.send(device, { type: 'cancel', update });
    },
    async say(message) {
      await until('the agent to connect', () => gateway.isConnected(device) && device);
      gateway.send(device, message);
    },
    async outcome(update, limitMs = 60_000) {
      const found = await until(`the outcome of ${update}`, () => outcomes.find((o) => o.update === update), limitMs);
      gateway.send(device, { type: 'outcome-ack', update });
      return found;
    },
    version: () => askVersion(port),
    data: () => readFileSync(join(dataFolder, 'data', 'store.json'), 'utf8'),
    async backups() {
      const request = `b-${randomBytes(6).toString('hex')}`;
      await made.say({ type: 'list-backups', request, app: 'app' });
      const isIt = (m: AgentMessage) => m.type === 'backups' && m.request === request;
      const answer = await until('the list of backups', () => messages.find(isIt));
      return answer.type === 'backups' ? answer.backups : [];
    },
    poison(seq) {
      const folder = join(layout.app('app').backups, String(seq));
      const content = '{"format":1,"notes":["poison"]}\n';
      writeFileSync(join(folder, 'data', 'data', 'store.json'), content);
      const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
      const sha256 = createHash('sha256').update(content).digest('hex');
      const entries = manifest.entries.map((e) =>
        e.path === 'data/store.json' ? { ...e, size: content.length, sha256 } : e,
      );
      writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, entries }));
    },
    journal: (update) => openJournal(layout.agent.journal).get(update),
    inventory: () => messages.filter((m) => m.type === 'inventory').at(-1)?.apps,
    startAgent: (...kill) => start([process.execPath, join(import.meta.dirname, 'agent-entry.ts')], kill),
    async startOwnAgent(...kill) {
      const [version = ''] = Object.keys(AGENT_RELEASES);
      const slots = openSlots(layout.app('agent'));
      const { digest } = await findRelease(join(home, 'releases-fettle'), 'fettle', version);
      const slot = slots.nameFor(version, digest);
      if (!slots.record(slot)) {
        const folder = slots.prepare(slot);
        for (const { name, content = '' } of agentPackage(version, 'good')) {
          makeFolder(dirname(join(folder, name)));
          writeFileSync(join(folder, name), content);
        }
        const node = { node: process.execPath, nodeVersion: process.versions.node, runtimes: layout.runtimes };
        finishSlot({ app: 'agent', slot: folder, version, ...node });
        await slots.seal(slot, { version, digest, abi: '', sealedAt: 0 }, [], AbortSignal.timeout(5_000));
        slots.activate(slot);
        switchLink(layout.keeper.current, relative(layout.keeper.dir, slots.path(slot)));
      }
      await start(['{slot}/.fettle/node', '{slot}/.fettle/fettle', 'agent'], kill);
    },
    environment,
    async killAll() {
      const { agent } = (await keeper.ask('status', {})).apps;
      keeperProcess.kill('SIGKILL');
      await ended(keeperProcess);
      for (const { pid } of findByStartId(agent?.running?.startId ?? '')) endNow(pid);
      await until('the agent to be gone', () => findByStartId(agent?.running?.startId ?? '').length === 0);
    },
    async startKeeper() {
      runKeeper();
      await keeper.ask('hello', {}, { timeoutMs: 20_000 });
    },
    async stopAgent() {
      await keeper.ask('stop', { app: 'agent' }, { timeoutMs: 20_000 });
    },
    async close() {
      await keeper.ask('shutdown', {}, { timeoutMs: 5_000 }).catch(() => undefined);
      keeper.close();
      await ended(keeperProcess);
      // What was rescued without a keeper has nobody else who would end it.
      for (const pid of processesOf(home)) endNow(pid);
      await gateway.stop();
      server.close();
      for (const folder of [home, runtime]) rmSync(folder, { recursive: true, force: true });
    },
  };
  return made;
}

/** Processes that were started in a home: its path is in their environment or their command. */
function processesOf(home: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      const told = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${name}/${file}`, 'latin1'));
      return told.some((text) => text.includes(home)) ? [pid] : [];
    } catch {
      return [];
    }
  });
}

function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
}

async function findRelease(folder: string, app: string, version: string): Promise<OrderedRelease> {
  const answer = await readFolder(folder, { app, signal: AbortSignal.timeout(5_000) });
  const release = answer === 'unchanged' ? undefined : answer.offer.releases.find((r) => r.version === version);
  if (!release) throw new Error(`the test has no release ${version}`);
  return { version, channel: release.channel, digest: release.digest };
}

/** One request on a connection of its own; `undefined` where nothing good answers. */
export async function askVersion(port: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/version`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(2_000),
    });
    return response.ok ? ((await response.json()) as { version: string }).version : undefined;
  } catch {
    return undefined;
  }
}

function configuration(home: string, port: number, options: DeviceOptions, executable: string | undefined): string {
  const lines = {
    source: 'folder releases',
    ...(executable ? { binary: executable } : { run: 'node server.mjs' }),
    env: '{PORT: $PORT, API_TOKEN: very-secret-value-4711}',
    keep: '[data]',
    downgrade: 'any',
    healthy:
      '{http: "http://127.0.0.1:$PORT/version", version: .version, every: 50ms, checks: 2, for: 300ms, timeout: 2s}',
    stop: '{grace: 2s}',
    deadlines: `{probing: ${options.probing ?? '3s'}}`,
    ...options.app,
  };
  const app = Object.entries(lines).map(([key, value]) => `    ${key}: ${value}`);
  return `fettle: {source: folder releases-fettle, ${RELEASE_KEYS}, for: 1s, deadlines: {probing: 4s}}
updates: {keepBackups: 0s}
apps:
  app:
${app.join('\n').replaceAll('$PORT', String(port)).replaceAll('$HOME', home)}
${(options.more ?? '').replace(/^(?=.)/gm, '    ')}
`;
}
