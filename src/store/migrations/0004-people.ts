import type { Kysely } from 'kysely';

/** People and their accounts, codes that make them, who spoke as an admin where, and approvals. Additive. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('people')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('role', 'text', (c) => c.notNull())
    .addColumn('approver_since', 'integer')
    .addColumn('created_at', 'integer', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('identities')
    .addColumn('platform', 'text', (c) => c.notNull())
    .addColumn('person', 'text', (c) => c.notNull())
    .addColumn('owner', 'text')
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('seen_at', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('identities_pk', ['platform', 'person'])
    .execute();
  await db.schema.createIndex('identities_by_owner').on('identities').column('owner').execute();
  await db.schema
    .createTable('person_codes')
    .addColumn('seq', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('owner', 'text')
    .addColumn('salt', 'text', (c) => c.notNull())
    .addColumn('hash', 'text', (c) => c.notNull())
    .addColumn('made_at', 'integer', (c) => c.notNull())
    .addColumn('expires_at', 'integer', (c) => c.notNull())
    .addColumn('wrong', 'text', (c) => c.notNull().defaultTo('[]'))
    .addColumn('ended', 'text')
    .execute();
  await db.schema
    .createTable('approvals')
    .addColumn('update_id', 'text', (c) => c.primaryKey())
    .addColumn('mode', 'text', (c) => c.notNull())
    .addColumn('asked_by', 'text')
    .addColumn('digest', 'text')
    .addColumn('device', 'text', (c) => c.notNull())
    .addColumn('expires_at', 'integer', (c) => c.notNull())
    .addColumn('decision', 'text')
    .addColumn('decided_by', 'text')
    .addColumn('decided_by_name', 'text')
    .addColumn('decided_at', 'integer')
    .execute();
  await db.schema
    .createTable('admin_chat_accounts')
    .addColumn('platform', 'text', (c) => c.notNull())
    .addColumn('chat', 'text', (c) => c.notNull())
    .addColumn('account', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('admin_chat_accounts_pk', ['platform', 'chat', 'account'])
    .execute();
}
