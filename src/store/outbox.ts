import type { Kysely } from 'kysely';
import type { Reply, Route, ShownOnce } from '../domain/reply.ts';
import type { Database, OutboxTable } from './schema.ts';

/**
 * Messages to chats. A row is `pending` (never sent), `sent`, `dirty` (sent, but something newer is to be shown)
 * or `dead`. Whoever makes something true writes its message in the same transaction; the outbox worker sends it.
 */

/** A message to be shown, or the newer state of one that is there. */
export interface NewMessage {
  /** Unique for ever. The same key again replaces what is shown. */
  readonly key: string;
  readonly route: Route;
  readonly reply: Reply;
  /** The event that this answers. */
  readonly answers?: string | undefined;
  /** No further message answers that event. */
  readonly final: boolean;
  readonly failed: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Written to `last_error` of a message whose edits are impossible; its last state goes out as a new message. */
const UNEDITABLE = 'uneditable';

/**
 * Inserts a message, or replaces what an existing one shows. States in between that were never sent are
 * skipped: only the newest is kept.
 */
export async function putMessage(trx: Kysely<Database>, message: NewMessage): Promise<void> {
  const { once: forget, ...shown } = message.reply;
  const reply = JSON.stringify(shown);
  const once = forget === undefined ? null : JSON.stringify(forget);
  const flags = { final: message.final ? 1 : 0, failed: message.failed ? 1 : 0 };
  const existing = await trx
    .selectFrom('outbox')
    .select(['state', 'reply', 'final', 'failed', 'answers', 'last_error'])
    .where('key', '=', message.key)
    .executeTakeFirst();
  if (!existing) {
    await trx
      .insertInto('outbox')
      .values({
        key: message.key,
        platform: message.route.platform,
        route: JSON.stringify(message.route),
        reply,
        answers: message.answers ?? null,
        ...flags,
        state: 'pending',
        ref: null,
        attempts: 0,
        next_at: message.now,
        created_at: message.now,
        updated_at: message.now,
        sent_at: null,
        last_error: null,
        once,
      })
      .execute();
    return;
  }
  const same = existing.reply === reply && existing.final === flags.final && existing.failed === flags.failed;
  if (same) return;
  const change = { reply, once, ...flags, answers: message.answers ?? existing.answers, updated_at: message.now };
  const again = existing.state === 'dead' && existing.last_error !== UNEDITABLE;
  await trx
    .updateTable('outbox')
    .set(
      existing.state === 'sent'
        ? { ...change, state: 'dirty', attempts: 0, next_at: message.now }
        : again
          ? { ...change, state: 'pending', attempts: 0, next_at: message.now }
          : change,
    )
    .where('key', '=', message.key)
    .execute();
}

/** What the worker needs to choose what to send next; without the bodies. */
export interface OpenMessage {
  readonly seq: number;
  readonly key: string;
  readonly platform: string;
  readonly route: Route;
  readonly state: 'pending' | 'dirty';
  readonly nextAt: number;
  readonly sentAt: number | null;
  readonly attempts: number;
}

/** Messages of a platform with something to send, oldest first. */
export async function openMessages(
  db: Kysely<Database>,
  platform: string,
  limit: number,
): Promise<readonly OpenMessage[]> {
  const rows = await db
    .selectFrom('outbox')
    .select(['seq', 'key', 'platform', 'route', 'state', 'next_at', 'sent_at', 'attempts'])
    .where('state', 'in', ['pending', 'dirty'])
    .where('platform', '=', platform)
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    seq: row.seq,
    key: row.key,
    platform: row.platform,
    route: JSON.parse(row.route) as Route,
    state: row.state === 'dirty' ? 'dirty' : 'pending',
    nextAt: row.next_at,
    sentAt: row.sent_at,
    attempts: row.attempts,
  }));
}

/** A message with its body, as it is to be shown now. */
export interface StoredMessage {
  readonly key: string;
  readonly route: Route;
  readonly reply: Reply;
  /** `reply` as stored: tells whether it was replaced while it was being sent. */
  readonly body: string;
  readonly answers: string | undefined;
  readonly final: boolean;
  readonly failed: boolean;
  readonly state: OutboxTable['state'];
  readonly ref: string | null;
  readonly attempts: number;
  /** When it was handed out first without anybody knowing what became of it. */
  readonly sendingSince: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** False after an edit was refused for good. */
  readonly editable: boolean;
}

export async function readMessage(db: Kysely<Database>, key: string): Promise<StoredMessage | undefined> {
  const row = await db.selectFrom('outbox').selectAll().where('key', '=', key).executeTakeFirst();
  if (!row) return undefined;
  return {
    key: row.key,
    route: JSON.parse(row.route) as Route,
    reply: JSON.parse(row.reply) as Reply,
    body: row.reply,
    answers: row.answers ?? undefined,
    final: row.final === 1,
    failed: row.failed === 1,
    state: row.state,
    ref: row.ref,
    attempts: row.attempts,
    sendingSince: row.sending_since,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    editable: row.last_error !== UNEDITABLE,
  };
}

/** Stores that a message was sent or edited. Where it was replaced meanwhile, it is dirty at once. */
export async function markSent(
  db: Kysely<Database>,
  message: StoredMessage,
  sent: { readonly ref: string; readonly now: number },
): Promise<void> {
  await db
    .updateTable('outbox')
    .set((row) => ({
      ref: sent.ref,
      sending_since: null,
      sent_at: sent.now,
      attempts: 0,
      next_at: sent.now,
      last_error: null,
      state: row
        .case()
        .when(
          row.and([
            row('reply', '=', message.body),
            row('final', '=', message.final ? 1 : 0),
            row('failed', '=', message.failed ? 1 : 0),
          ]),
        )
        .then('sent' as const)
        .else('dirty' as const)
        .end(),
    }))
    .where('key', '=', message.key)
    .execute();
}

/** Stores that a message is handed out for the first time. Whoever reads it later can't tell whether it arrived. */
export async function markSending(db: Kysely<Database>, key: string, now: number): Promise<void> {
  await db
    .updateTable('outbox')
    .set({ sending_since: now })
    .where('key', '=', key)
    .where('sending_since', 'is', null)
    .execute();
}

/** It was handed out and is known not to have arrived. */
export async function markNotSent(db: Kysely<Database>, key: string): Promise<void> {
  await db.updateTable('outbox').set({ sending_since: null }).where('key', '=', key).execute();
}

/** Stores that sending is to be tried again. */
export async function markRetry(
  db: Kysely<Database>,
  key: string,
  retry: { readonly attempts: number; readonly nextAt: number; readonly reason: string },
): Promise<void> {
  await db
    .updateTable('outbox')
    .set({ attempts: retry.attempts, next_at: retry.nextAt, last_error: retry.reason.slice(0, 500) })
    .where('key', '=', key)
    .execute();
}

/** Gives a message up, as it was handed out: one that was replaced meanwhile is another, and is tried; false then. */
export async function markDead(db: Kysely<Database>, { key, body }: StoredMessage, reason: string): Promise<boolean> {
  const result = await db
    .updateTable('outbox')
    .set({ state: 'dead', last_error: reason === UNEDITABLE ? 'unsendable' : reason.slice(0, 500) })
    .where('key', '=', key)
    .where('reply', '=', body)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Answers that could not be given in one chat. */
export interface LostAnswers {
  readonly chat: string;
  readonly times: number;
  /** Of the newest. */
  readonly reason: string;
  /** When the newest was written. */
  readonly at: number;
}

/** Final answers that were given up since, by chat, newest first; without chats in which something arrived after them. */
export async function lostAnswers(
  db: Kysely<Database>,
  platform: string,
  since: number,
): Promise<readonly LostAnswers[]> {
  const dead = await db
    .selectFrom('outbox')
    .select(['route', 'last_error', 'updated_at'])
    .where('platform', '=', platform)
    .where('state', '=', 'dead')
    .where('final', '=', 1)
    .where('answers', 'is not', null)
    .where('last_error', '!=', UNEDITABLE)
    .where('updated_at', '>=', since)
    .orderBy('seq', 'desc')
    .execute();
  if (dead.length === 0) return [];
  const sent = await db
    .selectFrom('outbox')
    .select(['route', 'sent_at'])
    .where('platform', '=', platform)
    .where('sent_at', '>=', since)
    .execute();
  const chatOf = (route: string) => (JSON.parse(route) as Route).chat;
  const arrived = new Map<string, number>();
  for (const { route, sent_at } of sent)
    arrived.set(chatOf(route), Math.max(sent_at ?? 0, arrived.get(chatOf(route)) ?? 0));
  const lost = new Map<string, LostAnswers>();
  for (const { route, last_error, updated_at: at } of dead) {
    const chat = chatOf(route);
    if (at <= (arrived.get(chat) ?? 0)) continue;
    const newer = lost.get(chat);
    lost.set(chat, newer ? { ...newer, times: newer.times + 1 } : { chat, times: 1, reason: last_error ?? '', at });
  }
  return [...lost.values()];
}

/**
 * An edit is impossible. A last state goes out as a new message, once (its key is derived from the old one);
 * a state in between is not shown.
 */
export async function markUneditable(db: Kysely<Database>, message: StoredMessage, now: number): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom('outbox')
      .select(['reply', 'final', 'failed', 'answers', 'once'])
      .where('key', '=', message.key)
      .executeTakeFirst();
    if (!row) return;
    const final = row.final === 1;
    await trx
      .updateTable('outbox')
      .set({ state: final ? 'dead' : 'sent', last_error: UNEDITABLE, attempts: 0 })
      .where('key', '=', message.key)
      .execute();
    if (!final) return;
    const once = row.once === null ? {} : { once: JSON.parse(row.once) as ShownOnce };
    await putMessage(trx, {
      key: `${message.key}/again`,
      route: message.route,
      reply: { ...(JSON.parse(row.reply) as Reply), ...once },
      answers: row.answers ?? undefined,
      final: true,
      failed: row.failed === 1,
      now,
    });
  });
}

/** Forgets messages that were sent or given up before `before`, and gives up those that nobody has read since. */
export async function pruneMessages(db: Kysely<Database>, before: number): Promise<void> {
  await db.deleteFrom('outbox').where('state', 'in', ['sent', 'dead']).where('updated_at', '<', before).execute();
  await db
    .updateTable('outbox')
    .set({ state: 'dead', last_error: 'nobody read it in time' })
    .where('state', 'in', ['pending', 'dirty'])
    .where('updated_at', '<', before)
    .execute();
}

/** Messages that answer an event and were sent, as they are shown now; oldest first. */
export async function sentAnswers(db: Kysely<Database>, platform: string, eventId: string): Promise<StoredMessage[]> {
  const rows = await db
    .selectFrom('outbox')
    .select('key')
    .where('platform', '=', platform)
    .where('answers', '=', eventId)
    .where('state', 'in', ['sent', 'dirty'])
    .orderBy('seq')
    .execute();
  const messages = await Promise.all(rows.map(({ key }) => readMessage(db, key)));
  return messages.filter((message) => message !== undefined);
}
