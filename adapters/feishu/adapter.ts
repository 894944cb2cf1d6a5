import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { EventDispatcher, LoggerLevel } from '@larksuiteoapi/node-sdk';
import type { z } from 'zod';
import type { Adapter, Connection, Delivery, Outgoing, PlatformDeps, Request, Sink } from '../../src/chat/contract.ts';
import { pause } from '../../src/chat/pause.ts';
import { type Api, createApi } from './api.ts';
import { type ButtonValue, bareCard, type Carry, renderCard } from './card.ts';
import { buttonValue, MenuEvent, MessageEvent, menuText, PressEvent, textFor } from './events.ts';
import { type FeishuFailure, failureOf } from './failure.ts';
import { createLanes } from './lanes.ts';
import { createLink, type Link, type LinkState, type Problem, problemOf } from './link.ts';
import { createNames } from './names.ts';
import { createPace } from './pace.ts';
import { createQuietLogger, domainOf, type FeishuSettings, malformed } from './settings.ts';
import { wayTo } from './way.ts';

/**
 * Feishu and Lark. Events come over the long connection and are acknowledged when they are stored; messages are cards.
 * A direct chat's route is the person (`ou_…`), whatever the event was: so the menu, which knows no chat, and the
 * buttons, which don't say what kind of chat it is, are answered in the same one.
 */

const FEISHU = 'feishu';

/** How long the hub's start waits for the first connection. */
const START_MS = 2_000;
/** "5 changes a second of one message"; people read more slowly. */
const EDIT_INTERVAL_MS = 1_000;
/** A request with a uuid shows one message for an hour ("Send message", `uuid`); a margin for what is on its way. */
const UUID_MS = 55 * 60_000;
/** The platform's clock and ours differ. */
const SKEW_MS = 5_000;
/** A message that would wait longer for its place goes back to the outbox. */
const MAX_PACE_MS = 20_000;
/** What a person has to allow first is tried again after this. */
const PERMISSION_MS = 60_000;
const RATE_MS = 1_000;
/** A button's command that is longer travels under a short name. */
const MAX_COMMAND = 300;

export function createAdapter(settings: FeishuSettings, deps: PlatformDeps): Adapter {
  const { clock, log } = deps;
  const stopping = new AbortController();
  // Each message that waits or is on its way listens.
  setMaxListeners(0, stopping.signal);
  const domain = domainOf(settings.api);
  const way = wayTo(domain, settings.proxy, deps.environment);
  const logger = createQuietLogger(log, settings.token);
  const api: Api = createApi({ ...settings, secret: settings.token, domain, way, signal: stopping.signal, logger });
  const pace = createPace();
  const lanes = createLanes();
  const names = createNames(api, log);
  let sink: Sink | undefined;
  let link: Link | undefined;
  let bot = '';
  /** The person of a direct chat, by the chat's id. */
  const direct = new Map<string, string>();
  let connection: Connection = { state: 'stopped', since: clock.now() };
  /** Connected, and something is not allowed: shown until it is. */
  let denied: Problem | undefined;

  function setState(state: Connection['state'], problem?: Problem): void {
    const before = connection;
    if (before.state === state && before.problem?.code === problem?.code) return;
    const reason = typeof problem?.data.reason === 'string' ? problem.data.reason : problem?.code;
    connection = {
      state,
      since: before.state === state ? before.since : clock.now(),
      ...(reason === undefined ? {} : { lastError: reason }),
      ...(problem === undefined ? {} : { problem }),
    };
    log('feishu_connection', { state, ...(problem === undefined ? {} : { problem: problem.code, reason }) });
    sink?.connectionChanged();
  }

  function onLink(state: LinkState): void {
    if (connection.state === 'stopped' || connection.state === 'failed') return;
    const again = state.state === 'connected' && connection.state !== 'connected';
    setState(state.state, state.state === 'connected' ? denied : state.problem);
    if (again) sink?.deliverable();
  }

  async function personOf(chat: string): Promise<string | undefined> {
    const known = direct.get(chat) ?? (await sink?.memory.get(`direct:${chat}`));
    if (known !== undefined) direct.set(chat, known);
    return known;
  }

  async function rememberDirect(chat: string, person: string): Promise<void> {
    if (direct.get(chat) === person) return;
    if ((await sink?.memory.get(`direct:${chat}`)) !== person) {
      await sink?.memory.set(`direct:${chat}`, person);
      await sink?.memory.set(`chat:${person}`, chat);
    }
    direct.set(chat, person);
  }

  async function take(request: Request): Promise<void> {
    if (!sink || stopping.signal.aborted) throw new Error('stopped');
    const personName = request.personName ?? (await names.of(request.person));
    await sink.accept({ ...request, ...(personName === undefined ? {} : { personName }) });
  }

  async function onMessage(event: MessageEvent): Promise<void> {
    const { sender, message } = event;
    const text = textFor(bot, event);
    if (text === undefined || sender.sender_type !== 'user') return;
    const person = sender.sender_id.open_id;
    const alone = message.chat_type === 'p2p';
    if (alone) await rememberDirect(message.chat_id, person);
    await take({
      route: {
        platform: FEISHU,
        chat: alone ? person : message.chat_id,
        ...(message.thread_id === undefined ? {} : { thread: message.thread_id }),
        message: message.message_id,
      },
      // "Use message_id to recognise what is told twice, not event_id" ("Receive message").
      eventId: message.message_id,
      at: message.create_time,
      person,
      direct: alone,
      text,
    });
  }

  async function onPress(event: PressEvent): Promise<Record<string, never>> {
    const { open_chat_id: chat, open_message_id: message } = event.context;
    const person = event.operator.open_id;
    const alone = (await personOf(chat)) === person;
    const value = buttonValue(event.action.value);
    const command = value && ('command' in value ? value.command : await sink?.expand(value.name));
    await take({
      route: { platform: FEISHU, chat: alone ? person : chat, ...(message === undefined ? {} : { message }) },
      eventId: event.event_id,
      at: event.create_time,
      person,
      direct: alone,
      text: command ?? '',
      ...(command === undefined ? { unknownButton: true } : {}),
    });
    return {};
  }

  async function onMenu(event: MenuEvent): Promise<void> {
    const { operator_id, operator_name: personName } = event.operator;
    const person = operator_id.open_id;
    await take({
      // The menu is in the direct chat alone.
      route: { platform: FEISHU, chat: person },
      eventId: event.event_id,
      at: event.create_time,
      person,
      ...(personName === undefined ? {} : { personName }),
      direct: true,
      text: menuText(event.event_key, deps.commands),
    });
  }

  /** What is not understood is acknowledged, and said in the log: told again it would be no clearer. */
  function handler<T>(
    name: string,
    schema: z.ZodType<T>,
    laneOf: (event: T) => string,
    run: (event: T) => Promise<unknown>,
  ) {
    return async (data: unknown): Promise<unknown> => {
      const parsed = schema.safeParse(data);
      if (!parsed.success) {
        log('feishu_event_not_understood', { event: name, at: parsed.error.issues[0]?.path.join('.') });
        return {};
      }
      try {
        return await lanes.run(laneOf(parsed.data), () => run(parsed.data));
      } catch (error) {
        // Not acknowledged: it is told again.
        log('feishu_event_not_stored', { event: name, error: error instanceof Error ? error.message : 'unknown' });
        throw new Error('not stored');
      }
    };
  }

  function dispatcher(): EventDispatcher {
    const ignored = async () => ({});
    return new EventDispatcher({ logger, loggerLevel: LoggerLevel.error }).register({
      'im.message.receive_v1': handler('message', MessageEvent, ({ message }) => message.chat_id, onMessage),
      'card.action.trigger': handler('press', PressEvent, ({ context }) => context.open_chat_id, onPress),
      'application.bot.menu_v6': handler('menu', MenuEvent, ({ operator }) => operator.operator_id.open_id, onMenu),
      'im.chat.member.bot.deleted_v1': async (data: { chat_id?: unknown }) => {
        log('feishu_removed_from_chat', { chat: typeof data.chat_id === 'string' ? data.chat_id : '' });
        return {};
      },
      // Comes with the usual subscriptions, and says nothing to us.
      'im.chat.access_event.bot_p2p_chat_entered_v1': ignored,
      'im.chat.member.bot.added_v1': ignored,
      'im.message.message_read_v1': ignored,
    } as Parameters<EventDispatcher['register']>[0]);
  }

  /** Long commands are kept by the core first, since rendering waits for nothing. */
  async function carryFor(message: Outgoing): Promise<Carry> {
    const kept = sink;
    const values = new Map<string, ButtonValue>();
    for (const { command } of message.reply.buttons ?? []) {
      const long = command.length > MAX_COMMAND;
      values.set(command, long && kept ? { name: await kept.shorten(command) } : { command });
    }
    return ({ command }) => values.get(command) ?? { command };
  }

  /** Before anything is sent: is there somebody to send it to? */
  function closed(): Delivery | undefined {
    if (connection.state === 'failed') return { result: 'unattended' };
    if (sink && !stopping.signal.aborted) return undefined;
    return { result: 'retry', afterMs: 1_000, reason: 'stopped', notSent: true };
  }

  async function send(message: Outgoing): Promise<Delivery> {
    const no = closed();
    if (no) return no;
    try {
      const before = await findSent(message);
      if (before !== undefined) return { result: 'sent', ref: before };
      const wait = pace.take(message.route.chat, clock.monotonic());
      if (wait > MAX_PACE_MS) return { result: 'retry', afterMs: wait, reason: 'too many at once', notSent: true };
      if (wait > 0) await pause(wait, stopping.signal);
      const carry = await carryFor(message);
      const sent = await attempts(message, carry, async (card) => post(message, card));
      if (sent.chat !== undefined && message.route.chat.startsWith('ou_')) {
        await rememberDirect(sent.chat, message.route.chat);
      }
      allowed();
      return { result: 'sent', ref: sent.id };
    } catch (error) {
      return deliveryOf(failureOf(error));
    }
  }

  async function edit(ref: string, message: Outgoing): Promise<Delivery> {
    const no = closed();
    if (no) return no;
    try {
      const carry = await carryFor(message);
      await attempts(message, carry, (card) => api.patch(ref, card));
      allowed();
      return { result: 'sent', ref };
    } catch (error) {
      return deliveryOf(failureOf(error));
    }
  }

  /** A card that is refused for what is in it is sent once more with little in it: an answer is better than none. */
  async function attempts<T>(message: Outgoing, carry: Carry, put: (card: string) => Promise<T>): Promise<T> {
    try {
      return await put(renderCard(message.reply, carry));
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind !== 'content') throw failure;
      log('feishu_card_refused', { key: message.key, reason: failure.message });
      return put(bareCard(message.reply, carry));
    }
  }

  async function post({ key, route }: Outgoing, card: string) {
    const posting = { card, uuid: uuidOf(key) };
    if (route.message === undefined) return api.create(route.chat, posting);
    try {
      return await api.reply(route.message, route.thread !== undefined, posting);
    } catch (error) {
      const failure = failureOf(error);
      // What was asked is deleted; who asked is still there.
      if (failure.kind !== 'gone' && failure.code !== INVALID_PARAMETER) throw failure;
      return api.create(route.chat, posting);
    }
  }

  /** The message of this key, where it may have been sent longer ago than the platform remembers keys. */
  async function findSent({ maybeSent, route, reply }: Outgoing): Promise<string | undefined> {
    if (maybeSent === undefined || clock.now() - maybeSent.since < UUID_MS) return undefined;
    const chat = route.chat.startsWith('ou_') ? await sink?.memory.get(`chat:${route.chat}`) : route.chat;
    if (chat === undefined) return undefined;
    try {
      const since = maybeSent.since - SKEW_MS;
      const found = (await api.history(chat, since)).find(
        ({ fromUs, parent, at, title }) =>
          fromUs && at >= since && parent === route.message && (title === undefined || title === reply.title),
      );
      return found?.id;
    } catch (error) {
      const failure = failureOf(error);
      // Not allowed to look: twice is better than never.
      if (failure.kind === 'permission' || failure.kind === 'chat') return undefined;
      throw failure;
    }
  }

  function allowed(): void {
    if (denied === undefined) return;
    denied = undefined;
    if (connection.state === 'connected') setState('connected');
  }

  function deliveryOf(failure: FeishuFailure): Delivery {
    const reason = failure.message;
    switch (failure.kind) {
      case 'gone':
      case 'chat':
      case 'content':
        return { result: 'impossible', reason };
      case 'rate':
        return { result: 'retry', afterMs: failure.afterMs ?? RATE_MS, reason, notSent: true };
      case 'unreached':
        return { result: 'retry', afterMs: 0, reason, notSent: true };
      case 'permission':
        denied = problemOf(failure, way.proxy);
        if (connection.state === 'connected') setState('connected', denied);
        return { result: 'retry', afterMs: PERMISSION_MS, reason, notSent: true };
      case 'token':
        // A new one was refused as well: the platform has yet to hear of it.
        return { result: 'retry', afterMs: RATE_MS, reason, notSent: true };
      case 'credentials':
        if (stopping.signal.aborted) return { result: 'retry', afterMs: 0, reason: 'stopped' };
        link?.fail(problemOf(failure, way.proxy));
        return { result: 'unattended' };
      case 'trouble':
      case 'strange':
        return { result: 'retry', afterMs: failure.afterMs ?? 0, reason };
    }
  }

  return {
    platform: FEISHU,
    capabilities: {
      edit: true,
      buttons: true,
      threads: true,
      slash: false,
      ephemeral: false,
      completion: false,
      maxLength: 9_000,
      editIntervalMs: Math.max(settings.editIntervalMs ?? 0, EDIT_INTERVAL_MS),
    },
    async start(given) {
      sink = given;
      const wrong = malformed(settings);
      if (wrong) return setState('failed', wrong);
      setState('connecting');
      link = createLink({
        ...settings,
        secret: settings.token,
        domain,
        way,
        api,
        dispatcher: dispatcher(),
        logger,
        clock,
        random: deps.random,
        onChange: onLink,
        onBot: ({ openId }) => {
          bot = openId;
        },
      });
      await Promise.race([link.start(), pause(START_MS, stopping.signal)]);
    },
    async stop() {
      if (connection.state === 'stopped') return;
      setState('stopped');
      link?.stop();
      stopping.abort();
      await lanes.idle();
      way.close();
    },
    send,
    edit,
    connection: () => connection,
  };
}

const INVALID_PARAMETER = 230001;

/** 43 of the 50 characters that there may be; the same key has the same one for ever. */
const uuidOf = (key: string): string => createHash('sha256').update(key).digest('base64url');
