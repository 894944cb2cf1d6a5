import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readEnvironment } from '../../config/environment.ts';
import { audit } from '../../src/cli/doctor/audit.ts';
import { readFacts } from '../../src/cli/doctor/facts.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { type AuditDevice, makeAuditHub } from '../support/audit-world.ts';

/** What `fettle doctor` says of the audit logs of a home where hub and device are. */

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
let hub: Awaited<ReturnType<typeof makeAuditHub>>;
let robot: AuditDevice;
beforeEach(async () => {
  hub = await makeAuditHub();
  robot = await hub.device('robot');
  for (let i = 0; i < 3; i += 1) await robot.update('web');
  await robot.tell();
  makeFolder(hub.layout.agent.dir);
  writeFileSync(join(hub.layout.agent.dir, 'id'), `${robot.id}\n`);
  own(robot.lines());
});
afterEach(() => hub.close());

const own = (lines: readonly string[]) =>
  writeFileSync(hub.layout.agent.audit, lines.map((line) => `${line}\n`).join(''));

async function doctor(): Promise<string[]> {
  const { layout } = hub;
  const environment = readEnvironment({ ...process.env, XDG_RUNTIME_DIR: layout.home });
  const facts = await readFacts({ layout, environment, config: undefined, clock, offline: true });
  const said: string[] = [];
  for await (const { level, what } of audit.look(facts, AbortSignal.timeout(5_000))) said.push(`${level} ${what}`);
  return said;
}

function attack(sql: string): void {
  const db = new BetterSqlite3(hub.layout.hub.db);
  for (const { name } of db.prepare("select name from sqlite_master where type = 'trigger'").all() as {
    name: string;
  }[])
    db.exec(`drop trigger ${name}`);
  db.exec(sql);
  db.close();
}

test('both are whole, and agree, whether the database is in use or not', async () => {
  const well = [
    expect.stringMatching(/^ok The hub's audit log is chained \(\d+ entries\)$/),
    expect.stringMatching(/^ok The device's audit log is chained, and the hub's copy agrees \(its last \d+ entries\)$/),
  ];
  expect(await doctor()).toEqual(well);
  await hub.stop();
  expect(await doctor()).toEqual(well);
  expect(existsSync(`${hub.layout.hub.db}-wal`)).toBe(false);
});

test('a home that has neither says nothing', async () => {
  await hub.stop();
  for (const file of [hub.layout.hub.db, hub.layout.agent.audit]) rmSync(file);
  expect(await doctor()).toEqual([]);
});

test.each([
  [
    'an entry of the hub is changed',
    "update audit set by = 'x:1' where seq = 4",
    /^wrong The hub's audit log: entry 4 is not/,
  ],
  ['one is removed', 'delete from audit where seq = 4', /^wrong The hub's audit log: entries before 5 are missing/],
  [
    'the end is cut off',
    'delete from audit where seq > 4; delete from audit_chain where seq > 4',
    /: it ends with entry 4, and/,
  ],
  [
    "the hub's copy is changed",
    'update device_audit set line = replace(line, \'"hash":"\', \'"hash":"0\') where n = 5',
    /^wrong The device's audit log: entry 5 is another one than it told the hub/,
  ],
])('%s', async (_, sql, expected) => {
  attack(sql);
  const wrong = (await doctor()).filter((line) => line.startsWith('wrong'));
  expect(wrong).toEqual([expect.stringMatching(expected)]);
});

test.each<[string, (lines: readonly string[]) => readonly string[], RegExp]>([
  ['changed', (all) => all.map((line) => line.replace('succeeded', 'failed')), /entry \d+ does not fit the one before/],
  ['cut', (all) => all.slice(0, 3), /ends with entry 3, and it told the hub of \d+/],
])("the device's log is %s", async (_, change, expected) => {
  own(change(robot.lines()));
  const wrong = (await doctor()).filter((line) => line.startsWith('wrong'));
  expect(wrong).toEqual([expect.stringMatching(expected)]);
});

test("the device's log is gone", async () => {
  rmSync(hub.layout.agent.audit);
  expect((await doctor()).filter((line) => line.startsWith('wrong'))).toEqual([
    expect.stringMatching(/audit log is gone/),
  ]);
});
