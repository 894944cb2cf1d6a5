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
    /** The admin's account, `telegram:123`; absent for the terminal. */
    readonly account?: string | undefined;
    readonly at: number;
  },
): Promise<void> {
  const { platform, chat, direct } = seen.route;
  const route = JSON.stringify({ platform, chat, ...(direct ? { direct } : {}) });
  if (seen.account !== undefined) await noteAccount(db, { platform, chat, account: seen.account });
  const before = await db
    .selectFrom('admin_chats')
    .select(['language', 'seen_at', 'route'])
    .where('platform', '=', platform)
    .where('chat', '=', chat)
    .executeTakeFirst();
  const language = seen.language ?? before?.language ?? null;
  if (before && before.language === language && before.route === route && seen.at - before.seen_at < SEEN_MS) return;
  const now = { language, seen_at: seen.at, route };
  await db
    .insertInto('admin_chats')
    .values({ platform, chat, ...now })
    .onConflict((conflict) => conflict.columns(['platform', 'chat']).doUpdateSet(now))
    .execute();
}

async function noteAccount(
  db: Kysely<Database>,
  row: { readonly platform: string; readonly chat: string; readonly account: string },
): Promise<void> {
  await db
    .insertInto('admin_chat_accounts')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Accounts are no admin's any more: chats in which no other one has given a command get no news from now on. */
export async function forgetAdmin(trx: Kysely<Database>, accounts: readonly string[]): Promise<void> {
  const theirs = await trx.selectFrom('admin_chat_accounts').selectAll().where('account', 'in', accounts).execute();
  await trx.deleteFrom('admin_chat_accounts').where('account', 'in', accounts).execute();
  for (const { platform, chat } of theirs) {
    const others = trx
      .selectFrom('admin_chat_accounts')
      .select('account')
      .where('platform', '=', platform)
      .where('chat', '=', chat);
    if ((await others.executeTakeFirst()) !== undefined) continue;
    await trx.deleteFrom('admin_chats').where('platform', '=', platform).where('chat', '=', chat).execute();
  }
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
