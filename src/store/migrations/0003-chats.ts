import type { Kysely } from 'kysely';

/** Buttons that carry a name for their command, and messages of which nobody knows whether they arrived. Additive. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('button_commands')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('command', 'text', (c) => c.notNull())
    .addColumn('used_at', 'integer', (c) => c.notNull())
    .execute();
  await db.schema.alterTable('outbox').addColumn('sending_since', 'integer').execute();
}
