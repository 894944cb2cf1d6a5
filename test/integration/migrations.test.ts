import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { unfinishedEvents } from '../../src/store/inbox.ts';
import { migrations } from '../../src/store/migrations/index.ts';
import { openStore } from '../../src/store/open.ts';
import { openMessages } from '../../src/store/outbox.ts';

/** A database with rows, as each earlier version left it, in this version's hands; and back in those of the earlier one. */

type Row = Readonly<Record<string, unknown>>;

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-migrations-'));
  file = join(folder, 'hub.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const names = Object.keys(migrations).sort();

/** The schema as it was after a number of migrations. */
async function makeOld(count: number): Promise<void> {
  const sqlite = new BetterSqlite3(file);
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  const known = Object.fromEntries(Object.entries(migrations).filter(([name]) => names.indexOf(name) < count));
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => known } }).migrateToLatest();
  if (error) throw error;
  await db.destroy();
}

function withFile<T>(work: (db: BetterSqlite3.Database) => T): T {
  const db = new BetterSqlite3(file);
  db.pragma('foreign_keys = ON');
  try {
    return work(db);
  } finally {
    db.close();
  }
}

function tables(db: BetterSqlite3.Database): string[] {
  const all = db.prepare("select name from sqlite_master where type = 'table'").all() as { name: string }[];
  return all.map(({ name }) => name).filter((name) => !/^(sqlite|kysely)_/.test(name));
}

interface Column {
  readonly name: string;
  readonly type: string;
}

const columnsOf = (db: BetterSqlite3.Database, table: string) => db.pragma(`table_info(${table})`) as Column[];

/** A row with something in each of these columns. What is JSON or one of a few words has to be it. */
function rowOf(columns: readonly Column[], n: number): Row {
  const words: Row = {
    state: 'pending',
    route: '{"platform":"terminal","chat":"terminal"}',
    done: 0,
    final: 0,
    failed: 0,
  };
  return Object.fromEntries(
    columns.map(({ name, type }) => [name, words[name] ?? (type.toLowerCase() === 'integer' ? n : `{"n":${n}}`)]),
  );
}

function insert(db: BetterSqlite3.Database, table: string, row: Row): void {
  const keys = Object.keys(row);
  const sql = `insert into ${table} (${keys.join(', ')}) values (${keys.map((key) => `@${key}`).join(', ')})`;
  db.prepare(sql).run(row);
}

test.each(names.slice(0, -1).map((name, i) => [name, i + 1] as const))(
  'what a hub at %s had is there afterwards, and that hub can go on',
  async (_, count) => {
    await makeOld(count);
    const before = withFile((db) => {
      db.pragma('foreign_keys = OFF');
      return tables(db).map((table) => {
        const columns = columnsOf(db, table);
        const row = rowOf(columns, 1);
        insert(db, table, row);
        return { table, columns, row };
      });
    });
    expect(before.length).toBeGreaterThan(8);

    const store = await openStore(file);
    expect(store.applied).toEqual(names.slice(count));
    // What waited waits still.
    expect(await unfinishedEvents(store.db)).toHaveLength(1);
    expect((await openMessages(store.db, '{"n":1}', 10)).map(({ state, attempts }) => [state, attempts])).toEqual([
      ['pending', 1],
    ]);
    await store.close();

    withFile((db) => {
      db.pragma('foreign_keys = OFF');
      for (const { table, columns, row } of before) {
        const kept = db.prepare(`select ${columns.map(({ name }) => name).join(', ')} from ${table}`).all();
        expect({ table, kept }).toEqual({ table, kept: [row] });
        // Rolled back: it writes what it knows of.
        expect(() => insert(db, table, rowOf(columns, 2))).not.toThrow();
      }
    });
    const again = await openStore(file);
    expect(again.applied).toEqual([]);
    await again.close();
  },
);
