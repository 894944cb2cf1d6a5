import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { publishHello } from '../../src/cli/samples/hello.ts';
import { type EnrolledDevice, enrolledDevice, lineIn } from '../support/enrolled-device.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, makeHome } from '../support/home.ts';
import { until } from '../support/until.ts';

/** Devices without an inbound port, of a hub that they know by its certificate: joined, updated, away, back. */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const REACHED_MS = 60_000;
/** Of a whole test: two devices are installed in it, on whatever machine this is. */
const LIMIT_MS = 300_000;
let hub: Home;
let devices: EnrolledDevice[];

beforeEach(async () => {
  hub = makeHome();
  devices = [];
  const releases = join(hub.layout.home, 'releases/hello');
  await publishHello(releases, join(hub.layout.home, 'tmp'), clock);
  writeFileSync(
    hub.layout.config,
    `hub: {listen: "127.0.0.1:${await freePort()}", tls: self-signed}
apps:
  hello: {source: folder ${releases}, run: node server.mjs}
`,
  );
  expect((await hub.fettle(['up', '--detach'])).code).toBe(0);
}, LIMIT_MS);
afterEach(async () => {
  for (const device of devices) await device.close();
  await hub.close();
}, LIMIT_MS);

const say = (text: string) => hub.fettle(['say', text, '--timeout', '120']);

async function join_(name: string): Promise<EnrolledDevice> {
  const port = await freePort();
  const made = enrolledDevice(`apps:
  hello:
    source: folder ${join(hub.layout.home, 'releases/hello')}
    install: 1.0.0
    run: node server.mjs
    env: {PORT: ${port}}
    keep: [data]
    healthy: {http: "http://127.0.0.1:${port}/version", version: .version, for: 1s}
`);
  devices.push(made);
  const line = lineIn((await say(`/device enroll ${name}`)).out);
  expect(line).toMatch(
    /^curl -fsSk --pinnedpubkey sha256\/\/\S{44} https:\/\/127\.0\.0\.1:\d+\/enroll \| sudo sh -s -- /,
  );
  const pasted = await made.paste(line);
  expect(pasted, pasted.err + pasted.out).toMatchObject({ code: 0 });
  expect(pasted.out).toContain(`This device is ${name} of the hub`);
  // The same line once more: it is told that it is there, and the token is worth nothing to others.
  expect((await made.paste(line)).code).toBe(0);
  return made;
}

const runs = async (name: string, version: string) =>
  (await say('/device list')).out
    .split('\n')
    .find((line) => line.includes(name))
    ?.includes(`hello ${version}`);

test(
  'an agent with no inbound port is updated from chat; one that is away catches up, and nothing runs elsewhere',
  async () => {
    const [a, b] = [await join_('dev-a'), await join_('dev-b')];
    await until(
      'both to have it',
      async () => (await runs('dev-a', '1.0.0')) && (await runs('dev-b', '1.0.0')),
      90_000,
    );

    // Nothing that is Fettle's listens on a device; what its app does is the app's.
    const listening = execFileSync('ss', ['-ltnpH'], { encoding: 'utf8' });
    for (const device of [a, b]) {
      const own = [...device.processes()].filter(([, command]) => !command.includes('server.mjs'));
      expect(own.filter(([, command]) => / agent --home/.test(command))).not.toHaveLength(0);
      for (const [pid] of own) expect(listening).not.toContain(`pid=${pid},`);
    }
    expect(JSON.parse(readFileSync(join(a.home, 'agent/hub.json'), 'utf8'))).toMatchObject({
      address: expect.stringMatching(/^wss:/),
      certificate: expect.stringMatching(/^sha256\//),
    });

    const unclear = await say('/update now hello');
    expect(unclear.out).toContain('/update now hello on dev-b');
    const updated = await say('/update now hello@1.1.0 on dev-a');
    expect(updated, updated.out).toMatchObject({ code: 0 });
    expect(updated.out).toContain('1.1.0');
    expect(updated.out).toContain('(dev-a)');
    expect(await runs('dev-b', '1.0.0')).toBe(true);

    expect((await b.fettle('down')).code).toBe(0);
    await until('it to be away', async () => /dev-b +offline/.test((await say('/device list')).out));
    const waiting = say('/update now hello@1.1.0 on dev-b');
    const status = await until('the update to wait', async () => {
      const { out } = await say('/update status');
      return /waiting for the device/.test(out) && out;
    });
    expect(status).toContain('1.1.0');
    expect(await runs('dev-a', '1.1.0')).toBe(true);
    const began = performance.now();
    expect((await b.fettle('up', '--detach')).code).toBe(0);
    const caught = await waiting;
    const took = performance.now() - began;
    expect(caught, caught.out).toMatchObject({ code: 0 });
    expect(caught.out).toContain('dev-b is offline');
    expect(took).toBeLessThan(REACHED_MS);
    console.log(`caught up ${Math.round(took / 100) / 10} s after its start`);
    expect(await runs('dev-b', '1.1.0')).toBe(true);

    // Revoked: gone at once, and for ever.
    expect((await say('/device revoke dev-b --sure')).code).toBe(0);
    expect((await say('/update now hello on dev-b')).out).toContain('There is no device called dev-b');
    await until('its agent to be told', () =>
      /has revoked this device/.test(readFileSync(join(b.home, 'logs/agent.log'), 'utf8')),
    );
  },
  LIMIT_MS,
);

test(
  'a wrong, a used and a stranger’s line: one line of reason, and nothing installed',
  async () => {
    const line = lineIn((await say('/device enroll dev-a')).out);
    const make = () => {
      const made = enrolledDevice('apps: {}\n');
      devices.push(made);
      return made;
    };
    const wrong = await make().paste(line.replace(/[^ ]+$/, '2222-2222-2222-2222-2222-2222'));
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain('is the token right');
    // Another's certificate: curl says no before anything is sent.
    const stranger = await make().paste(line.replace(/sha256\/\/..../, 'sha256//AAAA'));
    expect(stranger.out).toBe('');
    expect((await make().paste(line)).code).toBe(0);
    const used = await make().paste(line);
    expect(used).toMatchObject({ code: 2 });
    expect(used.err).toContain('This token has been used.');
  },
  LIMIT_MS,
);
