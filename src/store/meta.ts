import type { Kysely } from 'kysely';
import type { Database } from './schema.ts';

/** Things there is one of, by key. */

export async function readMeta(db: Kysely<Database>, key: string): Promise<string | undefined> {
  const row = await db.selectFrom('meta').select('value').where('key', '=', key).executeTakeFirst();
  return row?.value;
}

/** @param value without one, the key is removed */
export async function writeMeta(db: Kysely<Database>, key: string, value: string | undefined): Promise<void> {
  if (value === undefined) {
    await db.deleteFrom('meta').where('key', '=', key).execute();
    return;
  }
  await db
    .insertInto('meta')
    .values({ key, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}
