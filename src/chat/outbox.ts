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
import { forgetShown } from '../store/shown-once.ts';
import { boundedReply } from './bounds.ts';
import type { Adapter, Delivery, Outgoing, Reply, Route } from './contract.ts';

/**
 * Sends what the outbox table holds. Invariants: new messages of one chat go out in order, one at a time, but for one
 * that was refused again and again; an edit shows the newest state and never comes sooner after the last one than the
 * adapter allows; a message is `sent` only after the adapter said so, so a crash in between sends it again with the same
 * key. No wait depends on the wall clock alone: it may jump.
 */

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** A progress message that could not be sent for this long is given up; an answer is tried for longer. */
const GIVE_UP_MS = DAY;
const GIVE_UP_FINAL_MS = 7 * DAY;
/** And not before so many tries: a clock that is set to the right day is no day of trying. */
const GIVE_UP_TRIES = 50;
/** One that was refused so often (a minute, by our own waits) holds up those after it no longer. */
const STUCK_TRIES = 8;
/** Platforms ask for a day at the most; who has to wait longer has a clock that was set back. */
const LONGEST_MS = DAY + 60 * MINUTE;
/** Sent and unread messages are forgotten after this. */
const KEEP_MS = 30 * DAY;
/** Waits between tries: 0.5 s, 1 s, 2 s … 5 min, with jitter. */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5 * MINUTE;
/** An adapter that has not answered by then has failed this time. */
const SEND_DEADLINE_MS = 60_000;
/** So many messages of one platform are looked at. */
const LIST = 1_000;

export interface OutboxDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly adapters: readonly Adapter[];
  /** Applied to every word that leaves. */
  readonly redact: Redact;
  /** 0 ≤ x < 1, for jitter. */
  readonly random: () => number;
  readonly log: (event: string, data: Readonly<Record<string, unknown>>) => void;
  /** The final answer to somebody can't be given where they asked. In the transaction that gives it up. */
  readonly onLost?: ((trx: Kysely<Database>, lost: LostMessage) => Promise<void>) | undefined;
}

/** An answer that was given up. */
export interface LostMessage {
  readonly key: string;
  readonly route: Route;
  /** As the platform said it, redacted. */
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly now: number;
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
  /** How often there was somebody: who comes while a message is handed out must not miss it. */
  const arrivals = new Map<string, number>();
  /** Messages whose next try is ours to choose, by platform: a connection that is back is worth one at once. */
  const hasty = new Map<string, Set<string>>();
  const hastened = new Set<string>();
  /** When what is not due yet will be, by the clock that nobody sets. */
  let waits = new Map<string, { readonly due: number; readonly at: number }>();
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
        schedule(1_000);
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

  function schedule(inMs: number): void {
    if (!running) return;
    clearTimeout(timer);
    timer = setTimeout(wake, Math.min(Math.max(inMs, 1), MINUTE));
    timer.unref();
  }

  /** Starts at most one message a chat, and sets the timer for what is not due yet. */
  async function lookForWork(): Promise<void> {
    let nextMs = await forgetShown(db, clock.now());
    /** Chats whose oldest new message is waiting: later ones must not overtake it. */
    const blocked = new Set<string>();
    const before = waits;
    waits = new Map();
    for (const { message, adapter } of await candidates()) {
      const chat = chatOf(message);
      const leftMs = leftOf(message, adapter, before);
      if (busy.has(chat)) continue;
      if (message.state === 'pending' && blocked.has(chat)) continue;
      if (leftMs > 0) {
        nextMs = Math.min(nextMs, leftMs);
        if (message.state === 'pending' && message.attempts < STUCK_TRIES) blocked.add(chat);
        continue;
      }
      busy.add(chat);
      hastened.delete(message.key);
      hasty.get(message.platform)?.delete(message.key);
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
    if (nextMs < Number.POSITIVE_INFINITY) schedule(nextMs);
  }

  /** What is to be sent, oldest first; an edit that was refused comes after what is new. */
  async function candidates(): Promise<readonly { readonly message: OpenMessage; readonly adapter: Adapter }[]> {
    const found: { readonly message: OpenMessage; readonly adapter: Adapter }[] = [];
    for (const adapter of adapters.values()) {
      const keys = parked.get(adapter.platform);
      // Platform by platform: what nobody reads on one of them fills no other one's list.
      for (const message of await openMessages(db, adapter.platform, LIST + (keys?.size ?? 0)))
        if (!keys?.has(message.key)) found.push({ message, adapter });
    }
    const refused = ({ message }: (typeof found)[number]) => message.state === 'dirty' && message.attempts > 0;
    return [...found.filter((one) => !refused(one)), ...found.filter(refused)];
  }

  /** Milliseconds until a message is due; 0: now. */
  function leftOf(message: OpenMessage, adapter: Adapter, before: typeof waits): number {
    const now = clock.now();
    const asked = hastened.has(message.key) || message.nextAt - now > LONGEST_MS ? 0 : message.nextAt;
    const { sentAt } = message;
    const edited = message.state === 'dirty' && sentAt !== null && sentAt <= now;
    const due = Math.max(asked, edited ? sentAt + adapter.capabilities.editIntervalMs : 0);
    if (due <= now) return 0;
    const monotonic = clock.monotonic();
    const known = before.get(message.key);
    const at = known?.due === due ? known.at : monotonic + due - now;
    waits.set(message.key, { due, at });
    return Math.max(0, Math.min(due - now, at - monotonic));
  }

  async function deliver(open: OpenMessage, adapter: Adapter): Promise<void> {
    const message = await readMessage(db, open.key);
    if (!message || (message.state !== 'pending' && message.state !== 'dirty')) return;
    // It was tried while the list was being read: when it is due is another question now.
    if (message.attempts !== open.attempts) return;
    const editing = message.state === 'dirty' && message.ref !== null;
    if (editing && (!adapter.capabilities.edit || !message.editable)) {
      await markUneditable(db, message, clock.now());
      return;
    }
    const outgoing = outgoingOf(message);
    const arrived = arrivals.get(open.platform);
    // Known on disk before it leaves: a hub that is killed meanwhile can't say whether it arrived.
    if (!editing) await markSending(db, message.key, clock.now());
    const sending = editing && message.ref !== null ? adapter.edit(message.ref, outgoing) : adapter.send(outgoing);
    const delivery = await settle(sending, deps.redact);
    await record(message, editing, delivery, arrived);
  }

  function outgoingOf(message: StoredMessage): Outgoing {
    const { key, route, answers, final, failed, sendingSince } = message;
    const maybe = sendingSince === null ? {} : { maybeSent: { since: sendingSince } };
    return { key, route, reply: redactReply(message.reply, deps.redact), answers, final, failed, ...maybe };
  }

  async function record(
    message: StoredMessage,
    editing: boolean,
    delivery: Delivery,
    arrived: number | undefined,
  ): Promise<void> {
    const now = clock.now();
    const { platform } = message.route;
    switch (delivery.result) {
      case 'sent':
        await markSent(db, message, { ref: delivery.ref, now });
        return;
      case 'unattended': {
        if (arrivals.get(platform) === arrived) add(parked, platform, message.key);
        await markNotSent(db, message.key);
        return;
      }
      case 'impossible':
        log('message_impossible', { key: message.key, editing, reason: delivery.reason });
        if (editing) await markUneditable(db, message, now);
        else await giveUp(message, delivery.reason, now);
        return;
      case 'retry': {
        const patience = message.final ? GIVE_UP_FINAL_MS : GIVE_UP_MS;
        if (now - message.updatedAt > patience && message.attempts >= GIVE_UP_TRIES) {
          log('message_given_up', { key: message.key, reason: delivery.reason });
          await giveUp(message, delivery.reason, now);
          return;
        }
        if (delivery.notSent) await markNotSent(db, message.key);
        const attempts = message.attempts + 1;
        const backoff = Math.min(FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 20), LAST_RETRY_MS);
        if (delivery.afterMs <= 0) add(hasty, platform, message.key);
        const wait = delivery.afterMs > 0 ? delivery.afterMs : backoff * (0.5 + deps.random() / 2);
        await markRetry(db, message.key, { attempts, nextAt: Math.ceil(now + wait), reason: delivery.reason });
        return;
      }
    }
  }

  async function giveUp(message: StoredMessage, reason: string, now: number): Promise<void> {
    const { key, route, final, answers } = message;
    await db.transaction().execute(async (trx) => {
      if (!(await markDead(trx, message, reason)) || !final || answers === undefined) return;
      await deps.onLost?.(trx, { key, route, reason: deps.redact(reason), now });
    });
  }

  return {
    // Redacted where it is kept, and again where it leaves: what was not known to be secret then may be now.
    put: (trx, message) =>
      putMessage(trx, { ...message, reply: redactReply(boundedReply(message.reply), deps.redact) }),
    wake,
    async answersTo(platform, eventId) {
      return (await sentAnswers(db, platform, eventId)).map(outgoingOf);
    },
    deliverable(platform) {
      parked.delete(platform);
      arrivals.set(platform, (arrivals.get(platform) ?? 0) + 1);
      for (const key of hasty.get(platform) ?? []) hastened.add(key);
      hasty.delete(platform);
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

function add(sets: Map<string, Set<string>>, platform: string, key: string): void {
  sets.set(platform, (sets.get(platform) ?? new Set()).add(key));
}

/** Anything thrown, and an adapter that never answers, count as `retry`. */
async function settle(sending: Promise<Delivery>, redact: Redact): Promise<Delivery> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Delivery>((resolve) => {
    timer = setTimeout(() => resolve({ result: 'retry', afterMs: 0, reason: 'no answer in time' }), SEND_DEADLINE_MS);
    timer.unref();
  });
  try {
    const delivery = await Promise.race([sending, late]);
    // It is kept, and told to people.
    return 'reason' in delivery && delivery.reason !== undefined
      ? { ...delivery, reason: redact(delivery.reason) }
      : delivery;
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
  // What is one text for a reader is looked at as one: a name is beside its value, and a key has several lines.
  const paragraphs = (texts: readonly string[]) => {
    const each = many(texts);
    const whole = texts.length > 1 ? redact(texts.join('\n')) : undefined;
    return whole === undefined || whole === each.join('\n') ? each : whole.split('\n');
  };
  const beside = (name: string, value: string) => {
    const start = `${redact(name)}: `;
    const whole = redact(`${name}: ${value}`);
    return whole.startsWith(start) ? whole.slice(start.length) : redact(value);
  };
  return {
    tone: reply.tone,
    title: redact(reply.title),
    ...(reply.text ? { text: paragraphs(reply.text) } : {}),
    ...(reply.fields
      ? { fields: reply.fields.map((f) => ({ name: redact(f.name), value: beside(f.name, f.value) })) }
      : {}),
    ...(reply.table
      ? {
          table: {
            columns: many(reply.table.columns),
            rows: reply.table.rows.map(([name, value, ...rest]) =>
              name === undefined
                ? []
                : value === undefined
                  ? [redact(name)]
                  : [redact(name), beside(name, value), ...many(rest)],
            ),
          },
        }
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
    ...(reply.once ? { once: reply.once } : {}),
  };
}
