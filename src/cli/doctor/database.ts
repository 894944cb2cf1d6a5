import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sqlite } from '../../../agent/keeper/lock.ts';
import { migrations } from '../../store/migrations/index.ts';
import { type Check, note, ok, wrong } from './contract.ts';

/** What is larger takes too long to read whole. Bytes. */
const LARGE = 500e6;
const MOVE = 'Stop Fettle and move the file away (docs/recovery.md): history is lost; apps, data and backups are not.';

/** The hub's database. Read without better-sqlite3, so that a broken installation can still be looked at. */
export const database: Check = {
  title: 'Database',
  limitMs: 20_000,
  *look({ layout, hub, keeper }) {
    const path = layout.hub.db;
    if (!existsSync(path)) {
      yield note('There is no database yet.');
      return;
    }
    if (statSync(path).size > LARGE) {
      yield note(`${path} is large (${Math.round(statSync(path).size / 1e6)} MB), and was not looked through`);
      return;
    }
    const used = hub !== undefined || keeper?.apps.hub?.running != null;
    // Opening a database that nobody uses would tidy up its log: so a copy is opened, or the file as it is.
    const copy = !used && existsSync(`${path}-wal`) ? mkdtempSync(join(tmpdir(), 'fettle-doctor-')) : undefined;
    try {
      const { problem, applied } = look(copy ? copied(path, copy) : path, !used && copy === undefined);
      if (problem !== undefined) yield wrong(`${path} is damaged: ${problem}`, MOVE);
      else yield ok(`${path} is whole`);
      const newer = applied.filter((name) => !Object.hasOwn(migrations, name));
      if (newer.length > 0) yield ok(`A newer hub has changed the database (${newer.join(', ')}); this one can use it`);
    } catch (error) {
      yield wrong(`${path} can't be read: ${(error as Error).message}`, MOVE);
    } finally {
      if (copy) rmSync(copy, { recursive: true, force: true });
    }
  },
};

function look(path: string, untouched: boolean): { readonly problem: string | undefined; readonly applied: string[] } {
  const { DatabaseSync } = sqlite();
  const url = pathToFileURL(path);
  if (untouched) url.searchParams.set('immutable', '1');
  const db = new DatabaseSync(url, { readOnly: true, timeout: 2_000 });
  try {
    const first = Object.values((db.prepare('pragma quick_check(1)').get() ?? {}) as object)[0];
    const has = db.prepare("select 1 from sqlite_master where name = 'kysely_migration'").get();
    const rows = has ? (db.prepare('select name from kysely_migration').all() as unknown as { name: string }[]) : [];
    return { problem: first === 'ok' ? undefined : String(first), applied: rows.map(({ name }) => name) };
  } finally {
    db.close();
  }
}

function copied(path: string, folder: string): string {
  const target = join(folder, 'hub.db');
  for (const suffix of ['', '-wal']) copyFileSync(path + suffix, target + suffix);
  return target;
}
