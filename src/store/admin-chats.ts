import type { Kysely } from 'kysely';
import { LANGUAGES, type Language, type Route } from '../domain/reply.ts';
import type { Database } from './schema.ts';

/** The chats that news goes to: the terminal, and each one in which an admin has given a command. */

export interface AdminChat {
  /** Unique among chats, for the keys of messages. */
  readonly id: string;
  readonly route: Route;
  /** Of the last command there; `undefined` where it is not known. */
  readonly language: Language | undefined;
}

/** `seen_at` is only written anew after this: each command would cost a write otherwise. */
const SEEN_MS = 24 * 60 * 60_000;

/** Keeps a chat: news goes there from now on. What identifies a thread or a message in it is left out. */
export async function rememberAdminChat(
  db: Kysely<Database>,
  seen: {
    readonly route: Route;
    readonly language: Language | undefined;
    /** The admin, by the id of the person; absent for the terminal. */
    readonly person?: string | undefined;
    readonly at: number;
  },
): Promise<void> {
  const { platform, chat } = seen.route;
  if (seen.person !== undefined) await notePerson(db, { platform, chat, person: seen.person });
  const before = await db
    .selectFrom('admin_chats')
    .select(['language', 'seen_at'])
    .where('platform', '=', platform)
    .where('chat', '=', chat)
    .executeTakeFirst();
  const language = seen.language ?? before?.language ?? null;
  if (before && before.language === language && seen.at - before.seen_at < SEEN_MS) return;
  const now = { language, seen_at: seen.at };
  await db
    .insertInto('admin_chats')
    .values({ platform, chat, route: JSON.stringify({ platform, chat }), ...now })
    .onConflict((conflict) => conflict.columns(['platform', 'chat']).doUpdateSet(now))
    .execute();
}

async function notePerson(
  db: Kysely<Database>,
  row: { readonly platform: string; readonly chat: string; readonly person: string },
): Promise<void> {
  await db
    .insertInto('admin_chat_people')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Somebody is no admin any more: chats in which no other one has given a command get no news from now on. */
export async function forgetAdmin(trx: Kysely<Database>, person: string): Promise<void> {
  const theirs = await trx.selectFrom('admin_chat_people').selectAll().where('person', '=', person).execute();
  await trx.deleteFrom('admin_chat_people').where('person', '=', person).execute();
  for (const { platform, chat } of theirs) {
    const others = trx
      .selectFrom('admin_chat_people')
      .select('person')
      .where('platform', '=', platform)
      .where('chat', '=', chat);
    if ((await others.executeTakeFirst()) !== undefined) continue;
    await trx.deleteFrom('admin_chats').where('platform', '=', platform).where('chat', '=', chat).execute();
  }
}

/** Two people turned out to be one. */
export async function joinAdmins(trx: Kysely<Database>, from: string, to: string): Promise<void> {
  const rows = await trx.selectFrom('admin_chat_people').selectAll().where('person', '=', from).execute();
  for (const { platform, chat } of rows) await notePerson(trx, { platform, chat, person: to });
  await trx.deleteFrom('admin_chat_people').where('person', '=', from).execute();
}

/** All of them, always in the same order. */
export async function adminChats(db: Kysely<Database>): Promise<readonly AdminChat[]> {
  const rows = await db.selectFrom('admin_chats').selectAll().orderBy('platform').orderBy('chat').execute();
  return rows.map((row) => ({
    id: `${row.platform}:${row.chat}`,
    route: JSON.parse(row.route) as Route,
    language: LANGUAGES.find((known) => known === row.language),
  }));
}
