import type { Kysely } from 'kysely';
import type { Clock } from '../domain/id.ts';
import type { Redact } from '../domain/redact.ts';
import {
  markDead,
  markNotSent,
  markRetry,
  markSending,
  markSent,
  markUneditable,
  type NewMessage,
  type OpenMessage,
  openMessages,
  pruneMessages,
  putMessage,
  readMessage,
  type StoredMessage,
  sentAnswers,
} from '../store/outbox.ts';
import type { Database } from '../store/schema.ts';
import { boundedReply } from './bounds.ts';
import type { Adapter, Delivery, Outgoing, Reply } from './contract.ts';

/**
 * Sends what the outbox table holds. Invariants: new messages of one chat go out in order, one at a time; an edit
 * shows the newest state and never comes sooner after the last one than the adapter allows; a message is `sent`
 * only after the adapter said so, so a crash in between sends it again with the same key.
 */

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** A progress message that could not be sent for this long is given up; an answer is tried for longer. */
const GIVE_UP_MS = DAY;
const GIVE_UP_FINAL_MS = 7 * DAY;
/** Sent and unread messages are forgotten after this. */
const KEEP_MS = 30 * DAY;
/** Waits between tries: 0.5 s, 1 s, 2 s … 5 min, with jitter. */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5 * MINUTE;
/** An adapter that has not answered by then has failed this time. */
const SEND_DEADLINE_MS = 60_000;

export interface OutboxDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly adapters: readonly Adapter[];
  /** Applied to every word that leaves. */
  readonly redact: Redact;
  /** 0 ≤ x < 1, for jitter. */
  readonly random: () => number;
  readonly log: (event: string, data: Readonly<Record<string, unknown>>) => void;
}

export interface Outbox {
  /** Writes a message inside the caller's transaction; call {@link Outbox.wake} after the commit. */
  put(trx: Kysely<Database>, message: NewMessage): Promise<void>;
  /** Something may be there to send. */
  wake(): void;
  /** What was sent in answer to an event, as it is shown now: for an adapter whose reader lost it. */
  answersTo(platform: string, eventId: string): Promise<readonly Outgoing[]>;
  /** Messages of the platform that nobody was there to read may be tried now. */
  deliverable(platform: string): void;
  start(): void;
  /** Stops sending; resolves when nothing is under way. What is open stays in the table. */
  stop(): Promise<void>;
}

export function createOutbox(deps: OutboxDeps): Outbox {
  const { db, clock, log } = deps;
  const adapters = new Map(deps.adapters.map((adapter) => [adapter.platform, adapter]));
  /** Chats in which something is being sent right now. */
  const busy = new Set<string>();
  /** Keys of messages that nobody was there to read, by platform. */
  const parked = new Map<string, Set<string>>();
  const underWay = new Set<Promise<void>>();
  let running = false;
  let looking = false;
  let lookAgain = false;
  let timer: NodeJS.Timeout | undefined;
  let pruneTimer: NodeJS.Timeout | undefined;

  function wake(): void {
    if (!running) return;
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = true;
    clearTimeout(timer);
    const look = lookForWork()
      .catch((error: unknown) => {
        log('outbox_failed', { error: String(error) });
        schedule(clock.now() + 1_000);
      })
      .finally(() => {
        looking = false;
        underWay.delete(look);
        if (lookAgain) {
          lookAgain = false;
          wake();
        }
      });
    underWay.add(look);
  }

  function schedule(at: number): void {
    if (!running) return;
    clearTimeout(timer);
    timer = setTimeout(wake, Math.min(Math.max(at - clock.now(), 1), MINUTE));
    timer.unref();
  }

  /** Starts at most one message a chat, and sets the timer for what is not due yet. */
  async function lookForWork(): Promise<void> {
    const now = clock.now();
    let nextAt = Number.POSITIVE_INFINITY;
    /** Chats whose oldest new message is waiting: later ones must not overtake it. */
    const blocked = new Set<string>();
    for (const message of await openMessages(db)) {
      const adapter = adapters.get(message.platform);
      if (!adapter || parked.get(message.platform)?.has(message.key)) continue;
      const chat = chatOf(message);
      if (busy.has(chat)) continue;
      if (message.state === 'pending' && blocked.has(chat)) continue;
      const due = dueAt(message, adapter);
      if (due > now) {
        nextAt = Math.min(nextAt, due);
        if (message.state === 'pending') blocked.add(chat);
        continue;
      }
      busy.add(chat);
      const work = deliver(message, adapter)
        .catch(async (error: unknown) => {
          log('outbox_failed', { key: message.key, error: String(error) });
          // The store itself refused; without a pause this would spin.
          await new Promise((resolve) => setTimeout(resolve, 500));
        })
        .finally(() => {
          busy.delete(chat);
          underWay.delete(work);
          wake();
        });
      underWay.add(work);
    }
    if (nextAt < Number.POSITIVE_INFINITY) schedule(nextAt);
  }

  function dueAt(message: OpenMessage, adapter: Adapter): number {
    const interval = message.state === 'dirty' ? (message.sentAt ?? 0) + adapter.capabilities.editIntervalMs : 0;
    return Math.max(message.nextAt, interval);
  }

  async function deliver(open: OpenMessage, adapter: Adapter): Promise<void> {
    const message = await readMessage(db, open.key);
    if (!message || (message.state !== 'pending' && message.state !== 'dirty')) return;
    const editing = message.state === 'dirty' && message.ref !== null;
    if (editing && (!adapter.capabilities.edit || !message.editable)) {
      await markUneditable(db, message, clock.now());
      return;
    }
    const outgoing = outgoingOf(message);
    // Known on disk before it leaves: a hub that is killed meanwhile can't say whether it arrived.
    if (!editing) await markSending(db, message.key, clock.now());
    const sending = editing && message.ref !== null ? adapter.edit(message.ref, outgoing) : adapter.send(outgoing);
    const delivery = await settle(sending, deps.redact);
    await record(message, editing, delivery);
  }

  function outgoingOf(message: StoredMessage): Outgoing {
    const { key, route, answers, final, failed, sendingSince } = message;
    const maybe = sendingSince === null ? {} : { maybeSent: { since: sendingSince } };
    return { key, route, reply: redactReply(message.reply, deps.redact), answers, final, failed, ...maybe };
  }

  async function record(message: StoredMessage, editing: boolean, delivery: Delivery): Promise<void> {
    const now = clock.now();
    switch (delivery.result) {
      case 'sent':
        await markSent(db, message, { ref: delivery.ref, now });
        return;
      case 'unattended': {
        await markNotSent(db, message.key);
        const keys = parked.get(message.route.platform) ?? new Set();
        parked.set(message.route.platform, keys.add(message.key));
        return;
      }
      case 'impossible':
        log('message_impossible', { key: message.key, editing, reason: delivery.reason });
        if (editing) await markUneditable(db, message, now);
        else await markDead(db, message.key, delivery.reason);
        return;
      case 'retry': {
        const patience = message.final ? GIVE_UP_FINAL_MS : GIVE_UP_MS;
        if (now - message.updatedAt > patience) {
          log('message_given_up', { key: message.key, reason: delivery.reason });
          await markDead(db, message.key, delivery.reason);
          return;
        }
        if (delivery.notSent) await markNotSent(db, message.key);
        const attempts = message.attempts + 1;
        const backoff = Math.min(FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 20), LAST_RETRY_MS);
        const wait = delivery.afterMs > 0 ? delivery.afterMs : backoff * (0.5 + deps.random() / 2);
        await markRetry(db, message.key, { attempts, nextAt: Math.ceil(now + wait), reason: delivery.reason });
        return;
      }
    }
  }

  return {
    put: (trx, message) => putMessage(trx, { ...message, reply: boundedReply(message.reply) }),
    wake,
    async answersTo(platform, eventId) {
      return (await sentAnswers(db, platform, eventId)).map(outgoingOf);
    },
    deliverable(platform) {
      parked.delete(platform);
      wake();
    },
    start() {
      if (running) return;
      running = true;
      const prune = () => {
        pruneMessages(db, clock.now() - KEEP_MS).catch((error: unknown) =>
          log('outbox_prune_failed', { error: String(error) }),
        );
      };
      prune();
      pruneTimer = setInterval(prune, 60 * MINUTE);
      pruneTimer.unref();
      wake();
    },
    async stop() {
      running = false;
      lookAgain = false;
      clearTimeout(timer);
      clearInterval(pruneTimer);
      while (underWay.size > 0) await Promise.allSettled(underWay);
    },
  };
}

/** Anything thrown, and an adapter that never answers, count as `retry`. */
async function settle(sending: Promise<Delivery>, redact: Redact): Promise<Delivery> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Delivery>((resolve) => {
    timer = setTimeout(() => resolve({ result: 'retry', afterMs: 0, reason: 'no answer in time' }), SEND_DEADLINE_MS);
    timer.unref();
  });
  try {
    return await Promise.race([sending, late]);
  } catch (error) {
    return { result: 'retry', afterMs: 0, reason: redact(error instanceof Error ? error.message : String(error)) };
  } finally {
    clearTimeout(timer);
  }
}

function chatOf(message: OpenMessage): string {
  return `${message.platform}\n${message.route.chat}\n${message.route.thread ?? ''}`;
}

/** Every word that a person will see, redacted; what a button sends back stays as it is. */
export function redactReply(reply: Reply, redact: Redact): Reply {
  const many = (texts: readonly string[]) => texts.map(redact);
  return {
    tone: reply.tone,
    title: redact(reply.title),
    ...(reply.text ? { text: many(reply.text) } : {}),
    ...(reply.fields ? { fields: reply.fields.map((f) => ({ name: redact(f.name), value: redact(f.value) })) } : {}),
    ...(reply.table
      ? { table: { columns: many(reply.table.columns), rows: reply.table.rows.map((row) => many(row)) } }
      : {}),
    ...(reply.progress
      ? {
          progress: {
            ...reply.progress,
            label: redact(reply.progress.label),
            ...(reply.progress.detail === undefined ? {} : { detail: redact(reply.progress.detail) }),
          },
        }
      : {}),
    ...(reply.code === undefined ? {} : { code: redact(reply.code) }),
    ...(reply.buttons ? { buttons: reply.buttons.map((b) => ({ ...b, label: redact(b.label) })) } : {}),
    ...(reply.hints ? { hints: many(reply.hints) } : {}),
  };
}
