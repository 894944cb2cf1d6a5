import type { Kysely } from 'kysely';
import { APPROVAL_MS } from '../domain/approval.ts';
import type { Problem } from '../protocol/messages.ts';
import { addApproval } from '../store/approvals.ts';
import type { Database } from '../store/schema.ts';
import { findUpdate, moveUpdate, type UpdateRow } from '../store/updates.ts';
import { withdrawAnnounced } from './announced.ts';
import { approverOf } from './approvers.ts';
import { queueDeadline } from './new-update.ts';
import { failedHere } from './order.ts';
import type { Telling } from './telling.ts';
import { decline } from './wishes.ts';

/** How an update comes to wait for approval, and how it stops. Within a transaction; false where somebody was faster. */

/** Writes the question of an update that is to wait. Milliseconds until it is over: {@link APPROVAL_MS}. */
export async function addQuestion(
  trx: Kysely<Database>,
  row: UpdateRow,
  mode: 'confirm' | 'second',
  now: number,
): Promise<void> {
  const asker = row.automatic === 1 ? null : ((await approverOf(trx, row.requested_by))?.person ?? row.requested_by);
  await addApproval(trx, {
    update_id: row.id,
    mode,
    asked_by: asker,
    digest: row.digest,
    device: row.device,
    expires_at: now + APPROVAL_MS,
  });
}

/** It begins: from now on it is as any other. */
export async function beginApproved(
  trx: Kysely<Database>,
  telling: Pick<Telling, 'card'>,
  row: UpdateRow,
  now: number,
): Promise<boolean> {
  // How long an automatic one took counts from here; a person's from the request.
  const begun = row.automatic === 1 ? { requested_at: now } : {};
  const patch = { ...begun, ...queueDeadline({ requested_at: now }) };
  const moved = await moveUpdate(trx, {
    id: row.id,
    from: ['approving'],
    to: 'queued',
    at: now,
    actor: 'person',
    patch,
  });
  const after = moved ? await findUpdate(trx, row.id) : undefined;
  if (after) await telling.card(trx, after, now);
  return moved;
}

/** It does not begin: somebody said no, or what was to be approved is another thing now. */
export async function endUnapproved(
  trx: Kysely<Database>,
  telling: Pick<Telling, 'end'>,
  row: UpdateRow,
  problem: Problem,
  now: number,
): Promise<boolean> {
  if (row.automatic === 1) {
    if (problem.code === 'approval_void') return withdrawAnnounced(trx, telling, row, 'changed', now);
    const moved = await withdrawAnnounced(trx, telling, row, 'rejected', now);
    if (moved) await decline(trx, row, now);
    return moved;
  }
  const patch = { outcome: JSON.stringify(failedHere(row, problem, now)) };
  const change = { id: row.id, from: ['approving'], to: 'failed', at: now, actor: 'person', patch } as const;
  const moved = await moveUpdate(trx, { ...change, data: problem });
  const after = moved ? await findUpdate(trx, row.id) : undefined;
  if (after) await telling.end(trx, after, now);
  return moved;
}

/** Nobody said anything in time. */
export async function lapse(
  trx: Kysely<Database>,
  telling: Pick<Telling, 'end'>,
  row: UpdateRow,
  now: number,
): Promise<boolean> {
  if (row.automatic === 1) {
    const moved = await withdrawAnnounced(trx, telling, row, 'unapproved', now);
    if (moved) await decline(trx, row, now);
    return moved;
  }
  const note = { code: 'approval_expired', data: { app: row.app }, retryable: false };
  const patch = { progress: JSON.stringify({ note }) };
  const change = { id: row.id, from: ['approving'], to: 'timed-out', at: now, actor: 'hub', patch } as const;
  const moved = await moveUpdate(trx, { ...change, data: note });
  const after = moved ? await findUpdate(trx, row.id) : undefined;
  if (after) await telling.end(trx, after, now);
  return moved;
}
