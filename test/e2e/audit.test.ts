import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lineIn } from '../support/enrolled-device.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, makeHome } from '../support/home.ts';
import { entriesOf } from '../support/tool-log.ts';
import { until } from '../support/until.ts';

/** A hub and a device that was joined to it, as a person runs them: what both wrote down, and what `fettle audit` says. */

const LIMIT_MS = 300_000;
let hub: Home;
let device: Home;
beforeEach(async () => {
  hub = makeHome();
  device = makeHome();
  writeFileSync(hub.layout.config, `hub: {listen: "127.0.0.1:${await freePort()}", tls: self-signed}\napps: {}\n`);
  expect((await hub.fettle(['up', '--detach'])).code).toBe(0);
}, LIMIT_MS);
afterEach(async () => {
  await device.close();
  await hub.close();
}, LIMIT_MS);

const say = async (text: string) => (await hub.fettle(['say', text, '--timeout', '60'])).out;
const logged = (what: string) => entriesOf(device.layout.agent.audit).filter((entry) => entry.what === what);
const exported = async () =>
  (await hub.fettle(['audit', 'export'])).out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function verify(...files: string[]) {
  const { code, out } = await hub.fettle(['audit', 'verify', '--json', ...files]);
  const said = JSON.parse(out) as { exit: number; findings: { level: string; code: string; log: string }[] };
  expect(said.exit).toBe(code);
  const wrong = said.findings.filter(({ level }) => level === 'wrong').map(({ log, code: what }) => `${log} ${what}`);
  return { code, wrong };
}

/** Joins as the line of `/device enroll` does, but for fetching what is here already. */
async function enroll(...more: string[]): Promise<void> {
  const line = lineIn(await say('/device enroll robot-7'));
  const [, pin = '', address = '', token = ''] =
    /--pinnedpubkey (\S+) (https:\S+)\/enroll .* -- (\S+)/.exec(line) ?? [];
  const joined = await device.fettle(['enroll', '--hub', address, '--pin', pin, '--no-start', ...more], token);
  expect(joined, joined.err).toMatchObject({ code: 0 });
}

test('what a device was told and did is in both logs; they agree, until somebody changes one', {
  timeout: LIMIT_MS,
}, async () => {
  const key = join(device.layout.home, 'policy-key');
  expect((await device.fettle(['keygen', '--no-password', '--out', key])).code).toBe(0);
  const publicKey = readFileSync(`${key}.pub`, 'utf8').trim().split('\n').at(-1);
  const tools = 'tools:\n  hello: {run: [/bin/echo, hello, "{who}"], args: {who: {type: word}}}\n';
  writeFileSync(device.layout.deviceConfig, `apps: {}\npolicyKey: ${publicKey}\n${tools}`);
  await enroll();
  expect(logged('joined')).toMatchObject([{ name: 'robot-7', newKey: false, address: expect.stringMatching(/^wss:/) }]);
  expect((await device.fettle(['up', '--detach'])).code).toBe(0);
  await until('the device', async () => (await say('/device run')).includes('hello'), 60_000);

  expect(await say('/device run hello world on robot-7')).toContain('hello on robot-7: done');
  await say('/device run hello not/this on robot-7');
  await say('/settings retention 9d');
  await until('the setting', () => logged('setting').length === 1, 30_000);
  expect(logged('setting')[0]).toMatchObject({ setting: 'retentionDays', after: 9 });

  // Right after the hub's start, before the device has dialled anew.
  expect((await hub.fettle(['restart', 'hub'])).code).toBe(0);
  expect(await say('/device run hello again on robot-7')).toContain('hello on robot-7: done');
  expect(logged('tool').map(({ args, verdict, key: signer }) => [args, verdict, typeof signer])).toEqual([
    ['world', 'taken', 'string'],
    ['not/this', 'tool_refused', 'string'],
    ['again', 'taken', 'string'],
  ]);
  expect(logged('tool-end').map(({ result }) => result)).toEqual(['ended 0', 'ended 0']);

  const next = join(device.layout.home, 'next.yaml');
  writeFileSync(next, `${readFileSync(device.layout.deviceConfig, 'utf8')}  more: {run: [/bin/true]}\n`);
  // A device knows its host name; what people call it at the hub is the hub's word.
  const sign = ['policy', 'sign', '--key', key, '--for', hostname(), '--number', '3', '--out', `${next}.signed`, next];
  const signed = await device.fettle(sign);
  expect(signed, signed.err).toMatchObject({ code: 0 });
  expect((await hub.fettle(['policy', 'push', `${next}.signed`])).code).toBe(0);
  await until('the policy', () => logged('policy').length === 1, 60_000);
  expect(logged('policy')[0]).toMatchObject({ number: 3, verdict: 'taken' });
  await until('the agent with the new file', async () => (await say('/device run')).includes('more'), 60_000);

  const ofHub = await exported();
  const rows = ofHub.map(({ by, action, result }) => [String(by).split(':')[0], action, result ?? '']);
  for (const row of [
    ['terminal', 'tool', ''],
    ['device', 'tool-end', 'ended 0'],
    ['device', 'tool-end', 'tool_refused'],
    ['fettle', 'policy-offer', ''],
    ['device', 'policy', 'done'],
    ['terminal', 'command', 'done'],
  ])
    expect(rows).toContainEqual(row);

  const told = async () => (await hub.fettle(['audit', 'export', '--device', 'robot-7'])).out;
  await until('the copy', async () => (await told()).includes('"what":"policy"'), 30_000);
  const file = join(hub.layout.home, 'robot-7.jsonl');
  writeFileSync(file, (await device.fettle(['audit', 'export'])).out);
  expect(await verify(file)).toEqual({ code: 0, wrong: [] });
  const plain = await hub.fettle(['audit', 'verify']);
  expect(plain.out).toMatch(/robot-7: \d+ entries, chained;.*; 3 tools asked for, 3 received, 3 agree/);
  expect(plain.out.trim().split('\n').at(-1)).toBe('Nothing is wrong.');
  expect(await device.fettle(['audit', 'verify'])).toMatchObject({ code: 0 });
  expect((await hub.fettle(['audit', 'export', '--csv'])).out).toMatch(/^seq,time,by,/);

  // A device that may not come any more goes on dialling: that is in the log, and not each time.
  await say('/device revoke robot-7 --sure');
  await until(
    'the refusal',
    async () => (await exported()).some(({ action, result }) => action === 'device-refused' && result === 'revoked'),
    120_000,
  );

  const db = new BetterSqlite3(hub.layout.hub.db);
  db.exec(
    "drop trigger audit_no_update; update audit set result = 'ended 1' where action = 'tool-end' and seq = (select min(seq) from audit where action = 'tool-end')",
  );
  db.close();
  expect(await verify()).toMatchObject({
    code: 1,
    wrong: expect.arrayContaining(['hub entry_changed', 'robot-7 result_differs']),
  });
  const after = await hub.fettle(['audit', 'verify']);
  expect(after.code).toBe(1);
});

test('where there is neither hub nor agent, that is said, with exit code 2', { timeout: LIMIT_MS }, async () => {
  expect(await device.fettle(['audit', 'verify'])).toMatchObject({ code: 2 });
  expect(await device.fettle(['audit', 'export'])).toMatchObject({ code: 2 });
});
