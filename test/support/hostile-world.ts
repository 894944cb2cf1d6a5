import { randomBytes } from 'node:crypto';
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { commitVersion } from '../../src/domain/commit-version.ts';
import { writeDurably } from '../../src/files/durable.ts';
import { Index } from '../../src/origin/feed-format.ts';
import { gitDigest } from '../../src/origin/git.ts';
import { generateMinisignKey, type MinisignSecretKey } from '../../src/origin/minisign-secret.ts';
import { openKey } from '../../src/protocol/key.ts';
import type { AgentMessage, HubMessage, Order, OrderedRelease } from '../../src/protocol/messages.ts';
import { writeArchive } from './artifact.ts';
import { type Device, makeDevice } from './device.ts';
import { program } from './device-releases.ts';
import { type FeedServer, serveFolder } from './feed-server.ts';
import { freePort } from './free-port.ts';
import { type GitServer, makeRepository, serveGit } from './git.ts';
import { type HostileHub, startHostileHub } from './hostile-hub.ts';
import { until } from './until.ts';

/**
 * What an attacker gets who has the hub: a real agent with two signed apps, one app of a repository and a tool, before a
 * hub that holds the hub's key and says what it likes, and before servers that serve what it likes. Of each lie: the code
 * with which it is refused; and that nothing was started, stopped or written but what the agent notes of orders.
 */

export const clock = { now: () => Date.now(), monotonic: () => performance.now() };
export const KEY = generateMinisignKey();
export let device: Device;
export let hub: HostileHub;
let feeds: FeedServer;
let repositories: GitServer;
export let folder = '';
export let id = '';
/** What the device's own file says. */
export let deviceText = '';
export const commits = { main: '', other: '' };
let repository: ReturnType<typeof makeRepository>;

export async function put(
  app: 'app' | 'other',
  version: string,
  key: MinisignSecretKey | undefined = KEY,
  to: string = app,
) {
  const path = join(folder, 'served', `${app}-${version}.tgz`);
  await writeArchive(path, [
    { name: 'server.mjs', content: program(version, 'good') },
    { name: 'data/store.json', content: '{"format":1,"notes":["kept"]}\n' },
  ]);
  const made = await publish({
    folder: join(folder, 'feeds', to),
    app,
    version,
    files: [{ platform: 'any', path }],
    clock,
    key,
  });
  return { version, channel: 'stable', digest: made.digest } satisfies OrderedRelease;
}

export const file = (app: string) => join(folder, 'feeds', app, 'index.json');
export const read = (app: string) => Index.parse(JSON.parse(readFileSync(file(app), 'utf8')));

export const releases: Record<string, OrderedRelease> = {};

async function setUp(): Promise<void> {
  const otherPort = await freePort();
  device = await makeDevice({
    async other({ home, port }) {
      folder = home;
      for (const made of ['feeds', 'served']) mkdirSync(join(home, made));
      feeds = await serveFolder(join(home, 'feeds'));
      for (const version of ['1.0.0', '1.1.0', '1.2.0']) releases[version] = await put('app', version);
      releases.other = await put('other', '2.0.0');
      repository = makeRepository(join(home, 'served', 'site'));
      commits.main = repository.commit({ 'server.mjs': program('1.0.0', 'good') });
      repository.git('checkout', '--quiet', '-b', 'evil');
      commits.other = repository.commit({ 'server.mjs': 'process.exit(1)' });
      repository.git('checkout', '--quiet', 'main');
      repositories = await serveGit(join(home, 'served'));
      const app = (name: string, at: number) => `
  ${name}:
    source: feed ${feeds.url}/${name}
    keys: [${KEY.publicKey.text}]
    run: node server.mjs
    env: {PORT: "${at}", API_TOKEN: very-secret-value-4711}
    keep: [data]
    healthy: {http: "http://127.0.0.1:${at}/version", version: .version, every: 50ms, checks: 2, for: 300ms}
    stop: {grace: 2s}`;
      mkdirSync(join(home, 'marks'));
      writeFileSync(join(home, 'marks', 'note'), 'a note\n');
      deviceText = `apps:${app('app', port)}${app('other', otherPort)}
  site:
    source: git ${repositories.url}/site/.git main
    run: node server.mjs
tools:
  mark: {run: [/usr/bin/touch, '{name}'], cwd: ${home}/marks, args: {name: {type: word, pattern: '[a-z]+'}}}
  show: {run: [/bin/cat, '{file}'], args: {file: {type: path, under: [${home}/marks]}}}
  reset: {run: [/usr/bin/touch, reset], cwd: ${home}/marks, role: admin}
`;
      return deviceText;
    },
  });
  await device.startAgent();
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
    const update = await device.order(version === '1.0.0' ? 'install' : 'update', undefined, {
      release: releases[version],
    });
    expect((await device.outcome(update)).state).toBe('succeeded');
  }
  const update = await device.order('install', undefined, { app: 'other', release: releases.other });
  expect((await device.outcome(update)).state).toBe('succeeded');
  id = readFileSync(join(device.layout.agent.dir, 'id'), 'utf8').trim();
  // From here on the hub is somebody else's.
  hub = await startHostileHub(openKey(device.layout.hub.key), () =>
    readFileSync(`${device.layout.agent.key}.pub`, 'utf8'),
  );
  await restartAgent(() => writeDurably(device.layout.hub.port, `${hub.port}\n`));
}

/** One device for a file: what is tried there leaves it as it was. With `FETTLE_PRINT=1` each lie is printed. */
export function useHostileWorld(): void {
  beforeAll(setUp, 240_000);
  afterAll(async () => {
    if (process.env.FETTLE_PRINT === '1')
      console.log(['what a hostile hub tried → what it came to', ...lines].join('\n'));
    await hub?.close();
    await feeds?.close();
    await repositories?.close();
    await device?.close();
  });
}

/** @param meanwhile is done while no agent runs */
export async function restartAgent(meanwhile: () => void = () => undefined): Promise<void> {
  await device.stopAgent();
  meanwhile();
  const before = hub.heard.length;
  await device.keeper.ask('start', { app: 'agent' });
  await until('an inventory', () => hub.heard.slice(before).some(({ type }) => type === 'inventory'), 90_000);
}

/** Everything of the home but what is noted of orders, settings and starts: path → what it is, with its time. */
function written(): Record<string, string> {
  const found: Record<string, string> = {};
  const notes =
    /^(agent\/(journal|orders|audit|seen\.json|rotations|git|tools|settings\.json)|logs|feeds|served|keeper\/exits)/;
  const look = (path: string) => {
    for (const name of readdirSync(join(folder, path)).sort()) {
      const at = path === '' ? name : `${path}/${name}`;
      if (notes.test(at)) continue;
      const stat = lstatSync(join(folder, at));
      if (stat.isDirectory()) {
        // Where downloads are until they are proven; empty again afterwards.
        if (!/^apps\/\w+\/tmp$/.test(at)) found[at] = 'folder';
        look(at);
      } else if (at === 'keeper/keep.json') {
        // Written anew when a hold that never began is let go of.
        found[at] = readFileSync(join(folder, at), 'utf8');
      } else {
        found[at] = stat.isSymbolicLink() ? readlinkSync(join(folder, at)) : `${stat.size} ${stat.mtimeMs}`;
      }
    }
  };
  look('');
  return found;
}

async function running(): Promise<Record<string, string | undefined>> {
  const { apps } = await device.keeper.ask('status', {});
  return Object.fromEntries(Object.entries(apps).map(([app, { running }]) => [app, running?.startId]));
}

export function order(more: Partial<Order> & { readonly [key: string]: unknown } = {}): HubMessage {
  const update = `u-${randomBytes(4).toString('hex')}`;
  const now = Date.now();
  return {
    type: 'order',
    now,
    order: {
      ...{ id: `o-${update}`, update, device: id, app: 'app', kind: 'update' },
      ...{ withData: false, backup: true, force: false, notBefore: now, expiresAt: now + 300_000 },
      ...more,
    },
  };
}

/** The code that an order came to: with its acknowledgement, or as the outcome of an update that went no further. */
export async function verdict(message: HubMessage): Promise<string> {
  if (message.type !== 'order') throw new Error('an order is needed');
  await hub.say(message);
  const { update } = message.order;
  const about = (said: AgentMessage) =>
    said.type === 'order-ack' && said.update === update && !said.accepted
      ? said.problem?.code
      : said.type === 'outcome' && said.outcome.update === update
        ? `${said.outcome.state === 'failed' ? '' : `${said.outcome.state} `}${said.outcome.problem?.code ?? ''}`
        : undefined;
  const code = await until(
    `an answer to ${update}`,
    () => hub.heard.map(about).find((one) => one !== undefined),
    60_000,
  );
  await hub.say({ type: 'outcome-ack', update });
  return code;
}

/** A lie of the feed's server, for the time of `work`. */
export async function serving<T>(app: string, change: () => Promise<void> | void, work: () => Promise<T>): Promise<T> {
  const safe = join(folder, 'served', 'safe');
  cpSync(join(folder, 'feeds', app), safe, { recursive: true });
  try {
    await change();
    return await work();
  } finally {
    rmSync(join(folder, 'feeds', app), { recursive: true });
    cpSync(safe, join(folder, 'feeds', app), { recursive: true });
    rmSync(safe, { recursive: true });
  }
}

const lines: string[] = [];

/** Runs one lie; the device is the same afterwards. */
export async function lie(what: string, expected: string, tell: () => Promise<string>): Promise<void> {
  const before = [written(), await running(), await device.version()];
  const code = await tell();
  expect(code).toBe(expected);
  expect([written(), await running(), await device.version()]).toEqual(before);
  lines.push(`${what.padEnd(60)} ${code}; nothing started, stopped or written`);
}

export const commit = (of: string): OrderedRelease => {
  const seconds = Number(repository.git('log', '-1', '--format=%ct', of));
  return { version: commitVersion(of, seconds), channel: 'stable', digest: gitDigest(of) };
};
