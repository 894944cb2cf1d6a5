import { existsSync, statSync } from 'node:fs';
import { migrations } from '../../store/migrations/index.ts';
import { type Check, note, ok, wrong } from './contract.ts';
import { type ReadDatabase, readDatabase } from './open-database.ts';

/** What is larger takes too long to read whole. Bytes. */
const LARGE = 500e6;
const MOVE = 'Stop Fettle and move the file away (docs/recovery.md): history is lost; apps, data and backups are not.';

/** The hub's database. */
export const database: Check = {
  title: 'Database',
  limitMs: 20_000,
  *look(facts) {
    const path = facts.layout.hub.db;
    if (!existsSync(path)) {
      yield note('There is no database yet.');
      return;
    }
    if (statSync(path).size > LARGE) {
      yield note(`${path} is large (${Math.round(statSync(path).size / 1e6)} MB), and was not looked through`);
      return;
    }
    try {
      const { problem, applied } = readDatabase(facts, look);
      if (problem !== undefined) yield wrong(`${path} is damaged: ${problem}`, MOVE);
      else yield ok(`${path} is whole`);
      const newer = applied.filter((name) => !Object.hasOwn(migrations, name));
      if (newer.length > 0) yield ok(`A newer hub has changed the database (${newer.join(', ')}); this one can use it`);
    } catch (error) {
      yield wrong(`${path} can't be read: ${(error as Error).message}`, MOVE);
    }
  },
};

function look(db: ReadDatabase): { readonly problem: string | undefined; readonly applied: string[] } {
  const first = Object.values((db.prepare('pragma quick_check(1)').get() ?? {}) as object)[0];
  const has = db.prepare("select 1 from sqlite_master where name = 'kysely_migration'").get();
  const rows = has ? (db.prepare('select name from kysely_migration').all() as unknown as { name: string }[]) : [];
  return { problem: first === 'ok' ? undefined : String(first), applied: rows.map(({ name }) => name) };
}
