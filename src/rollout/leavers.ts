import type { Kysely } from 'kysely';
import type { Database } from '../store/schema.ts';
import { activeUpdates, findUpdate, moveUpdate, patchUpdate } from '../store/updates.ts';
import type { EngineDeps } from './engine-deps.ts';
import { failedHere } from './order.ts';

/**
 * What somebody asked for who may not ask for it any more (removed, made a viewer, the account taken away) does not
 * begin, however long it has waited for a device or for approval. What a device has taken goes on: any operator may
 * cancel it. Within a transaction; true where something ended.
 */
export async function withdrawOfLeavers(
  trx: Kysely<Database>,
  { telling, mayAsk }: Pick<EngineDeps, 'telling' | 'mayAsk'>,
  now: number,
): Promise<boolean> {
  if (!mayAsk) return false;
  let ended = false;
  for (const row of await activeUpdates(trx)) {
    if (row.state !== 'approving' && row.state !== 'queued') continue;
    // What nobody asked for in a chat (`auto`, a first installation) hangs on nobody's role.
    if (row.automatic === 1 || row.route === null || (await mayAsk(row.requested_by, trx))) continue;
    if (row.order_id !== null) {
      // A device may have taken it before it went away. It says so when it is back, and the rest is decided then.
      if (row.cancel_requested === 0) await patchUpdate(trx, row.id, { cancel_requested: 1 });
      continue;
    }
    const problem = { code: 'asker_gone', data: { app: row.app, who: row.requested_by_name }, retryable: false };
    const patch = { outcome: JSON.stringify(failedHere(row, problem, now)) };
    const change = {
      id: row.id,
      from: [row.state],
      to: 'failed',
      at: now,
      actor: 'hub',
      patch,
      data: problem,
    } as const;
    if (!(await moveUpdate(trx, change))) continue;
    const after = await findUpdate(trx, row.id);
    if (after) await telling.end(trx, after, now);
    ended = true;
  }
  return ended;
}
