import { type Kysely, sql } from 'kysely';

/** Keys of devices, and tokens by which they join. Additive. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('device_keys')
    .addColumn('device', 'text', (c) => c.primaryKey())
    .addColumn('public_key', 'text', (c) => c.notNull().unique())
    .addColumn('machine', 'text')
    .addColumn('other_machine', 'text')
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('labels', 'text', (c) => c.notNull().defaultTo('{}'))
    .addColumn('hostname', 'text')
    .addColumn('platform', 'text')
    .addColumn('local', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('token', 'integer')
    .addColumn('enrolled_at', 'integer', (c) => c.notNull())
    .addColumn('enrolled_by', 'text', (c) => c.notNull())
    .addColumn('enrolled_by_name', 'text', (c) => c.notNull())
    .addColumn('state_at', 'integer', (c) => c.notNull())
    .execute();
  // A revoked device keeps its name for the history, and does not keep it from others.
  await sql`create unique index device_keys_by_name on device_keys (lower(name)) where state <> 'revoked'`.execute(db);
  await db.schema
    .createTable('enrol_tokens')
    .addColumn('seq', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('salt', 'text', (c) => c.notNull())
    .addColumn('hash', 'text', (c) => c.notNull())
    .addColumn('name', 'text')
    .addColumn('labels', 'text', (c) => c.notNull().defaultTo('{}'))
    .addColumn('uses', 'integer', (c) => c.notNull())
    .addColumn('used', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('made_at', 'integer', (c) => c.notNull())
    .addColumn('made_by', 'text', (c) => c.notNull())
    .addColumn('made_by_name', 'text', (c) => c.notNull())
    .addColumn('event_id', 'text')
    .addColumn('expires_at', 'integer', (c) => c.notNull())
    .addColumn('ended', 'text')
    .execute();
}
