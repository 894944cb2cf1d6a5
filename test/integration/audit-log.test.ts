import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CHAIN_START, chained } from '../../src/protocol/audit-chain.ts';
import { addAudit, listAudit } from '../../src/store/audit.ts';
import { rowText } from '../../src/store/audit-chain.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';

/** The hub's audit log: chained in the transaction of the change, and never changed again. */

let folder: string;
let store: OpenStore;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-audit-'));
  store = await openStore(join(folder, 'hub.db'));
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const by = { by: 'telegram:1', byName: 'Ann' };
const add = (action: string, at = 1_000) =>
  store.db.transaction().execute((trx) => addAudit(trx, { at, ...by, action }));
const links = () => store.db.selectFrom('audit_chain').selectAll().orderBy('seq').execute();

test('each entry is chained to the one before it, and a change that is undone leaves neither', async () => {
  const first = await add('pin');
  await expect(
    store.db.transaction().execute(async (trx) => {
      await addAudit(trx, { at: 2, ...by, action: 'role' });
      throw new Error('the change failed');
    }),
  ).rejects.toThrow('the change failed');
  const second = await add('unpin');
  const rows = await store.db.selectFrom('audit').selectAll().orderBy('seq').execute();
  expect(rows.map(({ seq, action }) => [seq, action])).toEqual([
    [1, 'pin'],
    [2, 'unpin'],
  ]);
  const [one, two] = rows.map(rowText) as [string, string];
  expect(first).toEqual({ seq: 1, hash: chained(CHAIN_START, one) });
  expect(second).toEqual({ seq: 2, hash: chained(first.hash, two) });
  expect((await links()).map(({ late }) => late)).toEqual([0, 0]);
});

test.each([
  "update audit set by = 'telegram:2'",
  'delete from audit',
  "insert or replace into audit (seq, at, by, by_name, action) values (1, 1, 'x', 'x', 'x')",
  'update audit_chain set hash = 1',
  'delete from audit_chain',
  "insert or replace into audit_chain (seq, hash) values (1, 'x')",
  'update device_audit set line = 1',
  'delete from device_audit',
])('%s is refused', async (sql) => {
  await add('pin');
  await store.db
    .insertInto('device_audit')
    .values({ device: 'd', branch: 1, n: 1, line: '{}', received_at: 1 })
    .execute();
  const raw = new BetterSqlite3(join(folder, 'hub.db'));
  expect(() => raw.exec(sql)).toThrow('the audit log is append-only');
  raw.close();
  expect(await listAudit(store.db)).toHaveLength(1);
});

test('what a version without the chain added is chained by the next, and marked', async () => {
  await add('pin');
  const raw = new BetterSqlite3(join(folder, 'hub.db'));
  raw.exec("insert into audit (at, by, by_name, action) values (5, 'telegram:1', 'Ann', 'skip')");
  raw.close();
  await add('unpin');
  expect((await links()).map(({ seq, late }) => [seq, late])).toEqual([
    [1, 0],
    [2, 1],
    [3, 0],
  ]);
});

test('no secret gets in, whoever pasted it where', async () => {
  const token = `ghp_${'a'.repeat(36)}`;
  await store.db.transaction().execute((trx) =>
    addAudit(trx, {
      at: 1,
      by: 'telegram:1',
      byName: token,
      action: 'x',
      target: token,
      before: token,
      after: token,
      data: { text: `x ${token}`, n: 1 },
    }),
  );
  const [entry] = await listAudit(store.db);
  expect(JSON.stringify(entry)).not.toContain('ghp_');
  expect(entry?.data).toEqual({ text: 'x [hidden]', n: 1 });
});
