import type { Kysely, Selectable } from 'kysely';
import { CHAIN_START, type ChainLink, chained } from '../protocol/audit-chain.ts';
import type { AuditTable, Database } from './schema.ts';

/** The audit log's hash chain, in a table of its own beside the rows. */

/** What a row's hash is over: all that it says, in this order for ever. A new column goes to the end where it is not null. */
export function rowText(row: Selectable<AuditTable>): string {
  const { seq, at, by, by_name, route, event_id, action, target, before, after, result, data } = row;
  return JSON.stringify([seq, at, by, by_name, route, event_id, action, target, before, after, result, data]);
}

/** The chain's newest link. */
export async function lastLink(db: Kysely<Database>): Promise<ChainLink> {
  const last = await db
    .selectFrom('audit_chain')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last ?? { seq: 0, hash: CHAIN_START };
}

/**
 * Chains every row that is not yet, in the transaction that wrote the newest, and answers the last link. All but
 * `fresh` were written by a version that knew no chain: they are marked, so that nobody takes them for chained at once.
 */
export async function chainRows(trx: Kysely<Database>, fresh?: number): Promise<ChainLink> {
  const last = await lastLink(trx);
  let { seq, hash } = last;
  const rows = await trx.selectFrom('audit').selectAll().where('seq', '>', seq).orderBy('seq').execute();
  for (const row of rows) {
    hash = chained(hash, rowText(row));
    seq = row.seq;
    await trx
      .insertInto('audit_chain')
      .values({ seq, hash, late: seq === fresh ? 0 : 1 })
      .execute();
  }
  return { seq, hash };
}
