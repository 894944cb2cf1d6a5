import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { Index } from '../../src/origin/feed-format.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { RELEASE_KEY, RELEASE_KEYS } from '../support/release-key.ts';
import { until } from '../support/until.ts';

/** A real agent with a key in its file, under a hub that lies. */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const VERSIONS = ['1.0.0', '1.1.0', '1.6.0'];
const KEY = RELEASE_KEY.publicKey.text;
let device: Device;
let feed: string;

beforeAll(async () => {
  const server = (version: string) => `
    import { createServer } from 'node:http';
    createServer((_, response) => response.end('{"version":"${version}"}')).listen(process.env.PORT, '127.0.0.1');
    process.once('SIGTERM', () => process.exit(0));`;
  device = await makeDevice({
    app: { keys: RELEASE_KEYS.replace('keys: ', ''), downgrade: 'last-good' },
    releases: { '1.6.0': { 'server.mjs': server('1.6.0') } },
  });
  feed = join(device.layout.home, 'releases');
  for (const version of VERSIONS) {
    const path = join(device.layout.home, `app-${version}.tar.gz`);
    await publish({ folder: feed, app: 'app', version, files: [{ platform: 'any', path }], clock, key: RELEASE_KEY });
  }
  await device.startAgent();
  expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
  expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
}, 120_000);
afterAll(() => device.close(), 60_000);

const index = () => Index.parse(JSON.parse(readFileSync(join(feed, 'index.json'), 'utf8')));
function ordered(version: string): OrderedRelease {
  const entry = index().releases.find((one) => one.version === version);
  if (!entry) throw new Error(`no ${version}`);
  return { version, channel: 'stable', digest: `sha256-${sha256(entry.statement)}` };
}
const slots = () => readdirSync(device.layout.app('app').releases).sort();

/** Refused with this code, and nothing was fetched, written or switched. */
async function denied(release: OrderedRelease, code: string, kind: 'update' | 'install' = 'update'): Promise<void> {
  const before = { slots: slots(), version: await device.version() };
  const outcome = await device.outcome(await device.order(kind, undefined, { release, force: true }));
  expect(outcome).toMatchObject({ state: 'failed', problem: { code } });
  expect({ slots: slots(), version: await device.version() }).toEqual(before);
  expect(existsSync(device.layout.app('app').tmp) ? readdirSync(device.layout.app('app').tmp) : []).toEqual([]);
}

test('the device tells whom it trusts', async () => {
  const report = await until('a report', () => device.inventory()?.find(({ app }) => app === 'app'));
  expect(report.trust).toEqual({ level: 'signed', by: [KEY] });
});

test('what nobody signed, a signed 1.0.0 as 9.9.9, and what is not of this app are denied', async () => {
  // 1.2.0 is in the feed, without a signature.
  await denied(ordered('1.2.0'), 'artifact_unverified');
  await denied({ ...ordered('1.0.0'), version: '9.9.9' }, 'artifact_unverified');
  const other = Index.parse(JSON.parse(readFileSync(join(device.layout.home, 'releases-fettle/index.json'), 'utf8')));
  const foreign = `sha256-${sha256(other.releases[0]?.statement ?? '')}`;
  await denied({ ...ordered('1.6.0'), digest: foreign }, 'artifact_unverified');
});

test('an index that was changed is denied, and an older one', async () => {
  const file = join(feed, 'index.json');
  const whole = readFileSync(file, 'utf8');
  writeFileSync(file, whole.replace(/"number": (\d+)/, '"number": 1$1'));
  await denied(ordered('1.6.0'), 'artifact_unverified');
  writeFileSync(file, whole);
  const path = join(device.layout.home, 'app-1.6.0.tar.gz');
  const files = [{ platform: 'any', path }];
  await publish({ folder: feed, app: 'app', version: '1.6.0', files, clock, key: RELEASE_KEY });
  const newer = readFileSync(file, 'utf8');
  // It is seen, whatever becomes of the order.
  await denied({ ...ordered('1.6.0'), digest: `sha256-${'0'.repeat(64)}` }, 'artifact_unverified');
  writeFileSync(file, whole);
  await denied(ordered('1.6.0'), 'source_rolled_back');
  writeFileSync(file, newer);
});

test('an older release is denied though it is signed, and though the hub insists; last-good is not', async () => {
  expect(await device.outcome(await device.order('update', '1.6.0'))).toMatchObject({ state: 'succeeded' });
  await denied(ordered('1.0.0'), 'downgrade_refused');
  await denied(ordered('1.0.0'), 'downgrade_refused', 'install');
  expect(await device.version()).toBe('1.6.0');
  expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
}, 60_000);

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
