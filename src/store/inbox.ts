import type { Kysely } from 'kysely';
import type { Database } from './schema.ts';

/** Events of chats: stored once, worked on in the order in which they came, forgotten after a day. */

/** An event that has not been worked on. */
export interface InboxEvent {
  readonly platform: string;
  readonly eventId: string;
  /** `Request` as JSON. */
  readonly request: string;
}

/** Stores an event; false where it is there already. Durable once this resolves. */
export async function storeEvent(
  db: Kysely<Database>,
  event: InboxEvent & { readonly receivedAt: number },
): Promise<boolean> {
  const result = await db
    .insertInto('inbox')
    .values({
      platform: event.platform,
      event_id: event.eventId,
      received_at: event.receivedAt,
      request: event.request,
      done: 0,
    })
    .onConflict((conflict) => conflict.columns(['platform', 'event_id']).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Events that a restart interrupted, oldest first. */
export async function unfinishedEvents(db: Kysely<Database>): Promise<readonly InboxEvent[]> {
  const rows = await db
    .selectFrom('inbox')
    .select(['platform', 'event_id', 'request'])
    .where('done', '=', 0)
    .orderBy('received_at')
    .execute();
  return rows.map((row) => ({ platform: row.platform, eventId: row.event_id, request: row.request }));
}

/** The event that a platform told last, within a day. */
export async function newestEvent(
  db: Kysely<Database>,
  platform: string,
): Promise<{ readonly request: string; readonly receivedAt: number } | undefined> {
  const row = await db
    .selectFrom('inbox')
    .select(['request', 'received_at'])
    .where('platform', '=', platform)
    .orderBy('received_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && { request: row.request, receivedAt: row.received_at };
}

/** Marks an event as worked on, in the transaction that stores its answer. False where it was already. */
export async function finishEvent(trx: Kysely<Database>, platform: string, eventId: string): Promise<boolean> {
  const result = await trx
    .updateTable('inbox')
    .set({ done: 1 })
    .where('platform', '=', platform)
    .where('event_id', '=', eventId)
    .where('done', '=', 0)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Forgets an event at once: it came, and nothing came of it. */
export async function forgetEvent(db: Kysely<Database>, platform: string, eventId: string): Promise<void> {
  await db.deleteFrom('inbox').where('platform', '=', platform).where('event_id', '=', eventId).execute();
}

/** Forgets events that were worked on and came before `before`. */
export async function pruneEvents(db: Kysely<Database>, before: number): Promise<void> {
  await db.deleteFrom('inbox').where('done', '=', 1).where('received_at', '<', before).execute();
}
