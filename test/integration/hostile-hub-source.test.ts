import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { writeDurably } from '../../src/files/durable.ts';
import { Index, statementDigest } from '../../src/origin/feed-format.ts';
import { generateMinisignKey, type MinisignSecretKey } from '../../src/origin/minisign-secret.ts';
import { createSeenFile } from '../../src/origin/seen.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import type { OrderedSource } from '../../src/protocol/ordered-source.ts';
import { writeArchive } from '../support/artifact.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { program } from '../support/device-releases.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';

/**
 * A real agent whose file names keys and no source, and a hub that says where releases are: the right place, and every
 * wrong one. What is refused is refused with its code, and nothing is asked where nothing may be asked.
 */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const KEY = generateMinisignKey();
let device: Device;
let folder = '';
let feeds: FeedServer;
const releases: Record<string, OrderedRelease> = {};

async function put(to: string, version: string, key: MinisignSecretKey | undefined = KEY, app = 'app') {
  const path = join(folder, `${app}-${version}.tgz`);
  await writeArchive(path, [
    { name: 'server.mjs', content: program(version, 'good') },
    { name: 'data/store.json', content: '{"format":1,"notes":["kept"]}\n' },
  ]);
  const files = [{ platform: 'any', path }];
  const { digest } = await publish({ folder: join(folder, 'feeds', to), app, version, files, clock, key });
  return { version, channel: 'stable', digest } satisfies OrderedRelease;
}

const at = (feed: string): OrderedSource => ({ kind: 'feed', address: `${feeds.url}/${feed}` });

beforeAll(async () => {
  const namedPort = await freePort();
  device = await makeDevice({
    async other({ home, port }) {
      folder = home;
      mkdirSync(join(home, 'feeds'));
      feeds = await serveFolder(join(home, 'feeds'));
      releases['1.0.0'] = await put('right', '1.0.0');
      cpSync(join(home, 'feeds', 'right'), join(home, 'feeds', 'old'), { recursive: true });
      releases['1.1.0'] = await put('right', '1.1.0');
      releases.evil = await put('evil', '9.9.9', generateMinisignKey());
      releases.other = await put('other', '2.0.0', KEY, 'other');
      const app = (name: string, port: number, more: string) => `
  ${name}:${more}
    keys: [${KEY.publicKey.text}]
    run: node server.mjs
    env: {PORT: "${port}"}
    keep: [data]
    healthy: {http: "http://127.0.0.1:${port}/version", version: .version, every: 50ms, checks: 2, for: 300ms}
    stop: {grace: 2s}`;
      const named = app('other', namedPort, `\n    source: feed ${feeds.url}/other`);
      return `allowInsecure: true\napps:${app('app', port, '')}${named}\n`;
    },
  });
  await device.startAgent();
}, 120_000);
afterAll(async () => {
  await feeds?.close();
  await device?.close();
}, 60_000);

const asked = (of: string) => feeds.requests.filter(({ path }) => path.startsWith(`/${of}/`)).length;

/** What an update to `release` from there comes to: the code that refuses it, or its state. */
async function come(release: OrderedRelease | undefined, source: OrderedSource | undefined, kind = 'update' as const) {
  if (!release) throw new Error('the test has no such release');
  const ordered = source ? { ...release, source } : release;
  const update = await device.order(kind, undefined, { release: ordered });
  const answer = await until(
    `an answer to ${update}`,
    () => {
      const ack = device.messages.find((said) => said.type === 'order-ack' && said.update === update && !said.accepted);
      const code = ack?.type === 'order-ack' ? ack.problem?.code : undefined;
      const outcome = device.outcomes.find((one) => one.update === update);
      return code ?? outcome?.problem?.code ?? outcome?.state;
    },
    60_000,
  );
  if (device.outcomes.some((one) => one.update === update)) await device.outcome(update);
  return answer;
}

describe('a device whose file names keys and no source', () => {
  test('takes from where the order says what its key signed', async () => {
    const ordered = { ...releases['1.0.0'], source: at('right') } as OrderedRelease;
    expect(await device.outcome(await device.order('install', undefined, { release: ordered }))).toMatchObject({
      state: 'succeeded',
    });
    expect(await come(releases['1.1.0'], at('right'))).toBe('succeeded');
    expect(await device.version()).toBe('1.1.0');
    const told = await until('the inventory', () => device.inventory()?.find(({ app }) => app === 'app')?.trust);
    expect(told).toEqual({ level: 'signed', by: [KEY.publicKey.text] });
  }, 60_000);

  test.each<[string, () => OrderedSource | undefined, string]>([
    ['no place at all', () => undefined, 'capability_denied'],
    ['a file', () => ({ kind: 'feed', address: `file://${folder}/feeds/right` }), 'capability_denied'],
    ['a folder', () => ({ kind: 'folder', address: `${folder}/feeds/right` }), 'capability_denied'],
    ['a repository', () => ({ kind: 'git', address: 'https://git.example/evil' }), 'capability_denied'],
    ['a package', () => ({ kind: 'npm', address: 'evil' }), 'capability_denied'],
    ['http elsewhere', () => ({ kind: 'feed', address: 'http://192.0.2.1/feed' }), 'capability_denied'],
    ['a password', () => ({ kind: 'feed', address: 'https://me:pass@192.0.2.1/feed' }), 'capability_denied'],
    ['a query', () => ({ kind: 'feed', address: `${feeds.url}/right?token=x` }), 'capability_denied'],
    ['no address', () => ({ kind: 'gitea', address: '../../etc' }), 'capability_denied'],
    [
      'an API of http elsewhere',
      () => ({ kind: 'github', address: 'acme/robot', api: ['http://192.0.2.1'] }),
      'capability_denied',
    ],
  ])('%s: refused before anything is asked', async (_what, source, code) => {
    const before = feeds.requests.length;
    expect(await come(releases['1.1.0'], source())).toBe(code);
    expect(feeds.requests).toHaveLength(before);
  });

  test('a place where nobody answers: source_unreachable', async () => {
    const address = `http://127.0.0.1:${await freePort()}/feed`;
    expect(await come(releases.evil, { kind: 'feed', address })).toBe('source_unreachable');
  }, 60_000);

  test("a feed of the attacker's own, and one that nobody signed: artifact_unverified", async () => {
    expect(await come(releases.evil, at('evil'))).toBe('artifact_unverified');
    cpSync(join(folder, 'feeds', 'right'), join(folder, 'feeds', 'bare'), { recursive: true });
    const file = join(folder, 'feeds', 'bare', 'index.json');
    const { head: _head, signature: _signature, ...bare } = Index.parse(JSON.parse(readFileSync(file, 'utf8')));
    writeFileSync(file, JSON.stringify({ ...bare, number: 900 }));
    expect(await come({ ...releases['1.1.0'], version: '9.9.9' } as OrderedRelease, at('bare'))).toBe(
      'artifact_unverified',
    );
    // Whoever can't sign can't block what comes after either.
    expect(await come(releases['1.1.0'], at('right'))).toBe('already_running_version');
  }, 60_000);

  test("another app's feed under the same key, and its statement in this one's name", async () => {
    expect(await come(releases.other, at('other'))).toBe('source_invalid');
    const theirs = Index.parse(JSON.parse(readFileSync(join(folder, 'feeds', 'other', 'index.json'), 'utf8')));
    mkdirSync(join(folder, 'feeds', 'mixed'));
    writeFileSync(join(folder, 'feeds', 'mixed', 'index.json'), JSON.stringify({ ...theirs, app: 'app' }));
    const digest = statementDigest(theirs.releases[0]?.statement ?? '');
    // Read as this app's, a statement of another is none.
    expect(await come({ version: '2.0.0', channel: 'stable', digest }, at('mixed'))).toBe('artifact_unverified');
  }, 60_000);

  test('an old index at another address: source_rolled_back, whatever it is called', async () => {
    expect(await come({ ...releases.evil } as OrderedRelease, at('old'))).toBe('source_rolled_back');
    cpSync(join(folder, 'feeds', 'old'), join(folder, 'feeds', 'fresh'), { recursive: true });
    expect(await come({ ...releases.evil } as OrderedRelease, at('fresh'))).toBe('source_rolled_back');
  }, 60_000);

  test('an older release than the one that runs: downgrade_refused', async () => {
    releases['1.2.0'] = await put('right', '1.2.0');
    expect(await come(releases['1.2.0'], at('right'))).toBe('succeeded');
    const before = feeds.requests.length;
    expect(await come(releases['1.0.0'], at('right'))).toBe('downgrade_refused');
    expect(feeds.requests).toHaveLength(before);
    expect(await device.version()).toBe('1.2.0');
  }, 60_000);

  test("where the file names a source, the order's is passed over", async () => {
    const before = asked('evil');
    const release = { ...releases.other, source: at('evil') } as OrderedRelease;
    const update = await device.order('install', undefined, { app: 'other', release });
    expect(await device.outcome(update)).toMatchObject({ state: 'succeeded', to: '2.0.0' });
    expect(asked('evil')).toBe(before);
  }, 60_000);

  test('the number that it was given when it joined counts from the start', async () => {
    const seen = createSeenFile(device.layout.agent.seen);
    const name = `signed app by ${KEY.publicKey.text}`;
    const number = await seen.highest(name);
    expect(number).toBe(3);
    rmSync(device.layout.agent.seen);
    await seen.saw(name, 50);
    releases['1.3.0'] = await put('right', '1.3.0');
    expect(await come(releases['1.3.0'], at('right'))).toBe('source_rolled_back');
    rmSync(device.layout.agent.seen);
    expect(await come(releases['1.3.0'], at('right'))).toBe('succeeded');
  }, 60_000);

  test('a hub elsewhere has no say in what is asked of this machine', async () => {
    await device.stopAgent();
    // 0.0.0.0 leads here, and is nobody whom the agent takes for here.
    const port = readFileSync(device.layout.hub.port, 'utf8').trim();
    const key = readFileSync(device.layout.agent.peers, 'utf8').trim();
    const hub = { address: `ws://0.0.0.0:${port}/agent`, key };
    writeDurably(join(device.layout.agent.dir, 'hub.json'), JSON.stringify(hub), 0o600);
    await device.startAgent();
    const before = feeds.requests.length;
    const here = new URL(feeds.url).port;
    for (const host of ['127.0.0.1', 'localhost', '127.1', '[::1]']) {
      const source = { kind: 'feed', address: `http://${host}:${here}/right` };
      expect([host, await come(releases.evil, source)]).toEqual([host, 'capability_denied']);
    }
    for (const host of ['127.0.0.1', '0.0.0.0', '[::]', '[::ffff:127.0.0.1]', 'x.localhost', 'localhost.']) {
      const source = { kind: 'gitea', address: `https://${host}:${here}/acme/robot` };
      expect([host, await come(releases.evil, source)]).toEqual([host, 'capability_denied']);
    }
    expect(feeds.requests).toHaveLength(before);
  }, 60_000);
});
