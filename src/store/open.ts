import BetterSqlite3 from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { migrations } from './migrations/index.ts';
import type { Database } from './schema.ts';

export type Store = Kysely<Database>;

export interface OpenStore {
  readonly db: Store;
  /** Names of migrations that this start applied, oldest first. */
  readonly applied: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens (or creates) the database and brings it to this version's schema, in one transaction.
 *
 * Write-ahead log with `synchronous=FULL`: what was committed survives a power cut. Migrations that a newer
 * version applied are tolerated (they are additive), so that a hub that was rolled back runs on.
 *
 * @param path a file, or `:memory:`
 */
export async function openStore(path: string): Promise<OpenStore> {
  const sqlite = new BetterSqlite3(path, { timeout: 5_000 });
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  // What was deleted or replaced is nowhere in the file, and so in none of its copies.
  sqlite.pragma('secure_delete = ON');
  const db: Store = new Kysely<Database>({ dialect: new SqliteDialect({ database: sqlite }) });
  try {
    const applied = await migrate(db, sqlite);
    return { db, applied, close: () => db.destroy() };
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

async function migrate(db: Store, sqlite: BetterSqlite3.Database): Promise<string[]> {
  const known: Record<string, Migration> = { ...migrations };
  // Kysely's migrator refuses a database with migrations that it does not know. Ours must accept them (a hub
  // that was rolled back), so those are presented to it as empty ones; they are recorded already and never run.
  const has = sqlite.prepare("select 1 from sqlite_master where name = 'kysely_migration'").get();
  if (has) {
    for (const row of sqlite.prepare('select name from kysely_migration').all() as { name: string }[]) {
      known[row.name] ??= { up: async () => undefined };
    }
  }
  const migrator = new Migrator({ db, provider: { getMigrations: async () => known }, allowUnorderedMigrations: true });
  const { error, results } = await migrator.migrateToLatest();
  if (error) throw error;
  return (results ?? []).map((result) => result.migrationName);
}
