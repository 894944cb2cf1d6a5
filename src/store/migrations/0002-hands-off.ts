import type { Kysely } from 'kysely';

/** Settings that are made in a chat, automatic updates, what was announced, and who changed what. Additive. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('settings')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .addColumn('at', 'integer', (c) => c.notNull())
    .addColumn('by', 'text', (c) => c.notNull())
    .addColumn('by_name', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('app_settings')
    .addColumn('app', 'text', (c) => c.primaryKey())
    .addColumn('auto', 'text', (c) => c.notNull().defaultTo('off'))
    .addColumn('pinned', 'text')
    .addColumn('at', 'integer', (c) => c.notNull())
    .addColumn('by', 'text', (c) => c.notNull())
    .addColumn('by_name', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('skipped_releases')
    .addColumn('app', 'text', (c) => c.notNull())
    .addColumn('version', 'text', (c) => c.notNull())
    .addColumn('at', 'integer', (c) => c.notNull())
    .addColumn('by', 'text', (c) => c.notNull())
    .addColumn('by_name', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('skipped_releases_pk', ['app', 'version'])
    .execute();
  await db.schema
    .createTable('notices')
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('app', 'text', (c) => c.notNull())
    .addColumn('version', 'text', (c) => c.notNull())
    .addColumn('at', 'integer', (c) => c.notNull())
    .addColumn('remind_at', 'integer')
    .addColumn('declined_at', 'integer')
    .addPrimaryKeyConstraint('notices_pk', ['kind', 'app', 'version'])
    .execute();
  await db.schema
    .createTable('admin_chats')
    .addColumn('platform', 'text', (c) => c.notNull())
    .addColumn('chat', 'text', (c) => c.notNull())
    .addColumn('route', 'text', (c) => c.notNull())
    .addColumn('language', 'text')
    .addColumn('seen_at', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('admin_chats_pk', ['platform', 'chat'])
    .execute();
  await db.schema
    .createTable('audit')
    .addColumn('seq', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('at', 'integer', (c) => c.notNull())
    .addColumn('by', 'text', (c) => c.notNull())
    .addColumn('by_name', 'text', (c) => c.notNull())
    .addColumn('route', 'text')
    .addColumn('event_id', 'text')
    .addColumn('action', 'text', (c) => c.notNull())
    .addColumn('target', 'text')
    .addColumn('before', 'text')
    .addColumn('after', 'text')
    .execute();
  await db.schema.createIndex('audit_event').on('audit').column('event_id').execute();
  await db.schema
    .alterTable('updates')
    .addColumn('automatic', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('updates').addColumn('backup', 'integer').execute();
}
