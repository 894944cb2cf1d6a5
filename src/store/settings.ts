import type { Kysely } from 'kysely';
import type { Change } from './app-settings.ts';
import type { Database } from './schema.ts';

/** Settings that somebody made in a chat, as they were written. Keys of newer and older hubs are kept. */

export interface StoredSetting {
  readonly key: string;
  readonly value: string;
  readonly changed: Change;
}

export async function listSettings(db: Kysely<Database>): Promise<readonly StoredSetting[]> {
  const rows = await db.selectFrom('settings').selectAll().orderBy('key').execute();
  return rows.map((row) => ({
    key: row.key,
    value: row.value,
    changed: { by: row.by, byName: row.by_name, at: row.at },
  }));
}

export async function saveSetting(trx: Kysely<Database>, { key, value, changed }: StoredSetting): Promise<void> {
  const row = { value, at: changed.at, by: changed.by, by_name: changed.byName };
  await trx
    .insertInto('settings')
    .values({ key, ...row })
    .onConflict((conflict) => conflict.column('key').doUpdateSet(row))
    .execute();
}

/** The file's value, or the default, counts again. */
export async function removeSetting(trx: Kysely<Database>, key: string): Promise<void> {
  await trx.deleteFrom('settings').where('key', '=', key).execute();
}
