import type { Entity, Marked } from './markup.ts';
import { badRequest, Refusal } from './refusal.ts';

/**
 * The chats of one bot, and what is in them. A supergroup counts its messages itself; private chats and basic groups
 * share one count (the bot's own box), so that in one of them the ids have holes
 * (core.telegram.org/bots/api#message: "Unique message identifier inside this chat"; core.telegram.org/api/updates).
 */

export interface Person {
  readonly id: number;
  readonly name: string;
  readonly username: string;
}

export interface InlineButton {
  readonly text: string;
  readonly callback_data: string;
  readonly style?: string | undefined;
}

export interface StoredMessage {
  readonly id: number;
  readonly chat: Chat;
  readonly thread: number | undefined;
  /** `undefined`: the bot. */
  readonly from: Person | undefined;
  readonly replyTo: number | undefined;
  readonly createdAt: number;
  readonly silent: boolean;
  text: string;
  entities: readonly Entity[];
  buttons: readonly (readonly InlineButton[])[];
  earlier: string[];
  editedAt: number | undefined;
}

export interface Chat {
  readonly id: number;
  readonly type: 'private' | 'group' | 'supergroup';
  readonly title: string;
  readonly person: Person | undefined;
  readonly forum: boolean;
  readonly topics: Set<number>;
  readonly messages: Map<number, StoredMessage>;
  /** How the bot stands there. */
  bot: 'member' | 'kicked' | 'blocked' | 'unknown';
  movedTo: number | undefined;
  nextId(): number;
}

export interface Chats {
  readonly all: Map<number, Chat>;
  add(chat: Pick<Chat, 'id' | 'type' | 'title' | 'person' | 'forum' | 'bot'>): Chat;
  /** @throws {Refusal} where the bot may not write there */
  writable(id: unknown): Chat;
  /** A message of any kind; the id is the next one. */
  put(chat: Chat, message: Partial<StoredMessage> & Marked): StoredMessage;
  /** The bot's messages, oldest first. */
  ofBot(): readonly StoredMessage[];
}

export function createChats(now: () => number): Chats {
  const all = new Map<number, Chat>();
  const box = counter(40);
  /** The bot's messages in the order in which they were sent. */
  const sent: StoredMessage[] = [];

  return {
    all,
    add(given) {
      const nextId = given.type === 'supergroup' ? counter(0) : box;
      const chat: Chat = { ...given, topics: new Set(), messages: new Map(), movedTo: undefined, nextId };
      all.set(chat.id, chat);
      return chat;
    },
    writable(id) {
      const chat = all.get(Number(id));
      if (!chat || (typeof id !== 'number' && typeof id !== 'string')) throw badRequest('chat not found');
      if (chat.movedTo !== undefined) {
        throw new Refusal(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
          migrate_to_chat_id: chat.movedTo,
        });
      }
      const kind = chat.type === 'private' ? 'user' : `${chat.type} chat`;
      if (chat.bot === 'blocked') throw new Refusal(403, 'Forbidden: bot was blocked by the user');
      if (chat.bot === 'kicked') throw new Refusal(403, `Forbidden: bot was kicked from the ${kind}`);
      if (chat.bot === 'unknown' && chat.type === 'private') {
        throw new Refusal(403, "Forbidden: bot can't initiate conversation with a user");
      }
      if (chat.bot === 'unknown') throw new Refusal(403, `Forbidden: bot is not a member of the ${kind}`);
      return chat;
    },
    put(chat, given) {
      const message: StoredMessage = {
        id: chat.nextId(),
        chat,
        thread: given.thread,
        from: given.from,
        replyTo: given.replyTo,
        createdAt: now(),
        silent: given.silent ?? false,
        text: given.text,
        entities: given.entities,
        buttons: given.buttons ?? [],
        earlier: [],
        editedAt: undefined,
      };
      chat.messages.set(message.id, message);
      if (!message.from) sent.push(message);
      return message;
    },
    ofBot: () => sent.filter(({ chat, id }) => chat.messages.has(id)),
  };
}

function counter(start: number): () => number {
  let last = start;
  return () => {
    last += 1;
    return last;
  };
}

/** A chat as updates and answers have it (#chat). */
export function chatJson(chat: Chat): Record<string, unknown> {
  if (chat.person) return { id: chat.id, type: 'private', ...personJson(chat.person), is_bot: undefined };
  return { id: chat.id, type: chat.type, title: chat.title, ...(chat.forum ? { is_forum: true } : {}) };
}

/** A person (#user). */
export function personJson(person: Person, language?: string): Record<string, unknown> {
  return {
    id: person.id,
    is_bot: false,
    first_name: person.name,
    username: person.username,
    ...(language ? { language_code: language } : {}),
  };
}
