import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { generateMinisignKey } from '../../src/origin/minisign-secret.ts';
import { writeArchive } from '../support/artifact.ts';
import { askVersion } from '../support/device.ts';
import { program } from '../support/device-releases.ts';
import { type EnrolledDevice, enrolledDevice, lineIn } from '../support/enrolled-device.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, makeHome } from '../support/home.ts';
import { until } from '../support/until.ts';

/** A device whose file names a key and no source, of a hub that knows where the releases are. */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const KEY = generateMinisignKey();
const LIMIT_MS = 300_000;
let hub: Home;
let device: EnrolledDevice | undefined;
let feed: FeedServer;

async function put(version: string): Promise<void> {
  const path = join(hub.layout.home, `robot-${version}.tgz`);
  await writeArchive(path, [
    { name: 'server.mjs', content: program(version, 'good') },
    { name: 'data/store.json', content: '{}' },
  ]);
  const files = [{ platform: 'any', path }];
  await publish({ folder: join(hub.layout.home, 'feed'), app: 'robot', version, files, clock, key: KEY });
}

beforeEach(async () => {
  hub = makeHome();
  mkdirSync(join(hub.layout.home, 'feed'), { recursive: true });
  feed = await serveFolder(join(hub.layout.home, 'feed'));
  await put('1.0.0');
  writeFileSync(
    hub.layout.config,
    `hub: {listen: "127.0.0.1:${await freePort()}", tls: self-signed}
apps:
  robot: {source: "feed ${feed.url}", keys: [${KEY.publicKey.text}], run: node server.mjs}
`,
  );
  expect((await hub.fettle(['up', '--detach'])).code).toBe(0);
}, LIMIT_MS);
afterEach(async () => {
  await device?.close();
  await hub.close();
  await feed.close();
}, LIMIT_MS);

const say = (text: string) => hub.fettle(['say', text, '--timeout', '120']);

test(
  'is updated from where the hub says, and starts from the number that the hub has seen',
  async () => {
    expect((await say('/update check robot')).out).toContain('1.0.0');
    const port = await freePort();
    device = enrolledDevice(`apps:
  robot:
    keys: [${KEY.publicKey.text}]
    run: node server.mjs
    env: {PORT: ${port}}
    keep: [data]
    healthy: {http: "http://127.0.0.1:${port}/version", version: .version, for: 1s}
`);
    const { home } = device;
    const pasted = await device.paste(lineIn((await say('/device enroll dev-a')).out));
    expect(pasted, pasted.err + pasted.out).toMatchObject({ code: 0 });
    const name = `signed robot by ${KEY.publicKey.text}`;
    const number = () => JSON.parse(readFileSync(join(home, 'agent/seen.json'), 'utf8'))[name];
    expect(number()).toBe(1);
    await until('the device', async () => /dev-a.*online/.test((await say('/device list')).out), 60_000);

    const first = await say('/update now robot on dev-a');
    expect(first.out).toContain(`signed by ${KEY.publicKey.text.slice(0, 8)}…`);
    expect(await askVersion(port)).toBe('1.0.0');
    await put('1.1.0');
    await say('/update check robot');
    expect((await say('/update now robot on dev-a')).out).toContain('1.1.0');
    expect([await askVersion(port), number()]).toEqual(['1.1.0', 2]);
    expect((await device.fettle('config', 'check')).out).toContain('nothing is wrong');
  },
  LIMIT_MS,
);
