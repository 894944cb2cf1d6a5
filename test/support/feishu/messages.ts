import type { Place, SeenMessage } from '../chat-platform.ts';
import { buttonsOf, type Card, readCard, textOf } from './card.ts';

/**
 * The messages of all chats, and what the platform says to sending, answering and changing them. Codes are those of the
 * pages "Send message", "Reply to message" and "Update sent card" (open.feishu.cn, im/v1/message).
 */

/** "Requests with one uuid succeed once in an hour for one target." */
const UUID_MS = 60 * 60_000;
/** "Cards can be changed for 14 days." */
const EDITABLE_MS = 14 * 24 * 60 * 60_000;
/** "30 KB for a card's request body, 150 KB for a text's." */
const CARD_BYTES = 30 * 1024;
/** "5 messages a second to one user, and to one group"; "5 a second to one patched message". */
const PER_SECOND = 5;

export interface Chat {
  readonly id: string;
  readonly place: Place;
  /** Of a direct chat. */
  readonly person?: string | undefined;
  /** The bot is in it. */
  member: boolean;
}

export interface Message {
  readonly id: string;
  readonly chat: Chat;
  readonly parent?: string | undefined;
  readonly root?: string | undefined;
  readonly thread?: string | undefined;
  /** Absent: the bot. */
  readonly person?: string | undefined;
  readonly createdAt: number;
  /** What a person wrote. */
  readonly said?: string | undefined;
  card?: Card | undefined;
  editedAt?: number | undefined;
  removed: boolean;
  readonly earlier: string[];
  readonly edits: number[];
}

/** An answer of the API: HTTP status, `code`, `msg` and `data`. */
export interface Answer {
  readonly status: number;
  readonly code: number;
  readonly msg: string;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

const refuse = (code: number, msg: string, status = 400): Answer => ({ status, code, msg });

export interface Messages {
  readonly all: readonly Message[];
  readonly chats: readonly Chat[];
  said(chat: Chat, person: string, text: string, thread?: string, parent?: string): Message;
  create(query: URLSearchParams, body: Readonly<Record<string, unknown>>): Answer;
  reply(id: string, body: Readonly<Record<string, unknown>>): Answer;
  patch(id: string, body: Readonly<Record<string, unknown>>): Answer;
  list(query: URLSearchParams): Answer;
  remove(id: string): void;
  seen(): readonly SeenMessage[];
}

export interface MessagesDeps {
  readonly chats: readonly Chat[];
  readonly appId: string;
  readonly now: () => number;
  readonly newId: (prefix: string) => string;
  /** The limits of sending are kept; off where a test sends faster than people do. */
  readonly limits: () => boolean;
  /** A line of the transcript. */
  readonly say: (line: string) => void;
}

export function createMessages({ chats, appId, now, newId, limits, say }: MessagesDeps): Messages {
  const all: Message[] = [];
  const uuids = new Map<string, { readonly at: number; readonly message: Message }>();
  /** When something was sent into a chat, by its id. */
  const sentAt = new Map<string, number[]>();

  const byId = (id: string) => all.find((message) => message.id === id);

  function tooOften(times: number[]): boolean {
    const at = now();
    while (times.length > 0 && (times[0] ?? 0) <= at - 1_000) times.shift();
    if (limits() && times.length >= PER_SECOND) return true;
    times.push(at);
    return false;
  }

  function put(chat: Chat, body: Readonly<Record<string, unknown>>, parent?: Message): Answer {
    const known = new Set(['receive_id', 'msg_type', 'content', 'uuid', 'reply_in_thread']);
    const unknown = Object.keys(body).find((key) => !known.has(key));
    if (unknown) return refuse(99992402, `field validation failed: ${unknown}`);
    if (typeof body.content !== 'string') return refuse(230001, 'ext=content is not a string');
    const uuid = body.uuid;
    if (uuid !== undefined && (typeof uuid !== 'string' || uuid.length > 50)) {
      return refuse(99992402, 'field validation failed: the max len of uuid is 50');
    }
    if (!chat.member) return refuse(230002, 'The bot can not be outside the group.');
    const target = `${chat.id}\n${uuid}`;
    const before = uuids.get(target);
    if (uuid !== undefined && before && now() - before.at < UUID_MS) return sent(before.message);
    const size = Buffer.byteLength(JSON.stringify(body));
    if (body.msg_type !== 'interactive') return refuse(230001, 'ext=this server takes cards alone');
    if (size > CARD_BYTES) return refuse(230025, 'The length of the message content reaches its limit.');
    const read = readCard(body.content);
    if ('refused' in read) return refuse(230099, `Failed to create card content, ext=${read.refused}`);
    const times = sentAt.get(chat.id) ?? [];
    sentAt.set(chat.id, times);
    if (tooOften(times)) return refuse(230020, 'This operation triggers the frequency limit.');
    const thread = parent?.thread ?? (body.reply_in_thread === true ? newId('omt_') : undefined);
    const message: Message = {
      id: newId('om_'),
      chat,
      parent: parent?.id,
      root: parent ? (parent.root ?? parent.id) : undefined,
      thread,
      createdAt: now(),
      card: read.card,
      removed: false,
      earlier: [],
      edits: [],
    };
    all.push(message);
    say(`Fettle → ${placeOf(chat)}${parent ? ', as a reply' : ''}: ${shownText(read.card)}`);
    if (uuid !== undefined) uuids.set(target, { at: now(), message });
    return sent(message);
  }

  const sent = (message: Message): Answer => ({ status: 200, code: 0, msg: 'success', data: shownToApi(message) });

  function shownToApi(message: Message): Record<string, unknown> {
    return {
      message_id: message.id,
      root_id: message.root,
      parent_id: message.parent,
      thread_id: message.thread,
      msg_type: message.person ? 'text' : 'interactive',
      create_time: String(message.createdAt),
      update_time: String(message.editedAt ?? message.createdAt),
      deleted: message.removed,
      updated: message.editedAt !== undefined,
      chat_id: message.chat.id,
      sender: message.person
        ? { id: message.person, id_type: 'open_id', sender_type: 'user', tenant_key: 'tenant' }
        : { id: appId, id_type: 'app_id', sender_type: 'app', tenant_key: 'tenant' },
      // Cards are given back degraded: their title and words, not what was sent ("Get chat history").
      body: {
        content: message.card
          ? JSON.stringify({
              title: message.card.header.title.content,
              elements: [[{ tag: 'text', text: textOf(message.card) }]],
            })
          : JSON.stringify({ text: message.said ?? '' }),
      },
    };
  }

  return {
    all,
    chats,
    said(chat, person, text, thread, parent) {
      const message: Message = {
        id: newId('om_'),
        chat,
        person,
        said: text,
        thread,
        parent,
        root: parent,
        createdAt: now(),
        removed: false,
        earlier: [],
        edits: [],
      };
      all.push(message);
      return message;
    },
    create(query, body) {
      const type = query.get('receive_id_type');
      const id = body.receive_id;
      if (type !== 'chat_id' && type !== 'open_id') return refuse(99992402, 'field validation failed: receive_id_type');
      const chat = chats.find((one) =>
        type === 'chat_id' ? one.id === id : one.person !== undefined && one.person === id,
      );
      if (!chat) return refuse(230001, 'Your request contains an invalid request parameter, ext=invalid receive_id.');
      if ('reply_in_thread' in body) return refuse(99992402, 'field validation failed: reply_in_thread');
      return put(chat, body);
    },
    reply(id, body) {
      const parent = byId(id);
      if (!parent) return refuse(230001, 'Your request contains an invalid request parameter, ext=invalid message_id');
      if ('receive_id' in body) return refuse(99992402, 'field validation failed: receive_id');
      if (parent.removed) return refuse(230011, 'The message is recalled.');
      return put(parent.chat, body, parent);
    },
    patch(id, body) {
      const message = byId(id);
      if (!message) return refuse(230001, 'Your request contains an invalid request parameter, ext=invalid message_id');
      if (Object.keys(body).join() !== 'content' || typeof body.content !== 'string') {
        return refuse(99992402, 'field validation failed: content alone');
      }
      if (message.removed) return refuse(230011, 'The message is recalled.');
      if (!message.chat.member) return refuse(230002, 'The bot can not be outside the group.');
      if (!message.card)
        return refuse(230001, 'Your request contains an invalid request parameter, ext=message is not a card');
      if (now() - message.createdAt > EDITABLE_MS) {
        return refuse(230031, 'Message can only be modified within 14 days after sending.');
      }
      if (Buffer.byteLength(JSON.stringify(body)) > CARD_BYTES) {
        return refuse(230025, 'The length of the message content reaches its limit.');
      }
      const read = readCard(body.content);
      if ('refused' in read) return refuse(230099, `Failed to create card content, ext=${read.refused}`);
      if (tooOften(message.edits)) return refuse(230020, 'This operation triggers the frequency limit.');
      message.earlier.push(textOf(message.card));
      message.card = read.card;
      message.editedAt = now();
      say(`Fettle edits in ${placeOf(message.chat)}: ${shownText(read.card)}`);
      return { status: 200, code: 0, msg: 'success', data: {} };
    },
    list(query) {
      const chat = chats.find(({ id }) => id === query.get('container_id'));
      if (query.get('container_id_type') !== 'chat' || !chat) return refuse(230001, 'ext=invalid container_id');
      if (!chat.member) return refuse(230002, 'The bot can not be outside the group.');
      const size = Number(query.get('page_size') ?? 20);
      if (!(size >= 1 && size <= 50)) return refuse(99992402, 'field validation failed: page_size');
      const from = Number(query.get('start_time') ?? 0) * 1_000;
      const found = all.filter((message) => message.chat === chat && message.createdAt >= from);
      const newest = query.get('sort_type') === 'ByCreateTimeDesc';
      const ordered = newest ? found.toReversed() : found;
      const at = Number(query.get('page_token') ?? 0);
      const items = ordered.slice(at, at + size).map(shownToApi);
      const more = at + size < ordered.length;
      return {
        status: 200,
        code: 0,
        msg: 'success',
        data: { items, has_more: more, ...(more ? { page_token: String(at + size) } : {}) },
      };
    },
    remove(id) {
      const message = byId(id);
      if (message) message.removed = true;
    },
    seen: () =>
      all.flatMap((message): SeenMessage[] => {
        if (!message.card || message.removed) return [];
        const { card, chat } = message;
        return [
          {
            id: message.id,
            place: chat.place,
            person: chat.person,
            chat: chat.id,
            thread: message.thread,
            answers: message.parent,
            text: textOf(card),
            title: card.header.title.content,
            buttons: buttonsOf(card),
            earlier: message.earlier,
            createdAt: message.createdAt,
            editedAt: message.editedAt,
          },
        ];
      }),
  };
}

const placeOf = ({ place }: Chat) => (place === 'group' ? 'the group' : 'a direct chat');
const shownText = (card: Card) => textOf(card).replaceAll('\n', '\n  ');
