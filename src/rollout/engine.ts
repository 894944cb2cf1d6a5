import type { Kysely } from 'kysely';
import { APPROVAL_MS } from '../domain/approval.ts';
import { type ErrorData, FettleError } from '../domain/errors.ts';
import { shortId } from '../domain/id.ts';
import { isCancellable, isFinal, stateOf } from '../domain/update.ts';
import type { Peer } from '../gateway/gateway.ts';
import { createSparingLog } from '../gateway/sparing-log.ts';
import type { AgentMessage, Outcome, Problem } from '../protocol/messages.ts';
import { connectDevice, disconnectAll, disconnectDevice, saveInventory } from '../store/devices.ts';
import type { Database } from '../store/schema.ts';
import {
  activeUpdates,
  addUpdate,
  findUpdate,
  moveUpdate,
  patchUpdate,
  type UpdateRow,
  unknownUpdates,
} from '../store/updates.ts';
import { createAlarm } from './alarm.ts';
import { makeRoom } from './announced.ts';
import { addQuestion, lapse } from './approval-ends.ts';
import { announceCrashes } from './crash-notices.ts';
import { rowOfDevice } from './device-row.ts';
import type { EngineDeps } from './engine-deps.ts';
import { withdrawOfLeavers } from './leavers.ts';
import { type NewUpdate, queueDeadline, rowFor, unusedId } from './new-update.ts';
import { takeLocalOutcome } from './on-device.ts';
import { auditDenial, auditOrder, failedHere, lostProblem, ORDER_MS, orderOf } from './order.ts';
import { createUpdateQuestions } from './update-question.ts';
import { auditForced, createWishes, decline, type Wishes } from './wishes.ts';

/**
 * Who updates when: turns rows into orders and reports into rows. Everything that is to survive is in the store
 * before anything is sent; a restart at any point goes on from the rows.
 */

/** While an update waits at the hub for a device that is there, it is looked at this often. */
const TICK_MS = 5_000;
/** Progress is written at most this often; a change of state at once. */
const PROGRESS_MS = 400;

export interface Engine extends Pick<Wishes, 'cancel' | 'insist'> {
  start(): Promise<void>;
  stop(): Promise<void>;
  /**
   * Writes the update and its card, in one transaction, then sends the order. An automatic update of the app that is
   * only announced gives way.
   *
   * @throws {FettleError} `in_progress`
   */
  begin(update: NewUpdate): Promise<string>;
  /** Sends what is queued: for who queued it without {@link begin}. */
  dispatch(): Promise<void>;
  /** The device will not be heard of again: what runs on it has failed as lost. `data`: why, for people. */
  forsake(device: string, data: ErrorData): Promise<void>;
  connected(peer: Peer): Promise<number>;
  disconnected(peer: Peer, epoch: number, why?: 'bad_signature'): Promise<void>;
  received(peer: Peer, epoch: number, message: AgentMessage): Promise<void>;
}

export function createEngine(deps: EngineDeps): Engine {
  const { db, clock, log } = deps;
  const questions = createUpdateQuestions(deps.gateway);
  const logForeign = createSparingLog(log, clock.monotonic);
  const lastProgress = new Map<string, number>();
  const lastTold = new Map<string, string>(); // each half minute, and mostly the same
  /** Updates that an inventory did not mention although the device has them. */
  const missed = new Set<string>();
  const onChange = deps.onChange ?? (() => undefined);
  const alarm = createAlarm({
    clock,
    work: tick,
    onError: (error) => log(`deadlines could not be looked at: ${String(error)}`),
  });
  const wishes = createWishes({
    ...{ db, clock, telling: deps.telling, gateway: deps.gateway, questions, rowOf, change },
    endCancelled: (row, also) => endHere(row, 'cancelled', undefined, 'person', also),
  });
  let dispatching: Promise<void> = Promise.resolve();

  /** Work in one transaction; messages that it wrote are sent after the commit. */
  async function change<T>(work: (trx: Kysely<Database>) => Promise<T>): Promise<T> {
    const result = await db.transaction().execute(work);
    deps.outbox.wake();
    return result;
  }

  async function rowOf(trx: Kysely<Database>, id: string): Promise<UpdateRow> {
    const row = await findUpdate(trx, id);
    if (!row) throw new FettleError('unknown_update', { data: { id } });
    return row;
  }

  /** One after the other, so that an order is never made twice for one row. */
  function dispatch(): Promise<void> {
    dispatching = dispatching
      .then(() => change((trx) => withdrawOfLeavers(trx, deps, clock.now())))
      .then((ended) => (ended ? onChange() : undefined))
      .then(sendQueued)
      .then(async () => alarm.reset(await nextLook()))
      .catch((error: unknown) => log(`orders could not be sent: ${String(error)}`));
    return dispatching;
  }

  /** When there is something to be done with no word from a device; `undefined`: never. Idle, the hub sleeps. */
  async function nextLook(): Promise<number | undefined> {
    const times = (await activeUpdates(db)).flatMap((row) => {
      if (row.state === 'announced' || row.deadline_at === null) return [];
      const waits = row.state === 'queued' && deps.gateway().isConnected(row.device);
      return waits ? [clock.now() + TICK_MS] : [row.deadline_at];
    });
    return times.length === 0 ? undefined : Math.min(...times);
  }

  async function sendQueued(): Promise<void> {
    for (const row of await activeUpdates(db)) {
      // One that is to be cancelled waits for what the device says of it.
      if (row.state !== 'queued' || row.cancel_requested === 1 || !deps.gateway().isConnected(row.device)) continue;
      const now = clock.now();
      const orderId = shortId('o', deps.random, 10);
      const { backup } = deps.settings.current();
      const message = orderOf(row, { id: orderId, now, backup, source: deps.sourceOf?.(row.app) });
      const patch = { order_id: orderId, progress: null, deadline_at: now + (stateOf('sent').deadlineMs ?? ORDER_MS) };
      const log = await change(async (trx) => {
        const move = { id: row.id, from: ['queued'], to: 'sent', at: now, actor: 'hub', patch } as const;
        return (await moveUpdate(trx, move)) ? auditOrder(trx, message, now) : undefined;
      });
      if (log) deps.gateway().send(row.device, { ...message, log });
    }
  }

  /** Ends an update at the hub; `problem` is what the asker is told. */
  async function endHere(
    row: UpdateRow,
    state: 'failed' | 'cancelled' | 'timed-out',
    problem: Problem | undefined,
    by: 'person' | 'hub' = 'hub',
    also?: (trx: Kysely<Database>, now: number) => Promise<unknown>,
  ): Promise<boolean> {
    const now = clock.now();
    missed.delete(row.id);
    return change(async (trx) => {
      const outcome = state === 'failed' && problem ? failedHere(row, problem, now) : undefined;
      const moved = await moveUpdate(trx, {
        id: row.id,
        from: [row.state],
        to: state,
        at: now,
        actor: 'hub',
        patch: outcome ? { outcome: JSON.stringify(outcome) } : {},
        data: problem,
      });
      if (moved && by === 'person') await decline(trx, row, now);
      if (moved) await also?.(trx, now);
      if (moved) await deps.telling.end(trx, await rowOf(trx, row.id), now);
      return moved;
    }).finally(onChange);
  }

  async function requeue(row: UpdateRow): Promise<void> {
    const at = clock.now();
    await change((trx) =>
      moveUpdate(trx, { id: row.id, from: ['sent'], to: 'queued', at, actor: 'hub', patch: queueDeadline(row) }),
    );
  }

  async function tick(): Promise<undefined> {
    const now = clock.now();
    for (const row of await activeUpdates(db)) {
      // Its time is its beginning, and not the engine's business.
      if (row.state === 'announced') continue;
      if (row.deadline_at === null || now < row.deadline_at) continue;
      if (row.state === 'sent') {
        // The order has expired at the device as well: it is made anew, and the device knows a known update.
        await requeue(row);
      } else if (row.state === 'approving') {
        await change((trx) => lapse(trx, deps.telling, row, clock.now())).finally(onChange);
      } else {
        await endHere(row, 'timed-out', undefined);
      }
    }
    await dispatch();
  }

  async function onReport(peer: Peer, message: Extract<AgentMessage, { type: 'report' }>): Promise<void> {
    const now = clock.now();
    await change(async (trx) => {
      const row = await rowOfDevice(trx, peer, { id: message.update, said: 'a report' }, logForeign);
      if (typeof row === 'string' || isFinal(row.state) || message.seq <= row.report_seq) return;
      // Where the hub's own states begin and end is the hub's to say.
      if (isFinal(message.state) || stateOf(message.state).owner === 'hub') return;
      const progress = JSON.stringify({ progress: message.progress, note: message.note });
      const patch = { report_seq: message.seq, progress };
      if (row.state === message.state) {
        const last = lastProgress.get(row.id) ?? 0;
        // What it waits for is told once, and so never too often.
        if (!message.note && clock.monotonic() - last < PROGRESS_MS) return;
        await patchUpdate(trx, row.id, patch);
      } else {
        await moveUpdate(trx, {
          id: row.id,
          from: [row.state],
          to: message.state,
          at: now,
          actor: 'agent',
          patch: { ...patch, deadline_at: null },
        });
      }
      lastProgress.set(row.id, clock.monotonic());
      await deps.telling.card(trx, await rowOf(trx, row.id), now);
    });
  }

  async function onOutcome(peer: Peer, outcome: Outcome): Promise<void> {
    const now = clock.now();
    const foreign = await change(async (trx) => {
      const row = await rowOfDevice(trx, peer, { id: outcome.update, said: 'an outcome' }, logForeign);
      if (typeof row === 'string' || isFinal(row.state)) return row === 'foreign';
      const moved = await moveUpdate(trx, {
        id: row.id,
        from: [row.state],
        to: outcome.state,
        at: now,
        actor: 'agent',
        patch: {
          outcome: JSON.stringify(outcome),
          from_version: outcome.from ?? row.from_version,
          to_version: outcome.to ?? row.to_version,
          progress: null,
        },
      });
      if (moved) await deps.telling.end(trx, await rowOf(trx, row.id), now);
      lastProgress.delete(row.id);
      return false;
    });
    if (foreign) return;
    onChange();
    // Whatever we made of it: it is in the store, or of no update of ours.
    deps.gateway().send(peer.device, { type: 'outcome-ack', update: outcome.update });
  }

  async function onInventory(peer: Peer, message: Extract<AgentMessage, { type: 'inventory' }>): Promise<void> {
    const now = clock.now();
    await change(async (trx) => {
      await saveInventory(trx, peer.device, message.apps, message.recovered, now);
      await announceCrashes(trx, { id: peer.device, name: peer.name }, message.apps, deps.announcer, now);
    });
    const running = new Set(message.apps.map((app) => app.update));
    for (const row of await activeUpdates(db, { device: peer.device })) {
      if (row.cancel_requested === 1 && isCancellable(row.state) && message.recovered) {
        // Whatever the hub had heard of it when the device went.
        if (running.has(row.id)) {
          deps.gateway().send(peer.device, { type: 'cancel', update: row.id });
          continue;
        }
        if (stateOf(row.state).owner === 'hub') {
          await endHere(row, 'cancelled', undefined);
          continue;
        }
      }
      if (running.has(row.id)) wishes.remind(row);
      if (running.has(row.id) || stateOf(row.state).owner === 'hub' || !message.recovered) continue;
      // Its end, if it had one, is told next to the inventory; missing twice, the device has forgotten it.
      if (!missed.has(row.id)) missed.add(row.id);
      else await endHere(row, 'failed', lostProblem(row, { device: peer.name }));
    }
    for (const id of running) if (id !== undefined) missed.delete(id);
    // Not waited for: a slow source must not hold up what the device says.
    for (const report of message.apps) if (report.install !== undefined) void deps.onMissing(peer.device, report);
    if (lastTold.get(peer.device) !== JSON.stringify(message.apps)) onChange();
    lastTold.set(peer.device, JSON.stringify(message.apps));
    await dispatch();
  }

  async function onAck(peer: Peer, message: Extract<AgentMessage, { type: 'order-ack' }>): Promise<void> {
    const row = await rowOfDevice(db, peer, { id: message.update, said: 'an answer' }, logForeign);
    if (typeof row === 'string' || row.order_id !== message.order || row.state !== 'sent') return;
    if (!message.accepted) {
      const problem = message.problem ?? { code: 'capability_denied', data: { app: row.app }, retryable: false };
      const denial = { order: message.order, code: problem.code };
      await endHere(row, 'failed', problem, 'hub', (trx, now) => auditDenial(trx, row, denial, now));
      return;
    }
    const now = clock.now();
    await change(async (trx) => {
      const moved = await moveUpdate(trx, {
        id: row.id,
        from: ['sent'],
        to: 'received',
        at: now,
        actor: 'agent',
        patch: { deadline_at: null },
      });
      if (moved) await deps.telling.card(trx, await rowOf(trx, row.id), now);
    });
  }

  return {
    async start() {
      await disconnectAll(db);
      // What was sent when the last hub stopped may or may not have arrived. The device says first what it has taken;
      // only what it does not know is ordered anew.
      for (const row of await activeUpdates(db)) if (row.state === 'sent') await requeue(row);
      for (const row of await unknownUpdates(db))
        log(`${row.id} of ${row.app} is in a state that this version does not know (${row.state}): left alone`);
      await dispatch();
    },
    async stop() {
      await alarm.stop();
      await dispatching;
    },
    async begin(update) {
      const now = clock.now();
      const id = await change(async (trx) => {
        await makeRoom(trx, update, deps.telling, now);
        const made = await unusedId(trx, deps.random);
        const row = rowFor(made, update, now);
        await addUpdate(trx, row, update.automatic ? 'hub' : 'person');
        await auditForced(trx, row, now);
        if (update.approval) await addQuestion(trx, row, update.approval, now);
        await moveUpdate(trx, {
          id: made,
          from: ['requested'],
          to: update.approval ? 'approving' : 'queued',
          at: now,
          actor: 'hub',
          patch: update.approval ? { deadline_at: now + APPROVAL_MS } : queueDeadline({ requested_at: now }),
        });
        await deps.telling.card(trx, await rowOf(trx, made), now);
        return made;
      });
      void dispatch();
      return id;
    },
    dispatch,
    async forsake(device, data) {
      for (const row of await activeUpdates(db, { device })) await endHere(row, 'failed', lostProblem(row, data));
      await dispatch();
    },
    cancel: wishes.cancel,
    insist: wishes.insist,
    async connected(peer) {
      return connectDevice(
        db,
        { id: peer.device, name: peer.name, platform: peer.platform, version: peer.version },
        clock.now(),
      );
    },
    async disconnected(peer, epoch, why) {
      lastTold.delete(peer.device);
      // The end of a connection that a newer one has replaced says nothing.
      if (!(await disconnectDevice(db, peer.device, epoch, clock.now()))) return;
      // An order that was under way is made anew at the next connect; the device refuses none that it has taken.
      // One that was not believed would not be the next time either.
      const refused = { code: 'bad_signature', data: { device: peer.name }, retryable: false };
      for (const row of await activeUpdates(db, { device: peer.device }))
        if (row.state === 'sent') await (why ? endHere(row, 'failed', refused) : requeue(row));
      await dispatch();
    },
    async received(peer, _epoch, message) {
      switch (message.type) {
        case 'inventory':
          return onInventory(peer, message);
        case 'order-ack':
          return onAck(peer, message);
        case 'report':
          return onReport(peer, message);
        case 'outcome':
          return onOutcome(peer, message.outcome);
        case 'local-outcome':
          if ((await change((trx) => takeLocalOutcome(trx, peer, message, deps.announcer, clock.now()))) === 'foreign')
            return logForeign(
              `capability_denied: ${peer.device} told an outcome of ${message.outcome.update}, another device's: refused`,
            );
          deps.gateway().send(peer.device, { type: 'outcome-ack', update: message.outcome.update });
          return onChange();
        case 'cancel-result':
          questions.answered(peer.device, message.update, 'cancel', message);
          return;
        case 'lock-answer':
          questions.answered(peer.device, message.update, message.asked, message);
          return;
        case 'unknown':
          questions.unknown(peer.device, message.seen);
          return;
        case 'log':
        case 'backups':
        case 'audit':
        case 'hello':
          return;
      }
    },
  };
}
