import type { Kysely, Selectable } from 'kysely';
import type { ApprovalTable, Database } from './schema.ts';

/** Questions whether an update may begin. Written in the transaction that makes the update wait, and that decides. */

export type ApprovalRow = Selectable<ApprovalTable>;

export async function addApproval(
  trx: Kysely<Database>,
  row: Omit<ApprovalRow, 'decision' | 'decided_by' | 'decided_by_name' | 'decided_at'>,
): Promise<void> {
  const open = { decision: null, decided_by: null, decided_by_name: null, decided_at: null };
  await trx
    .insertInto('approvals')
    .values({ ...row, ...open })
    .execute();
}

/** `undefined`: the update needed none. */
export async function findApproval(db: Kysely<Database>, update: string): Promise<ApprovalRow | undefined> {
  return db.selectFrom('approvals').selectAll().where('update_id', '=', update).executeTakeFirst();
}

/** False where it was decided already. */
export async function decideApproval(
  trx: Kysely<Database>,
  update: string,
  decided: {
    readonly decision: 'approved' | 'rejected';
    readonly by: string;
    readonly byName: string;
    readonly at: number;
  },
): Promise<boolean> {
  const result = await trx
    .updateTable('approvals')
    .set({
      decision: decided.decision,
      decided_by: decided.by,
      decided_by_name: decided.byName,
      decided_at: decided.at,
    })
    .where('update_id', '=', update)
    .where('decision', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}
