import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { Call, ChatPlatform, People, Place } from '../chat-platform.ts';
import { until } from '../until.ts';
import { type ApiState, createApi, type Refusal, SCOPES, type Scope } from './api.ts';
import { mentionsOf } from './card.ts';
import { createConnections, type Told } from './events.ts';
import { createFaults } from './faults.ts';
import { type Chat, createMessages } from './messages.ts';

/**
 * Feishu on this machine, for the unmodified SDK: tokens, messages and cards over HTTP, events over the long
 * connection. Written from open.feishu.cn's pages (named where they are used) and from what
 * `@larksuiteoapi/node-sdk` 1.74 sends and reads.
 */

export interface FeishuPlatform extends ChatPlatform {
  readonly platform: 'feishu';
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly appId: string;
  readonly secret: string;
  /** Somebody writes without calling the bot (`none`), or calls everybody, or another person; or writes rich text. */
  say(
    text: string,
    options: {
      readonly person?: string;
      readonly place?: Place;
      readonly mention?: 'bot' | 'none' | 'all' | 'other';
      readonly post?: boolean;
      readonly thread?: string;
      /** `image`, `sticker`: nothing that a bot reads. */
      readonly kind?: string;
    },
  ): Promise<string>;
  /** Somebody chooses an entry of the bot's menu. */
  menu(key: string, person?: string): Promise<string>;
  /** A press on a button whose value is this; the message may be gone. */
  pressRaw(
    value: unknown,
    options?: { readonly person?: string; readonly message?: string; readonly chat?: string },
  ): Promise<string>;
  /** Any event, as the envelope has it. */
  tell(type: string, event: Readonly<Record<string, unknown>>): Promise<string>;
  told(eventId: string): Told | undefined;
  /** Events that were not acknowledged within 3 s. */
  late(): number;
  refuse(refusal: Refusal): void;
  /** What the endpoint of the long connection says from now on; `undefined`: an address. */
  endpoint(answer: ApiState['endpoint']): void;
  expireTokens(): void;
  /** Seconds that tokens live. */
  tokenLifetime(seconds: number): void;
  tokensGiven(): number;
  silence(on: boolean): void;
  fragment(parts: number): void;
  nonsense(): void;
  /** The bot is taken out of the group, or comes back. */
  member(on: boolean): void;
  withdraw(scope: Scope): void;
  /** The app is disabled (1) or enabled (2). */
  activate(status: number): void;
  /** Whether 5 a second are kept; they are. */
  limits(on: boolean): void;
  /** `<at …>` that cards of the bot carry: there should be none. */
  mentions(): readonly string[];
  /** Lets the platform's clock run ahead. Milliseconds. */
  advance(ms: number): void;
  /** A new secret counts, and no connection is cut: what was reset in the console. */
  revokeQuietly(): void;
}

export interface FeishuOptions {
  /** Seconds, as the platform tells them. */
  readonly pingInterval?: number;
  /** After how long what was not acknowledged is told again. 15 s at the platform. */
  readonly repeatMs?: number;
  readonly appId?: string;
  readonly secret?: string;
  readonly limits?: boolean;
}

const hex = (text: string) => createHash('sha256').update(text).digest('hex');

export async function startFeishu(options: FeishuOptions = {}): Promise<FeishuPlatform> {
  let ahead = 0;
  const now = () => Date.now() + ahead;
  let counter = 0;
  const newId = (prefix: string) => `${prefix}${hex(`${prefix}${counter++}`).slice(0, 32)}`;
  const person = (name: string) => `ou_${hex(name).slice(0, 32)}`;
  const people: People = { anna: person('anna'), ben: person('ben'), eve: person('eve') };
  const bot = { openId: person('bot'), name: 'Fettle' };
  const group: Chat = { id: `oc_${hex('group').slice(0, 32)}`, place: 'group', member: true };
  const chats: readonly Chat[] = [
    group,
    ...Object.values(people).map(
      (one: string): Chat => ({ id: `oc_${hex(one).slice(0, 32)}`, place: 'direct', person: one, member: true }),
    ),
  ];
  const calls: Call[] = [];
  const said: string[] = [];
  const note = (line: string) => void said.push(`${new Date(now()).toISOString().slice(11, 23)} ${line}`);
  const record = (call: Call) => void calls.push(call);
  const clientConfig = () => ({
    PingInterval: options.pingInterval ?? 120,
    ReconnectCount: -1,
    ReconnectInterval: 120,
    ReconnectNonce: 30,
  });
  const state: ApiState = {
    appId: options.appId ?? `cli_${hex('app').slice(0, 16)}`,
    secret: options.secret ?? hex('secret').slice(0, 32),
    revoked: false,
    tokenLifetime: 7_200,
    activateStatus: 2,
    scopes: new Set(SCOPES),
    bot,
    names: new Map([
      [people.anna, 'Anna'],
      [people.ben, 'Ben'],
      [people.eve, 'Eve'],
    ]),
    endpoint: undefined,
    socketUrl: '',
    refusals: [],
  };
  let limits = options.limits ?? true;
  const faults = createFaults();
  const messages = createMessages({ chats, appId: state.appId, now, newId, limits: () => limits, say: note });
  const api = createApi({ state, messages, faults, now, newId, clientConfig, record });
  const connections = createConnections({ now, faults, record, clientConfig, repeatMs: options.repeatMs ?? 15_000 });
  /** Messages are known by their own id, and everything else by the event's. */
  const aliases = new Map<string, string>();

  const server = createServer((request, response) => {
    api.handle(request, response).catch(() => request.socket.destroy());
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const socketServer = new WebSocketServer({ server, path: '/ws' });
  socketServer.on('connection', (socket, request) => {
    const tickets = new URL(request.url ?? '/', 'http://127.0.0.1').searchParams;
    if (!tickets.get('ticket') || state.revoked) return socket.close();
    connections.attach(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  state.socketUrl = `ws://127.0.0.1:${port}/ws`;

  function tell(type: string, event: Readonly<Record<string, unknown>>, again = true): string {
    const id = newId('');
    const header = {
      event_id: id,
      event_type: type,
      create_time: String(now()),
      token: '',
      app_id: state.appId,
      tenant_key: 'tenant',
    };
    connections.tell({ id, body: { schema: '2.0', header, event }, again, toldAt: [], refusals: 0 });
    return id;
  }

  const idOf = (one: string) => ({ open_id: one, union_id: one.replace('ou_', 'on_'), user_id: one.slice(3, 11) });
  const chatOf = (place: Place, one: string) =>
    chats.find((chat) => (place === 'group' ? chat === group : chat.person === one)) ?? group;
  const say: FeishuPlatform['say'] = async (
    text,
    {
      person: who = people.anna,
      place = 'group',
      mention = place === 'group' ? 'bot' : 'none',
      post = false,
      thread,
      kind,
    },
  ) => {
    const chat = chatOf(place, who);
    note(`${nameOf(who)}: ${text}`);
    const key = '@_user_1';
    const written = { bot: `${key} ${text}`, other: `${key} ${text}`, all: `@_all ${text}`, none: text }[mention];
    const message = messages.said(chat, who, text, thread);
    const called = mention === 'bot' ? bot.openId : people.ben;
    const mentions =
      mention === 'bot' || mention === 'other'
        ? [
            {
              key,
              id: idOf(called),
              name: mention === 'bot' ? bot.name : 'Ben',
              mentioned_type: mention === 'bot' ? 'bot' : 'user',
              tenant_key: 'tenant',
            },
          ]
        : undefined;
    const at =
      mention === 'none'
        ? []
        : [{ tag: 'at', user_id: mention === 'all' ? '@_all' : key, user_name: bot.name, style: [] }];
    const content = kind
      ? { image_key: 'img_1' }
      : post
        ? { title: '', content: [[...at, { tag: 'text', text: ` ${text}`, style: ['bold'] }]] }
        : { text: written };
    const id = tell('im.message.receive_v1', {
      sender: { sender_id: idOf(who), sender_type: 'user', tenant_key: 'tenant' },
      message: {
        message_id: message.id,
        create_time: String(now()),
        update_time: String(now()),
        chat_id: chat.id,
        chat_type: place === 'group' ? 'group' : 'p2p',
        ...(thread ? { thread_id: thread } : {}),
        message_type: kind ?? (post ? 'post' : 'text'),
        content: JSON.stringify(content),
        ...(mentions ? { mentions } : {}),
        user_agent: 'Mozilla/5.0',
      },
    });
    aliases.set(message.id, id);
    return message.id;
  };

  const pressRaw: FeishuPlatform['pressRaw'] = async (value, given = {}) => {
    const who = given.person ?? people.anna;
    note(`${nameOf(who)} presses ${JSON.stringify(value)}`);
    return tell(
      'card.action.trigger',
      {
        operator: { tenant_key: 'tenant', ...idOf(who) },
        token: newId('c-'),
        action: { value, tag: 'button', timezone: 'Asia/Shanghai' },
        host: 'im_message',
        context: { open_message_id: given.message ?? newId('om_'), open_chat_id: given.chat ?? group.id },
      },
      false,
    );
  };
  const nameOf = (one: string) => state.names.get(one) ?? one;

  return {
    platform: 'feishu',
    people,
    url,
    appId: state.appId,
    secret: state.secret,
    config: { appId: state.appId, domain: url },
    environment: { FETTLE_FEISHU_SECRET: state.secret },
    async connected() {
      await until('a connection to Feishu that hears events', () => connections.count() > 0);
    },
    connections: () => connections.count(),
    type: (text, from = {}) =>
      say(text, { place: from.place ?? 'group', ...(from.person === undefined ? {} : { person: from.person }) }),
    say,
    async press(message, button, who = people.anna) {
      return pressRaw(JSON.parse(button.value), { person: who, message: message.id, chat: message.chat });
    },
    pressRaw,
    async menu(key, who = people.anna) {
      note(`${nameOf(who)} chooses ${key}`);
      const operator = { operator_name: nameOf(who), operator_id: idOf(who) };
      return tell('application.bot.menu_v6', { operator, event_key: key, timestamp: now() });
    },
    tell: async (type, event) => tell(type, event),
    told: (eventId) => connections.events.get(aliases.get(eventId) ?? eventId),
    async repeat(eventId) {
      connections.again(aliases.get(eventId) ?? eventId);
    },
    acknowledgedAfter(eventId) {
      const event = connections.events.get(aliases.get(eventId) ?? eventId);
      const [told] = event?.toldAt ?? [];
      if (told === undefined || event?.acknowledgedAt === undefined) return undefined;
      return event.acknowledgedAt - told;
    },
    late: () => connections.late(),
    messages: () => messages.seen(),
    remove: (messageId) => messages.remove(messageId),
    calls: () => calls,
    fault: (fault) => faults.add(fault),
    disconnect: () => connections.disconnect(),
    revoke() {
      state.revoked = true;
      connections.disconnect();
    },
    revokeQuietly() {
      state.revoked = true;
    },
    refuse(refusal) {
      state.refusals.push({ ...refusal, left: refusal.times ?? 1 });
    },
    endpoint(answer) {
      state.endpoint = answer;
    },
    expireTokens: () => api.expireTokens(),
    tokenLifetime(seconds) {
      state.tokenLifetime = seconds;
    },
    tokensGiven: () => api.tokensGiven(),
    silence: (on) => connections.silence(on),
    fragment: (parts) => connections.fragment(parts),
    nonsense: () => connections.nonsense(),
    member(on) {
      group.member = on;
      if (!on)
        tell('im.chat.member.bot.deleted_v1', { chat_id: group.id, operator_id: idOf(people.eve), name: 'group' });
    },
    withdraw: (scope) => void state.scopes.delete(scope),
    activate(status) {
      state.activateStatus = status;
    },
    limits(on) {
      limits = on;
    },
    mentions: () => messages.all.flatMap(({ card }) => (card ? mentionsOf(card) : [])),
    advance(ms) {
      ahead += ms;
    },
    transcript: () => said.join('\n'),
    async close() {
      connections.close();
      socketServer.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
