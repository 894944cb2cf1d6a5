import type { ChatPlatform, Fault, Place, SeenMessage } from '../chat-platform.ts';
import { until } from '../until.ts';
import { type Chat, createChats, type Person, personJson, type StoredMessage } from './chats.ts';
import { detect, type Entity, type Marked } from './markup.ts';
import { type Commands, createMethods, messageJson } from './methods.ts';
import { startHttpServer } from './server.ts';
import { createUpdates, type EventFault } from './updates.ts';

/** Telegram on this machine: one bot, three people, a group, and a direct chat for each of them. */

export interface TelegramOptions {
  /** A group with topics: the bot's threads. */
  readonly forum?: boolean | undefined;
  /** A small group, which shares its ids with the private chats. */
  readonly basicGroup?: boolean | undefined;
}

/** What only Telegram has. */
export interface TelegramPlatform extends ChatPlatform {
  readonly platform: 'telegram';
  readonly token: string;
  readonly bot: { readonly id: number; readonly username: string };
  readonly url: string;
  /** The id of a place. */
  chatId(place: Place, person?: string): string;
  /** A person types exactly this: no mention is added, commands and mentions are found as a client finds them. */
  say(
    text: string,
    from?: {
      readonly person?: string;
      readonly place?: Place;
      readonly topic?: number;
      readonly replyTo?: SeenMessage;
      readonly locale?: string;
      readonly entities?: readonly Entity[];
      /** More of the message, such as `sender_chat`. */
      readonly extra?: Readonly<Record<string, unknown>>;
    },
  ): string;
  /** A press with data that no button of the message carries. */
  forge(message: SeenMessage, data: string, person?: string): string;
  /** An update as it is. */
  raw(kind: string, body: unknown): string;
  /** People talk, and the bot is not told (privacy mode): ids are used. */
  chatter(count: number, place?: Place): void;
  /** A message of the same bot that Fettle does not know of. */
  foreign(text: string, place?: Place): string;
  addTopic(): number;
  /** The bot is put out of the group, or blocked. */
  expel(place: Place, person?: string): void;
  /** And let in again. */
  invite(place: Place, person?: string): void;
  /** The group becomes a supergroup with another id. */
  migrate(): string;
  rival(on: boolean): void;
  webhook(address: string): void;
  limitSends(perMinute: number): void;
  limitProbes(count: number): void;
  /** The next polls are taken and never answered, as on a connection that died without a word. */
  silence(times: number): void;
  refuseMarkup(on: boolean): void;
  /** So many registrations of commands are answered 500. */
  refuseMenus(times: number): void;
  registered(): readonly Commands[];
  /** Presses (by event) that were answered. */
  pressAnswered(eventId: string): boolean;
  /** The bot's messages as they are, with entities and buttons. */
  stored(): readonly StoredMessage[];
}

const PEOPLE: readonly Person[] = [
  { id: 700_001_001, name: 'Anna', username: 'anna_admin' },
  { id: 700_001_002, name: 'Ben', username: 'ben_builds' },
  { id: 700_001_003, name: 'Eve', username: 'eve_else' },
];
const GROUP = -1_001_700_000_001;

export async function startTelegram(options: TelegramOptions = {}): Promise<TelegramPlatform> {
  const now = () => Date.now();
  const bot = { id: 612_345_678, username: 'fettle_test_bot', name: 'Fettle' };
  let token = `${bot.id}:${'local-test'.padEnd(35, '-')}`;
  const given = token;
  const lines: string[] = [];
  const note = (line: string) => void lines.push(line);
  const updates = createUpdates(now);
  const chats = createChats(now);
  const methods = createMethods({ bot, chats, updates, now, note });
  const server = await startHttpServer({ methods, updates, now, token: () => token });
  const eventFaults: { fault: EventFault; left: number }[] = [];
  const queries = new Map<string, string>();
  let queryId = 4_100_000_000_000;

  let group = chats.add({
    id: options.basicGroup ? -4_001 : GROUP,
    type: options.basicGroup ? 'group' : 'supergroup',
    title: 'group',
    person: undefined,
    forum: options.forum ?? false,
    bot: 'member',
  });
  for (const person of PEOPLE) {
    chats.add({ id: person.id, type: 'private', title: person.name, person, forum: false, bot: 'unknown' });
  }

  const personOf = (id: string | undefined): Person => {
    const found = PEOPLE.find((person) => String(person.id) === (id ?? String(PEOPLE[0]?.id)));
    if (!found) throw new Error(`nobody is ${id}`);
    return found;
  };
  const chatOf = (place: Place, person: Person): Chat => {
    const chat = place === 'group' ? group : chats.all.get(person.id);
    if (!chat) throw new Error('no such chat');
    return chat;
  };
  function takeEventFault(): EventFault | undefined {
    const found = eventFaults.find(({ left }) => left > 0);
    if (found) found.left -= 1;
    return found?.fault;
  }

  function put(
    chat: Chat,
    person: Person,
    marked: Marked,
    more: { topic?: number | undefined; replyTo?: number | undefined },
  ) {
    if (chat.type === 'private') chat.bot = 'member';
    return chats.put(chat, { ...marked, from: person, thread: more.topic, replyTo: more.replyTo });
  }

  const say: TelegramPlatform['say'] = (text, from = {}) => {
    const person = personOf(from.person);
    const chat = chatOf(from.place ?? 'group', person);
    const replyTo = from.replyTo && Number(from.replyTo.id.split('/')[1]);
    const entities = from.entities ?? detect(text);
    const message = put(chat, person, { text, entities }, { topic: from.topic, replyTo });
    note(`${person.name} → ${chat.title}${from.topic === undefined ? '' : ` (topic ${from.topic})`}: ${text}`);
    return updates.add(
      'message',
      { ...messageJson(message, bot, from.locale ?? 'en'), ...from.extra },
      takeEventFault(),
    );
  };

  function pressed(message: SeenMessage, data: string, who: string | undefined): string {
    const person = personOf(who);
    const [chatId, id] = message.id.split('/');
    const stored = chats.all.get(Number(chatId))?.messages.get(Number(id));
    queryId += 1;
    const query = String(queryId);
    methods.expectAnswer(query);
    note(`${person.name} presses [${stored?.buttons.flat().find((one) => one.callback_data === data)?.text ?? data}]`);
    // What was deleted or is too old is told by its place alone (#inaccessiblemessage).
    const shown = stored
      ? messageJson(stored, bot)
      : {
          chat: { id: Number(chatId), type: group.id === Number(chatId) ? group.type : 'private' },
          message_id: Number(id),
          date: 0,
        };
    const event = updates.add(
      'callback_query',
      { id: query, from: personJson(person, 'en'), message: shown, chat_instance: '-1', data },
      takeEventFault(),
    );
    queries.set(event, query);
    return event;
  }

  /** The bot's place in a chat has changed (#chatmemberupdated). */
  function standing(place: Place, person: string | undefined, before: string, after: string): void {
    const who = personOf(person);
    const chat = chatOf(place, who);
    const user = { id: bot.id, is_bot: true, first_name: bot.name, username: bot.username };
    updates.add(
      'my_chat_member',
      {
        chat: { id: chat.id, type: chat.type, title: chat.title },
        from: personJson(who),
        date: Math.floor(now() / 1_000),
        old_chat_member: { user, status: before },
        new_chat_member: { user, status: after, ...(after === 'kicked' ? { until_date: 0 } : {}) },
      },
      undefined,
    );
  }

  function seen(message: StoredMessage): SeenMessage {
    const { chat, text, entities } = message;
    const place = chat.type === 'private' ? 'direct' : 'group';
    const title = entities.find((one) => one.type === 'bold' && !text.slice(0, one.offset).includes('\n'));
    // The sign before a title says how it stands; the title is what is written strongly.
    const shown = title ? text.slice(title.offset) : text;
    return {
      id: `${chat.id}/${message.id}`,
      place,
      person: chat.person && String(chat.person.id),
      chat: String(chat.id),
      thread: message.thread === undefined ? undefined : String(message.thread),
      answers: message.replyTo === undefined ? undefined : `${chat.id}/${message.replyTo}`,
      text: shown,
      title: title ? text.slice(title.offset, title.offset + title.length) : (text.split('\n')[0] ?? ''),
      buttons: message.buttons.flat().map((button) => ({ label: button.text, value: button.callback_data })),
      earlier: message.earlier,
      createdAt: message.createdAt,
      editedAt: message.editedAt,
    };
  }

  return {
    platform: 'telegram',
    people: { anna: String(PEOPLE[0]?.id), ben: String(PEOPLE[1]?.id), eve: String(PEOPLE[2]?.id) },
    config: { api: server.url },
    environment: { FETTLE_TELEGRAM_TOKEN: given },
    token: given,
    bot,
    url: server.url,
    chatId: (place, person) => String(chatOf(place, personOf(person)).id),
    async connected() {
      await until('the poll of the bot', () => updates.polls() > 0);
    },
    connections: () => updates.polls(),
    async type(text, from = {}) {
      const place = from.place ?? 'group';
      const command = /^\/\w+/.exec(text)?.[0];
      const addressed =
        place === 'direct'
          ? text
          : command
            ? `${command}@${bot.username}${text.slice(command.length)}`
            : `@${bot.username} ${text}`;
      const locale = from.locale === 'zh' ? 'zh-hans' : 'en';
      return say(addressed, { place, locale, ...(from.person === undefined ? {} : { person: from.person }) });
    },
    say,
    press: async (message, button, person) => pressed(message, button.value, person),
    forge: pressed,
    raw: (kind, body) => updates.add(kind, body, takeEventFault()),
    repeat: async (eventId) => updates.repeat(eventId),
    acknowledgedAfter: (eventId) => updates.acknowledgedAfter(eventId),
    messages: () => chats.ofBot().map(seen),
    stored: () => chats.ofBot(),
    remove(messageId) {
      const [chat, id] = messageId.split('/');
      chats.all.get(Number(chat))?.messages.delete(Number(id));
    },
    chatter(count, place = 'group') {
      const [, ben] = PEOPLE;
      if (!ben) return;
      for (let i = 0; i < count; i += 1) put(chatOf(place, ben), ben, { text: `talk ${i}`, entities: [] }, {});
    },
    foreign(text, place = 'group') {
      const message = chats.put(chatOf(place, personOf(undefined)), { text, entities: [] });
      return seen(message).id;
    },
    addTopic() {
      const topic = group.nextId();
      group.topics.add(topic);
      return topic;
    },
    expel(place, person) {
      const chat = chatOf(place, personOf(person));
      chat.bot = chat.type === 'private' ? 'blocked' : 'kicked';
      standing(place, person, 'member', 'kicked');
    },
    invite(place, person) {
      chatOf(place, personOf(person)).bot = 'member';
      standing(place, person, 'kicked', 'member');
    },
    migrate() {
      const old = group;
      group = chats.add({ ...old, id: GROUP - 1, type: 'supergroup' });
      old.movedTo = group.id;
      return String(group.id);
    },
    rival: (on) => updates.rival(on),
    webhook: (address) => updates.webhook(address),
    limitSends: (perMinute) => server.limitSends(perMinute),
    silence: (times) => server.silence(times),
    limitProbes: (count) => server.limitProbes(count),
    refuseMenus: (times) => server.refuseMenus(times),
    refuseMarkup: (on) => methods.refuseMarkup(on),
    registered: () => methods.registered(),
    pressAnswered: (eventId) => methods.answered().has(queries.get(eventId) ?? ''),
    calls: () => server.calls,
    fault(fault: Fault) {
      if (fault.on !== 'event') return server.fault(fault);
      const ms = fault.do === 'delay' ? fault.ms : undefined;
      const times = fault.do === 'reorder' ? 1 : (fault.times ?? 1);
      eventFaults.push({ fault: { do: fault.do, ms }, left: times });
    },
    disconnect: () => server.disconnect(),
    revoke() {
      token = `${bot.id}:${'another'.padEnd(35, '-')}`;
      server.disconnect();
    },
    transcript: () => lines.join('\n'),
    async close() {
      updates.close();
      await server.close();
    },
  };
}

export type { Commands } from './methods.ts';
