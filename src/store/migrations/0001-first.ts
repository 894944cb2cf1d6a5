import { type Kysely, sql } from 'kysely';

/** The first schema. Never edited again: what changes is a new migration. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('meta')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('devices')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('platform', 'text', (c) => c.notNull())
    .addColumn('agent_version', 'text', (c) => c.notNull())
    .addColumn('epoch', 'integer', (c) => c.notNull())
    .addColumn('connected', 'integer', (c) => c.notNull())
    .addColumn('recovered', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('last_seen_at', 'integer', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('device_apps')
    .addColumn('device', 'text', (c) => c.notNull())
    .addColumn('app', 'text', (c) => c.notNull())
    .addColumn('report', 'text', (c) => c.notNull())
    .addColumn('reported_at', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('device_apps_pk', ['device', 'app'])
    .execute();
  await db.schema
    .createTable('source_checks')
    .addColumn('source', 'text', (c) => c.primaryKey())
    .addColumn('checked_at', 'integer', (c) => c.notNull())
    .addColumn('etag', 'text')
    .addColumn('channels', 'text', (c) => c.notNull())
    .addColumn('problem', 'text')
    .addColumn('next_at', 'integer')
    .execute();
  await db.schema
    .createTable('releases')
    .addColumn('source', 'text', (c) => c.notNull())
    .addColumn('version', 'text', (c) => c.notNull())
    .addColumn('channel', 'text', (c) => c.notNull())
    .addColumn('digest', 'text', (c) => c.notNull())
    .addColumn('published_at', 'integer')
    .addColumn('notes', 'text')
    .addColumn('size', 'integer')
    .addColumn('artifacts', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('releases_pk', ['source', 'version'])
    .execute();
  await db.schema
    .createTable('updates')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('app', 'text', (c) => c.notNull())
    .addColumn('device', 'text', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('order_id', 'text')
    .addColumn('from_version', 'text')
    .addColumn('to_version', 'text')
    .addColumn('channel', 'text')
    .addColumn('digest', 'text')
    .addColumn('with_data', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('force', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('requested_by', 'text', (c) => c.notNull())
    .addColumn('requested_by_name', 'text', (c) => c.notNull())
    .addColumn('route', 'text')
    .addColumn('event_id', 'text')
    .addColumn('language', 'text', (c) => c.notNull())
    .addColumn('requested_at', 'integer', (c) => c.notNull())
    .addColumn('state_at', 'integer', (c) => c.notNull())
    .addColumn('deadline_at', 'integer')
    .addColumn('report_seq', 'integer', (c) => c.notNull().defaultTo(-1))
    .addColumn('progress', 'text')
    .addColumn('cancel_requested', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('ended_at', 'integer')
    .addColumn('final_state', 'text')
    .addColumn('outcome', 'text')
    .execute();
  // At most one update of an app on a device is under way: the database itself refuses a second.
  await sql`create unique index updates_one_active on updates (device, app) where final_state is null`.execute(db);
  await db.schema.createIndex('updates_by_app').on('updates').columns(['app', 'requested_at']).execute();
  await db.schema
    .createTable('events')
    .addColumn('seq', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('update_id', 'text', (c) => c.notNull())
    .addColumn('at', 'integer', (c) => c.notNull())
    .addColumn('from_state', 'text')
    .addColumn('to_state', 'text', (c) => c.notNull())
    .addColumn('actor', 'text', (c) => c.notNull())
    .addColumn('data', 'text')
    .execute();
  await db.schema.createIndex('events_by_update').on('events').columns(['update_id', 'seq']).execute();
  await db.schema
    .createTable('inbox')
    .addColumn('platform', 'text', (c) => c.notNull())
    .addColumn('event_id', 'text', (c) => c.notNull())
    .addColumn('received_at', 'integer', (c) => c.notNull())
    .addColumn('request', 'text', (c) => c.notNull())
    .addColumn('done', 'integer', (c) => c.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('inbox_pk', ['platform', 'event_id'])
    .execute();
  await db.schema
    .createTable('outbox')
    .addColumn('seq', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('key', 'text', (c) => c.notNull().unique())
    .addColumn('platform', 'text', (c) => c.notNull())
    .addColumn('route', 'text', (c) => c.notNull())
    .addColumn('reply', 'text', (c) => c.notNull())
    .addColumn('answers', 'text')
    .addColumn('final', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('failed', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('ref', 'text')
    .addColumn('attempts', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('next_at', 'integer', (c) => c.notNull())
    .addColumn('created_at', 'integer', (c) => c.notNull())
    .addColumn('updated_at', 'integer', (c) => c.notNull())
    .addColumn('sent_at', 'integer')
    .addColumn('last_error', 'text')
    .execute();
  await sql`create index outbox_open on outbox (next_at) where state in ('pending', 'dirty')`.execute(db);
}
