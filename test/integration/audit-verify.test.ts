import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exportAudit } from '../../src/cli/audit/export.ts';
import type { Finding } from '../../src/cli/audit/finding.ts';
import { verifyAudit } from '../../src/cli/audit/verify.ts';
import { CHAIN_START, chained, deviceLine, readDeviceLine } from '../../src/protocol/audit-chain.ts';
import { addAudit } from '../../src/store/audit.ts';
import { rowText } from '../../src/store/audit-chain.ts';
import type { AuditTable } from '../../src/store/schema.ts';
import { type AuditDevice, makeAuditHub } from '../support/audit-world.ts';

/** `fettle audit verify` against whoever has the hub's database, or a device: what each attack shows. */

let hub: Awaited<ReturnType<typeof makeAuditHub>>;
let robot: AuditDevice;
let probe: AuditDevice;
beforeEach(async () => {
  hub = await makeAuditHub();
  robot = await hub.device('robot');
  probe = await hub.device('probe');
  await robot.update('web');
  await robot.update('web', { state: 'rolled-back' });
  await probe.update('app', { denied: 'capability_denied' });
  await probe.update('app');
  await tell();
});
afterEach(() => hub.close());

async function tell(): Promise<void> {
  await robot.tell();
  await probe.tell();
}

interface Verdict {
  readonly exit: number;
  readonly findings: readonly Finding[];
  readonly wrong: readonly string[];
  readonly notes: readonly string[];
}

async function verify(files: readonly string[] = [], since?: number): Promise<Verdict> {
  let text = '';
  const exit = await verifyAudit({ layout: hub.layout, files, since, json: true, print: (line) => (text += line) });
  const { findings } = JSON.parse(text) as { findings: Finding[] };
  const name = (level: string) =>
    findings.filter((one) => one.level === level).map(({ log, code }) => `${log} ${code}`);
  const verdict = { exit, findings, wrong: name('wrong'), notes: name('note') };
  if (process.env.FETTLE_PRINT) {
    const said = findings.filter(({ level }) => level === 'wrong').map((one) => `\n      ${one.log}: ${one.text}`);
    process.stdout.write(`    ${expect.getState().currentTestName}: exit ${exit}${said.join('')}\n`);
  }
  return verdict;
}

/** Whoever has the database's file has every right on it: what refuses changes goes first. */
function attack(work: (db: BetterSqlite3.Database) => void): void {
  const db = new BetterSqlite3(hub.layout.hub.db);
  for (const { name } of db.prepare("select name from sqlite_master where type = 'trigger'").all() as {
    name: string;
  }[])
    db.exec(`drop trigger ${name}`);
  work(db);
  db.close();
}

/** Makes every hash of the hub's log anew, so that it is whole in itself. */
function rechain(db: BetterSqlite3.Database): void {
  db.exec('delete from audit_chain');
  let hash = CHAIN_START;
  for (const row of db.prepare('select * from audit order by seq').all() as (AuditTable & { seq: number })[]) {
    hash = chained(hash, rowText(row as never));
    db.prepare('insert into audit_chain (seq, hash) values (?, ?)').run(row.seq, hash);
  }
}

test('nothing is wrong: the hub runs, files of devices are given, and every order and result is accounted for', async () => {
  expect(await verify([robot.file, probe.file])).toMatchObject({ exit: 0, wrong: [], notes: [] });
  const lines: string[] = [];
  await verifyAudit({
    layout: hub.layout,
    files: [],
    since: undefined,
    json: false,
    print: (line) => lines.push(line),
  });
  expect(lines.at(-1)).toBe('Nothing is wrong.');
  expect(lines.find((line) => line.startsWith('robot'))).toMatch(
    /^robot: \d+ entries, chained; 2 orders sent, 2 received, 0 explained; 2 results agree$/,
  );
});

test('an order that was lost is explained by its being made anew; one that no device has told of yet is said', async () => {
  const update = await robot.update('web', { lost: true, open: true });
  expect(await verify()).toMatchObject({ exit: 0, notes: ['robot not_told'] });
  const { moveUpdate } = await import('../../src/store/updates.ts');
  await hub.store.db
    .transaction()
    .execute((trx) => moveUpdate(trx, { id: update, from: ['sent'], to: 'queued', at: Date.now(), actor: 'hub' }));
  await robot.update('api');
  await tell();
  expect(await verify()).toMatchObject({ exit: 0, notes: [] });
});

test('an order that went to a device, and that its log does not have', async () => {
  await robot.update('web', { lost: true, open: true });
  await robot.update('api');
  await tell();
  expect(await verify()).toMatchObject({ exit: 1, wrong: ['robot order_missing'] });
});

test('a row is deleted', async () => {
  attack((db) => db.exec('delete from audit where seq = 3'));
  expect((await verify()).wrong).toContain('hub entry_missing');
});

test('a row and its link are deleted', async () => {
  attack((db) => db.exec('delete from audit where seq = 3; delete from audit_chain where seq = 3'));
  expect((await verify()).wrong).toContain('hub entry_missing');
});

test('a row is edited', async () => {
  attack((db) => db.exec("update audit set by = 'telegram:666' where seq = 3"));
  expect(await verify()).toMatchObject({ exit: 1, wrong: ['hub entry_changed'] });
});

test('a row is edited, and every hash made anew: devices know the ones of before', async () => {
  attack((db) => {
    db.exec("update audit set by = 'telegram:666' where seq = 1");
    rechain(db);
  });
  expect(await verify()).toMatchObject({ exit: 1, wrong: ['hub log_rewritten'] });
});

test('two rows change places', async () => {
  attack((db) =>
    db.exec(
      'update audit set seq = 0 where seq = 2; update audit set seq = 2 where seq = 3; update audit set seq = 3 where seq = 0',
    ),
  );
  expect((await verify()).wrong).toContain('hub entry_changed');
});

test('a row is put in between, with every hash made anew', async () => {
  attack((db) => {
    db.exec('update audit set seq = seq + 1000 where seq > 2; update audit set seq = seq - 999 where seq > 1000');
    db.exec("insert into audit (seq, at, by, by_name, action) values (3, 1, 'telegram:1', 'Ann', 'role')");
    rechain(db);
  });
  expect((await verify()).wrong).toContain('hub log_rewritten');
});

test('the end is cut off', async () => {
  attack((db) => db.exec('delete from audit where seq > 5; delete from audit_chain where seq > 5'));
  expect((await verify()).wrong).toEqual(expect.arrayContaining(['hub tail_cut', 'hub log_cut']));
});

test('the end is cut off, and the counter put back as well: devices have orders that the log does not', async () => {
  attack((db) =>
    db.exec(
      "delete from audit where seq > 4; delete from audit_chain where seq > 4; update sqlite_sequence set seq = 4 where name = 'audit'",
    ),
  );
  const { wrong } = await verify();
  expect(wrong).toEqual(expect.arrayContaining(['hub log_cut', 'robot unknown_order', 'probe unknown_order']));
  expect(wrong).not.toContain('hub tail_cut');
});

test('an old database is put back, and the hub goes on with it', async () => {
  await hub.stop();
  const old = `${hub.layout.home}-old`;
  cpSync(hub.layout.hub.dir, old, { recursive: true });
  await hub.start();
  await robot.update('web');
  await tell();
  await hub.stop();
  rmSync(hub.layout.hub.dir, { recursive: true });
  cpSync(old, hub.layout.hub.dir, { recursive: true });
  await hub.start();
  for (let i = 0; i < 3; i += 1) await probe.update('app');
  await tell();
  // Its numbers have been given again meanwhile: only what the device saw of the log shows that it was another one.
  expect((await verify()).wrong).toEqual(expect.arrayContaining(['hub log_rewritten', 'robot unknown_order']));
});

test('an order that this hub did not send: somebody else holds its key', async () => {
  robot.forged('web');
  await tell();
  const { exit, findings } = await verify();
  expect(exit).toBe(1);
  expect(findings.find(({ code }) => code === 'unknown_order')?.text).toContain('o-forged');
  expect(findings.find(({ code }) => code === 'unknown_order')?.text).toContain("Somebody else holds the hub's key");
});

test('two hubs with one key and one device', async () => {
  const other = await makeAuditHub();
  try {
    const same = await other.device('robot');
    same.write(robot.lines());
    same.restart();
    await same.update('web');
    robot.write(same.lines());
    robot.restart();
    await tell();
    expect((await verify()).wrong).toContain('robot unknown_order');
  } finally {
    await other.close();
  }
});

test("the hub's database says another result than the device", async () => {
  await robot.update('web', { state: 'rolled-back', says: 'succeeded' });
  await tell();
  expect(await verify()).toMatchObject({ exit: 1, wrong: ['robot result_differs'] });
});

test('the end of an update is taken out of the device: the hub has heard of it', async () => {
  await robot.update('web');
  const lines = robot.lines();
  robot.write(lines.slice(0, -1));
  robot.restart();
  await robot.update('web');
  await tell();
  expect((await verify()).wrong).toEqual(['robot result_missing']);
});

test("the hub's copy of a device's log is edited: the device's own file shows it", async () => {
  attack((db) => {
    const rows = db.prepare("select branch, n, line from device_audit where device = 'd-robot' order by n").all() as {
      n: number;
      line: string;
    }[];
    let hash = CHAIN_START;
    for (const { n, line } of rows) {
      const text = (readDeviceLine(line)?.text ?? '').replace('rolled-back', 'succeeded');
      const made = deviceLine(hash, text);
      hash = made.hash;
      db.prepare("update device_audit set line = ? where device = 'd-robot' and n = ?").run(made.line, n);
    }
  });
  // The copy alone fits in itself, but no longer what the hub wrote down.
  expect((await verify()).wrong).toEqual(['robot result_differs']);
  expect((await verify([robot.file])).wrong).toEqual(expect.arrayContaining(['robot copy_differs']));
});

test("a device's file is edited, cut in the middle, or of nobody", async () => {
  const lines = robot.lines();
  const file = join(hub.layout.home, 'export.jsonl');
  const write = (some: readonly string[]) => writeFileSync(file, some.map((line) => `${line}\n`).join(''));
  write(lines.map((line) => line.replace('rolled-back', 'succeeded')));
  expect((await verify([file])).wrong).toContain('robot entry_changed');
  write([...lines.slice(0, 3), ...lines.slice(4)]);
  expect((await verify([file])).wrong).toContain('robot entry_missing');
  write(lines.slice(0, -1));
  expect(await verify([file])).toMatchObject({ exit: 0, notes: ['robot file_older'] });
  write([deviceLine(CHAIN_START, JSON.stringify({ n: 1, at: 1, what: 'order' })).line]);
  expect((await verify([file])).wrong).toContain(`${file} whose`);
  writeFileSync(file, 'no log\n');
  const said: string[] = [];
  const options = { layout: hub.layout, since: undefined, json: false, print: (line: string) => said.push(line) };
  expect(await verifyAudit({ ...options, files: [file, `${file}-2`] })).toBe(2);
  expect(said).toEqual([expect.stringContaining('is no audit log of a device'), expect.stringContaining('(ENOENT)')]);
});

test('a device that was put back from a backup; what is older than --since is no failure', async () => {
  const at = Date.now();
  robot.write(robot.lines().slice(0, 3));
  robot.restart();
  await robot.update('web');
  await tell();
  expect((await verify()).wrong).toEqual(['robot another_log']);
  expect((await verify([], at - 60_000)).exit).toBe(1);
  expect(await verify([], Date.now() + 60_000)).toMatchObject({ exit: 0, notes: ['robot another_log'] });
});

test('clocks that jump change nothing: the chain is told by numbers', async () => {
  await hub.store.db.transaction().execute(async (trx) => {
    for (const at of [9_999_999_999_999, 0, 5])
      await addAudit(trx, { at, by: 'telegram:1', byName: 'Ann', action: 'pin' });
  });
  await robot.update('web');
  await tell();
  expect(await verify()).toMatchObject({ exit: 0, wrong: [] });
});

test('export gives what verify takes, of hub and device; spreadsheets find no formula in it', async () => {
  const out: string[] = [];
  const options = {
    layout: hub.layout,
    since: undefined,
    csv: false,
    device: undefined,
    write: (line: string) => out.push(line),
  };
  exportAudit({ ...options, device: 'robot' });
  expect(out).toEqual(robot.lines());
  out.length = 0;
  await hub.store.db
    .transaction()
    .execute((trx) => addAudit(trx, { at: 1, by: 'telegram:1', byName: '=HYPERLINK("x")', action: 'pin' }));
  exportAudit(options);
  expect(out.length).toBeGreaterThan(10);
  expect(JSON.parse(out.at(-1) ?? '')).toMatchObject({ by_name: '=HYPERLINK("x")', action: 'pin' });
  out.length = 0;
  exportAudit({ ...options, csv: true });
  expect(out[0]).toBe('seq,time,by,by_name,where,action,target,before,after,result,data,hash');
  expect(out.at(-1)).toContain(`"'=HYPERLINK(""x"")"`);
  out.length = 0;
  exportAudit({ ...options, since: Date.now() + 1_000 });
  expect(out).toEqual([]);
  expect(exportAudit({ ...options, device: 'nobody' })).toBe('There is no device nobody. Known here: probe, robot.');
});
