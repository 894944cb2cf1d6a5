import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EnrolledDevice, enrolledDevice, lineIn } from '../support/enrolled-device.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, makeHome } from '../support/home.ts';
import { until } from '../support/until.ts';

/** Two agents with one key, as after a copied disk: real ones, of the shipped bundle, and the way out that people are told. */

const LIMIT_MS = 300_000;
let hub: Home;
const devices: EnrolledDevice[] = [];

beforeEach(async () => {
  hub = makeHome();
  writeFileSync(hub.layout.config, `hub: {listen: "127.0.0.1:${await freePort()}", tls: self-signed}\napps: {}\n`);
  expect((await hub.fettle(['up', '--detach'])).code).toBe(0);
}, LIMIT_MS);
afterEach(async () => {
  for (const device of devices.splice(0)) await device.close();
  await hub.close();
}, LIMIT_MS);

const say = async (text: string) => (await hub.fettle(['say', text, '--timeout', '60'])).out;
const rows = async (name: string) =>
  (await say('/device list')).split('\n').filter((row) => row.trim().startsWith(`${name} `));
const isOnline = (name: string) => async () => (await rows(name)).some((row) => / online /.test(row));
const logOf = (device: EnrolledDevice) => readFileSync(join(device.home, 'logs/agent.log'), 'utf8');

async function paste(device: EnrolledDevice, name: string, more = ''): Promise<string> {
  const line = lineIn(await say(`/device enroll ${name}`));
  const pasted = await device.paste(`${line}${more}`);
  expect(pasted, pasted.err + pasted.out).toMatchObject({ code: 0 });
  // What was given to a person is not to be had from the hub's disk afterwards.
  const token = line.split(' ').at(-1) ?? '';
  for (const end of ['', '-wal'])
    expect(readFileSync(`${hub.layout.hub.db}${end}`, 'latin1').includes(token)).toBe(false);
  return pasted.out;
}

function make(): EnrolledDevice {
  const made = enrolledDevice('apps: {}\n');
  devices.push(made);
  return made;
}

/** What admins were told of it, as the hub has it to say. */
function told(): string[] {
  const db = new BetterSqlite3(hub.layout.hub.db, { readonly: true });
  try {
    const rows = db.prepare("select key, reply from outbox where key like '%device/cloned/%'").all();
    return (rows as { reply: string }[]).map(({ reply }) => (JSON.parse(reply) as { title: string }).title);
  } finally {
    db.close();
  }
}

test(
  'one key on two machines: both held, told once; a new key for each, and the old one revoked',
  async () => {
    const [one, two] = [make(), make()];
    await paste(one, 'east-1');
    await until('it to be online', isOnline('east-1'), 60_000);
    const installed = await paste(two, 'spare', ' --no-start');
    expect(installed).toContain('Nothing was started');
    for (const file of ['key', 'key.pub', 'id', 'hub.json'])
      copyFileSync(join(one.home, 'agent', file), join(two.home, 'agent', file));
    expect(await two.fettle('up', '--detach')).toMatchObject({ code: 0 });

    await until('both to be held', async () => (await rows('east-1'))[0]?.includes('HELD'), 60_000);
    const shown = await say('/device show east-1');
    expect(shown).toContain('HELD: one key on two machines');
    expect(shown).toContain('/device revoke east-1');
    for (const device of [one, two])
      await until('it to be told why', () => /one key on two machines|two machines/.test(logOf(device)), 60_000);
    // It comes again and again, and is told once.
    expect((await two.fettle('down')).code).toBe(0);
    expect((await two.fettle('up', '--detach')).code).toBe(0);
    await until('it to be refused again', () => (logOf(two).match(/two machines/g)?.length ?? 0) > 1, 60_000);
    expect(told()).toEqual(['east-1: one key on two machines']);

    await paste(two, 'east-2', ' --new-key');
    await until('it to be back', isOnline('east-2'), 60_000);
    expect(await isOnline('east-1')()).toBe(false);
    expect(await say('/device revoke east-1 --sure')).toContain('east-1');
    await until('the other to be told', () => /revoked/.test(logOf(one)), 90_000);
    await paste(one, 'east-1', ' --new-key');
    await until('it to be back, with its name', isOnline('east-1'), 60_000);
    expect(await isOnline('east-2')()).toBe(true);
    console.log(await say('/device list'));
  },
  LIMIT_MS,
);
