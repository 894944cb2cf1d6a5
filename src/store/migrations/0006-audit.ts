import { type Kysely, sql } from 'kysely';
import { chainRows } from '../audit-chain.ts';
import type { Database } from '../schema.ts';

/**
 * The audit log becomes tamper-evident: its hash chain, beside it, because a hub that was rolled back adds rows without
 * one; what is there already starts the chain. What devices logged themselves, as they told it. Neither can be changed or
 * removed, not even by `insert or replace`. Additive.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('audit').addColumn('result', 'text').execute();
  await db.schema.alterTable('audit').addColumn('data', 'text').execute();
  await db.schema
    .createTable('audit_chain')
    .addColumn('seq', 'integer', (c) => c.primaryKey())
    .addColumn('hash', 'text', (c) => c.notNull())
    .addColumn('late', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createTable('device_audit')
    .addColumn('device', 'text', (c) => c.notNull())
    .addColumn('branch', 'integer', (c) => c.notNull())
    .addColumn('n', 'integer', (c) => c.notNull())
    .addColumn('line', 'text', (c) => c.notNull())
    .addColumn('received_at', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('device_audit_pk', ['device', 'branch', 'n'])
    .execute();
  await chainRows(db as Kysely<Database>);
  for (const [table, key] of [
    ['audit', 'seq = new.seq'],
    ['audit_chain', 'seq = new.seq'],
    ['device_audit', 'device = new.device and branch = new.branch and n = new.n'],
  ] as const) {
    const refuse = sql`select raise(abort, 'the audit log is append-only')`;
    await sql`create trigger ${sql.raw(`${table}_no_update`)} before update on ${sql.table(table)} begin ${refuse}; end`.execute(
      db,
    );
    await sql`create trigger ${sql.raw(`${table}_no_delete`)} before delete on ${sql.table(table)} begin ${refuse}; end`.execute(
      db,
    );
    await sql`create trigger ${sql.raw(`${table}_no_replace`)} before insert on ${sql.table(table)} when exists (select 1 from ${sql.table(table)} where ${sql.raw(key)}) begin ${refuse}; end`.execute(
      db,
    );
  }
}
