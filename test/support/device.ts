import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, createWriteStream, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { type JournalEntry, openJournal } from '../../agent/journal.ts';
import { createKeeperClient, type KeeperClient } from '../../agent/keeper/client.ts';
import { findByStartId } from '../../agent/keeper/scan.ts';
import { type HomeLayout, homeLayout } from '../../config/home.ts';
import { publish } from '../../src/cli/publish.ts';
import { makeFolder, writeDurably } from '../../src/files/durable.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { readFolder } from '../../src/origin/folder.ts';
import { openKey } from '../../src/protocol/key.ts';
import type { AgentMessage, AppReport, Order, OrderedRelease, Outcome } from '../../src/protocol/messages.ts';
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
  /** The outcome of an update, once it is there; it is acknowledged. */
  outcome(update: string, limitMs?: number): Promise<Outcome>;
  /** What the app answers now. */
  version(): Promise<string | undefined>;
  data(): string;
  journal(update: string): JournalEntry | undefined;
  inventory(): readonly AppReport[] | undefined;
  /** Starts the agent anew with these points to kill itself at. */
  startAgent(...kill: string[]): Promise<void>;
  stopAgent(): Promise<void>;
  /** Ends keeper and agent with SIGKILL; the app runs on. */
  killAll(): Promise<void>;
  /** A new keeper, after {@link Device.killAll}. */
  startKeeper(): Promise<void>;
  /** For commands on this device. */
  readonly environment: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

/** How a release of the test's app behaves. */
export type Behaviour = 'good' | 'crashes' | 'ill' | 'lies' | 'late-crash' | 'migrates-and-ill';

const RELEASES: Readonly<Record<string, Behaviour>> = {
  '1.0.0': 'good',
  '1.1.0': 'good',
  '1.2.0': 'migrates-and-ill',
  '1.3.0': 'crashes',
  '1.4.0': 'lies',
  '1.5.0': 'late-crash',
};

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

export async function makeDevice(options: { readonly probing?: string } = {}): Promise<Device> {
  const home = mkdtempSync(join(tmpdir(), 'fettle-device-'));
  const runtime = mkdtempSync(join(tmpdir(), 'fettle-rt-'));
  const layout = homeLayout(home, runtime);
  for (const dir of [layout.logs, layout.keeper.dir, layout.agent.dir, layout.hub.dir]) makeFolder(dir);
  const port = await freePort();
  const releases = join(home, 'releases');
  for (const [version, behaviour] of Object.entries(RELEASES)) {
    const archive = join(home, `app-${version}.tar.gz`);
    await writeArchive(archive, version, behaviour);
    await publish({ folder: releases, app: 'app', version, files: [{ platform: 'any', path: archive }], clock });
  }
  writeFileSync(layout.config, configuration(port, options.probing ?? '3s'));
  const environment = { ...process.env, XDG_RUNTIME_DIR: runtime };

  const server = createServer();
  const hubKey = openKey(layout.hub.key);
  writeDurably(layout.agent.peers, hubKey.publicKey);
  const outcomes: Outcome[] = [];
  const messages: AgentMessage[] = [];
  let device = '';
  let epoch = 0;
  const gateway: Gateway = createGateway({
    server,
    key: hubKey,
    hub: { id: 'h-test', version: '0.0.0' },
    deviceKey: () => readFileSync(`${layout.agent.key}.pub`, 'utf8'),
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

  const runKeeper = () => {
    const log = openSync(layout.keeper.log, 'a');
    const child = spawn(process.execPath, ['src/main.ts', 'keeper', '--home', home], {
      env: environment,
      stdio: ['ignore', 'ignore', log],
    });
    closeSync(log);
    return child;
  };
  let process_ = runKeeper();
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  await keeper.ask('hello', {}, { timeoutMs: 20_000 });

  const made: Device = {
    layout,
    keeper,
    port,
    outcomes,
    messages,
    async order(kind, version, more = {}) {
      await until('the agent to connect', () => gateway.isConnected(device) && device);
      const update = `u-${randomBytes(3).toString('hex')}`;
      const release = version === undefined ? undefined : await findRelease(releases, version);
      const order: Order = {
        id: `o-${update}`,
        update,
        device,
        app: 'app',
        kind,
        ...(release ? { release: { version: release.version, channel: release.channel, digest: release.digest } } : {}),
        withData: false,
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
    async outcome(update, limitMs = 60_000) {
      const found = await until(`the outcome of ${update}`, () => outcomes.find((o) => o.update === update), limitMs);
      gateway.send(device, { type: 'outcome-ack', update });
      return found;
    },
    version: () => askVersion(port),
    data: () => readFileSync(join(layout.app('app').shared, 'data', 'store.json'), 'utf8'),
    journal: (update) => openJournal(layout.agent.journal).get(update),
    inventory: () => messages.filter((m) => m.type === 'inventory').at(-1)?.apps,
    async startAgent(...kill) {
      const spec = {
        dir: layout.app('agent').dir,
        argv: [
          process.execPath,
          join(import.meta.dirname, 'agent-entry.ts'),
          '--home',
          home,
          ...kill.flatMap((k) => (k.startsWith('--') ? [k] : ['--kill', k])),
        ],
        cwd: process.cwd(),
        env: environment as Record<string, string>,
        log: layout.appLog('agent'),
        stopSignal: 'SIGTERM',
        graceMs: 5_000,
      } as const;
      await keeper.ask('keep', { app: 'agent', spec });
      await keeper.ask('start', { app: 'agent' });
      await until('the agent to connect', () => gateway.isConnected(device));
    },
    environment,
    async killAll() {
      const { agent } = (await keeper.ask('status', {})).apps;
      process_.kill('SIGKILL');
      await ended(process_);
      for (const { pid } of findByStartId(agent?.running?.startId ?? '')) process.kill(pid, 'SIGKILL');
      await until('the agent to be gone', () => findByStartId(agent?.running?.startId ?? '').length === 0);
    },
    async startKeeper() {
      process_ = runKeeper();
      await keeper.ask('hello', {}, { timeoutMs: 20_000 });
    },
    async stopAgent() {
      await keeper.ask('stop', { app: 'agent' }, { timeoutMs: 20_000 });
    },
    async close() {
      await keeper.ask('shutdown', {}, { timeoutMs: 5_000 }).catch(() => undefined);
      keeper.close();
      await ended(process_);
      await gateway.stop();
      server.close();
      for (const folder of [home, runtime]) rmSync(folder, { recursive: true, force: true });
    },
  };
  return made;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function findRelease(folder: string, version: string): Promise<OrderedRelease> {
  const answer = await readFolder(folder, { app: 'app', signal: AbortSignal.timeout(5_000) });
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

function configuration(port: number, probing: string): string {
  return `apps:
  app:
    source: folder releases
    run: node server.mjs
    env: {PORT: ${port}, API_TOKEN: very-secret-value-4711}
    keep: [data]
    downgrade: any
    healthy: {http: "http://127.0.0.1:${port}/version", version: .version, every: 50ms, checks: 2, for: 300ms, timeout: 2s}
    stop: {grace: 2s}
    deadlines: {probing: ${probing}}
`;
}

async function writeArchive(path: string, version: string, behaviour: Behaviour): Promise<void> {
  const archive = pack();
  archive.entry({ name: 'server.mjs' }, program(version, behaviour));
  archive.entry({ name: 'data/store.json' }, '{"format":1,"notes":["kept"]}\n');
  archive.finalize();
  await pipeline(archive, createGzip(), createWriteStream(path));
}

function program(version: string, behaviour: Behaviour): string {
  return `import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
console.log('app ${version} starts with token', process.env.API_TOKEN);
${behaviour === 'migrates-and-ill' ? `writeFileSync('data/store.json', '{"format":2}\\n'); writeFileSync('data/new-file', 'x');` : ''}
${behaviour === 'crashes' ? `console.error('cannot start'); process.exit(3);` : ''}
${behaviour === 'late-crash' ? `setTimeout(() => process.exit(4), 200);` : ''}
createServer((request, response) => {
  response.writeHead(${behaviour === 'ill' || behaviour === 'migrates-and-ill' ? 500 : 200});
  response.end(JSON.stringify({ version: '${behaviour === 'lies' ? '1.0.0' : version}' }));
}).listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;
}
