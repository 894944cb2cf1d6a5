import type { Kysely } from 'kysely';
import { FettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import type { Route } from '../domain/reply.ts';
import { isCancellable, isFinal, type UpdateState } from '../domain/update.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { addAudit, auditOfEvent } from '../store/audit.ts';
import { declineRelease } from '../store/notices.ts';
import type { Database } from '../store/schema.ts';
import { patchUpdate, type UpdateRow } from '../store/updates.ts';
import type { Telling } from './telling.ts';
import type { UpdateQuestions } from './update-question.ts';
import { viewOf } from './update-view.ts';

/** What people want of an update that is under way: its end, or that it does not (or goes on to) wait for the app's lock. */
export interface Wishes {
  /** `accepted` false: too late. @throws {FettleError} `device_offline`: then it is kept, and done when the device is back */
  cancel(id: string, who?: WhoAsks['who']): Promise<WishResult>;
  /**
   * Safe to repeat. A force is in the store, with who wanted it, before the device is asked.
   *
   * @throws {FettleError} `device_offline`: a force is kept, and told when the device is back · `agent_too_old` ·
   *   `not_waiting` where it waits for approval
   */
  insist(id: string, on: 'force' | 'hold', asker: WhoAsks): Promise<WishResult>;
  /** A device says that it has this update: tells it of a force that it may have missed. */
  remind(row: UpdateRow): void;
}

export interface WishResult {
  readonly accepted: boolean;
  readonly state: UpdateState;
}

/** Who, where, and the event that asks. */
export interface WhoAsks {
  readonly who: { readonly id: string; readonly name: string };
  readonly route: Route;
  readonly eventId: string;
}

export interface WishesDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly telling: Telling;
  readonly gateway: () => Pick<Gateway, 'send'>;
  readonly questions: UpdateQuestions;
  readonly rowOf: (trx: Kysely<Database>, id: string) => Promise<UpdateRow>;
  /** Work in one transaction; messages that it wrote are sent after the commit. */
  readonly change: <T>(work: (trx: Kysely<Database>) => Promise<T>) => Promise<T>;
  /** Ends an update that no device was told of. */
  readonly endCancelled: (
    row: UpdateRow,
    also: (trx: Kysely<Database>, now: number) => Promise<unknown>,
  ) => Promise<boolean>;
}

export function createWishes(deps: WishesDeps): Wishes {
  const { db, clock, questions, rowOf, change } = deps;
  const offline = (row: UpdateRow) =>
    new FettleError('device_offline', { data: { device: row.device, app: row.app }, retryable: true });

  return {
    async cancel(id, who) {
      const row = await rowOf(db, id);
      if (!isCancellable(row.state)) return { accepted: false, state: row.state };
      // Only what no device was ever told of ends here: an order that was sent may be under way, whatever the row says.
      if (row.order_id === null && (await deps.endCancelled(row, (trx, at) => cancelledBy(trx, row, who, at))))
        return { accepted: true, state: 'cancelled' };
      const answer = await questions.ask(row.device, id, 'cancel');
      if (!answer) {
        // Kept: when the device is back it is told, or the update ends here if it never heard of it.
        await change(async (trx) => {
          await patchUpdate(trx, id, { cancel_requested: 1 });
          await cancelledBy(trx, row, who, clock.now());
          await decline(trx, row, clock.now());
        });
        throw offline(row);
      }
      if (answer.accepted) {
        await change(async (trx) => {
          await patchUpdate(trx, id, { cancel_requested: 1 });
          await cancelledBy(trx, row, who, clock.now());
          await decline(trx, row, clock.now());
          const now = await rowOf(trx, id);
          if (!isFinal(now.state)) await deps.telling.card(trx, now, clock.now());
        });
      }
      return { accepted: answer.accepted, state: (await rowOf(db, id)).state };
    },

    async insist(id, on, { who, route, eventId }) {
      const row = await rowOf(db, id);
      // Forced after somebody was asked, it would be another thing than what they approve.
      if (row.state === 'approving')
        throw new FettleError('not_waiting', { data: { id, app: row.app, state: row.state } });
      if (!isCancellable(row.state)) {
        // Asked again after a restart of the hub: what was asked for has come about.
        const before = await auditOfEvent(db, { eventId, by: who.id });
        return { accepted: before?.action === on && before.after === id, state: row.state };
      }
      await change(async (trx) => {
        if (on === 'force') await patchUpdate(trx, id, { force: 1 });
        if (await auditOfEvent(trx, { eventId, by: who.id })) return;
        const target = row.app;
        await addAudit(trx, {
          at: clock.now(),
          by: who.id,
          byName: who.name,
          route,
          eventId,
          action: on,
          target,
          after: id,
        });
      });
      // An order that is still to be sent says it itself.
      if (on === 'force' && row.order_id === null) return { accepted: true, state: row.state };
      const answer = await questions.ask(row.device, id, on);
      if (!answer) throw offline(row);
      return { accepted: answer.accepted, state: (await rowOf(db, id)).state };
    },

    remind(row) {
      if (row.force === 1 && waitsForLock(row)) deps.gateway().send(row.device, { type: 'force', update: row.id });
    },
  };
}

/** Does the update wait for the app's own lock, as far as the hub was told? */
export function waitsForLock(row: UpdateRow): boolean {
  return row.state === 'waiting' && viewOf(row, row.device).note?.code === 'locked_by_app';
}

/** Whoever cancels an automatic update leaves its release to people. */
export async function decline(trx: Kysely<Database>, row: UpdateRow, now: number): Promise<void> {
  if (row.automatic === 1 && row.to_version !== null) await declineRelease(trx, row.app, row.to_version, now);
}

/** Who forced what from the start, within the transaction that makes it. */
export async function auditForced(trx: Kysely<Database>, row: UpdateRow, now: number): Promise<void> {
  if (row.force !== 1) return;
  await addAudit(trx, {
    at: now,
    by: row.requested_by,
    byName: row.requested_by_name,
    route: row.route === null ? undefined : (JSON.parse(row.route) as Route),
    eventId: row.event_id ?? undefined,
    action: 'force',
    target: row.app,
    after: row.id,
  });
}

async function cancelledBy(trx: Kysely<Database>, row: UpdateRow, who: WhoAsks['who'] | undefined, at: number) {
  if (!who) return;
  await addAudit(trx, { at, by: who.id, byName: who.name, action: 'cancel', target: row.app, after: row.id });
}
