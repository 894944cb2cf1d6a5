import { type Kysely, sql } from 'kysely';

/** Messages whose words are not kept. Additive. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('outbox').addColumn('once', 'text').execute();
  // Asked for at each look for work; there is hardly ever one.
  await sql`create index outbox_once on outbox (seq) where once is not null`.execute(db);
}
