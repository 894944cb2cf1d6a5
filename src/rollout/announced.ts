import type { Kysely } from 'kysely';
import type { Withdrawn } from '../chat/messages/notices.ts';
import type { Database } from '../store/schema.ts';
import {
  activeUpdates,
  findUpdate,
  moveUpdate,
  patchUpdate,
  type UpdateRow,
  unknownUpdates,
} from '../store/updates.ts';
import { inProgress, queueDeadline } from './new-update.ts';
import type { Telling } from './telling.ts';

/** What becomes of an automatic update that was announced: it begins, or it does not. Within a transaction. */

/** It begins: from now on it is as any other. False where somebody was faster. */
export async function beginAnnounced(
  trx: Kysely<Database>,
  telling: Pick<Telling, 'card'>,
  row: UpdateRow,
  now: number,
): Promise<boolean> {
  // How long it took counts from here, as a person's does from the request.
  const patch = { requested_at: now, ...queueDeadline({ requested_at: now }) };
  const moved = await moveUpdate(trx, { id: row.id, from: ['announced'], to: 'queued', at: now, actor: 'hub', patch });
  const begun = moved ? await findUpdate(trx, row.id) : undefined;
  if (begun) await telling.card(trx, begun, now);
  return moved;
}

/** It does not begin; its card says why. False where somebody was faster. */
export async function withdrawAnnounced(
  trx: Kysely<Database>,
  telling: Pick<Telling, 'end'>,
  row: UpdateRow,
  reason: Withdrawn,
  now: number,
): Promise<boolean> {
  const note = { code: 'cancelled', data: { app: row.app, reason }, retryable: false };
  const moved = await moveUpdate(trx, {
    id: row.id,
    from: [row.state],
    to: 'cancelled',
    at: now,
    actor: 'hub',
    patch: { progress: JSON.stringify({ note }) },
    data: note,
  });
  const ended = moved ? await findUpdate(trx, row.id) : undefined;
  if (ended) await telling.end(trx, ended, now);
  return moved;
}

/** Has nobody's word yet but Fettle's own: whatever else is begun with the app comes first. */
export function givesWay(row: Pick<UpdateRow, 'state' | 'automatic'>): boolean {
  return row.state === 'announced' || (row.state === 'approving' && row.automatic === 1);
}

/** People get the grace anew: the hub was away when it ended, and nobody could have cancelled. */
export async function renewGrace(trx: Kysely<Database>, row: UpdateRow, deadline: number): Promise<void> {
  await patchUpdate(trx, row.id, { deadline_at: deadline });
}

/**
 * Makes room for a new update of an app on a device: an automatic one that is only announced, or waits for approval, gives way, to people and
 * to whatever else is begun.
 *
 * @throws {FettleError} `in_progress`
 */
export async function makeRoom(
  trx: Kysely<Database>,
  of: { readonly app: string; readonly device: string },
  telling: Pick<Telling, 'end'>,
  now: number,
): Promise<void> {
  const where = { app: of.app, device: of.device };
  const [active] = [...(await activeUpdates(trx, where)), ...(await unknownUpdates(trx, where))];
  if (!active) return;
  if (!givesWay(active)) throw inProgress(active);
  await withdrawAnnounced(trx, telling, active, 'taken-over', now);
}
