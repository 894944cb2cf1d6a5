import type { Adapter, Connection, PlatformDeps, Request, Sink } from '../../src/chat/contract.ts';
import { proxyFor } from '../proxy.ts';
import { createClient, type TelegramClient } from './client.ts';
import { type CommandReader, createReader } from './commands.ts';
import { createDeliveries, type Deliveries } from './deliveries.ts';
import { type Event, type Me, PLATFORM, readEvent, type Update } from './events.ts';
import { failureOf, reasonOf } from './failure.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { registerMenu } from './menu.ts';
import { createPolling, type Polling, TIMINGS, type Timings, TOKEN, TOKEN_EXPECTED, TOKEN_SHAPE } from './polling.ts';
import { MAX_TEXT } from './render.ts';

/** What a hub's file says of Telegram, with the token. */
export interface TelegramSettings {
  readonly token: string;
  readonly proxy?: string | undefined;
  /** https://api.telegram.org unless given. */
  readonly api?: string | undefined;
  readonly editIntervalMs?: number | undefined;
}

export const API = 'https://api.telegram.org';

/** One message a second in a chat and twenty a minute in a group (https://core.telegram.org/bots/faq#broadcasting-to-users). */
const EDIT_INTERVAL_MS = 3_000;

interface Running {
  readonly client: TelegramClient;
  readonly polling: Polling;
  readonly deliveries: Deliveries;
}

export function createTelegramAdapter(
  settings: TelegramSettings,
  deps: PlatformDeps,
  timings: Timings = TIMINGS,
): Adapter {
  const { clock, log } = deps;
  const api = settings.api ?? API;
  const proxy = proxyFor(PLATFORM, api, settings.proxy, deps.environment);
  let running: Running | undefined;
  let stopped: Connection = { state: 'stopped', since: clock.now() };

  function begin(sink: Sink): Running {
    const client = createClient({ token: settings.token, apiRoot: api, proxy });
    const bot = settings.token.split(':')[0] ?? '';
    const ledger = createLedger(sink.memory, bot, (error) => log('telegram_ids_not_kept', { error: String(error) }));
    const handler = createHandler({
      sink,
      ledger,
      client,
      deps,
      timings,
      moved: (from, to) => deliveries.moved(from, to),
    });
    const polling = createPolling({
      client,
      clock,
      random: deps.random,
      log,
      timings,
      proxy: proxy?.shown,
      onMe: handler.met,
      onUpdate: handler.handle,
      onChange() {
        sink.connectionChanged();
        if (polling.connection().state === 'connected') sink.deliverable();
      },
    });
    const deliveries = createDeliveries({
      client,
      ledger,
      sink,
      clock,
      log,
      onRefused: (failure) => polling.refused(failure),
      callMs: timings.callMs,
      settleMs: timings.settleMs,
    });
    return { client, polling, deliveries };
  }

  const connection = () => running?.polling.connection() ?? stopped;

  return {
    platform: PLATFORM,
    capabilities: {
      edit: true,
      buttons: true,
      threads: true,
      slash: true,
      ephemeral: false,
      completion: false,
      maxLength: MAX_TEXT,
      editIntervalMs: Math.max(EDIT_INTERVAL_MS, settings.editIntervalMs ?? 0),
    },
    async start(sink) {
      if (!TOKEN_SHAPE.test(settings.token)) {
        const problem = { code: 'chat_credentials_malformed', data: { ...TOKEN, expected: TOKEN_EXPECTED } } as const;
        stopped = { state: 'failed', since: clock.now(), lastError: 'the token can not be right', problem };
        sink.connectionChanged();
        return;
      }
      running = begin(sink);
      running.polling.start();
    },
    async stop() {
      const ending = running;
      running = undefined;
      stopped = { state: 'stopped', since: clock.now() };
      await ending?.polling.stop();
      await ending?.client.close();
    },
    async send(message) {
      if (connection().state === 'failed') return { result: 'unattended' };
      if (!running) return { result: 'retry', afterMs: 1_000, reason: 'the adapter is stopped', notSent: true };
      return running.deliveries.send(message);
    },
    async edit(ref, message) {
      if (connection().state === 'failed') return { result: 'unattended' };
      if (!running) return { result: 'retry', afterMs: 1_000, reason: 'the adapter is stopped' };
      return running.deliveries.edit(ref, message);
    },
    connection,
  };
}

interface HandlerDeps {
  readonly sink: Sink;
  readonly ledger: Ledger;
  readonly client: TelegramClient;
  readonly deps: PlatformDeps;
  readonly timings: Timings;
  readonly moved: (from: string, to: string) => Promise<void>;
}

/** What is done with what Telegram tells. */
function createHandler({ sink, ledger, client, deps, timings, moved }: HandlerDeps) {
  const { log } = deps;
  let me: Me | undefined;
  let reader: CommandReader | undefined;

  async function handle(update: Update): Promise<void> {
    if (!me || !reader) throw new Error('an event before the bot is known');
    const event = readEvent(update, me, reader);
    switch (event.kind) {
      case 'request':
        ledger.saw(event.request.route.chat, event.messageId);
        await sink.accept(event.request);
        return;
      case 'press':
        await sink.accept(await pressed(event));
        // Without an answer the button goes on turning; stored first, so that no press is lost.
        return acknowledge(event.queryId);
      case 'stray-press':
        return acknowledge(event.queryId);
      case 'moved':
        return moved(event.from, event.to);
      case 'standing':
        log('telegram_standing', { chat: event.chat, status: event.status });
        return;
      case 'nothing':
        return;
    }
  }

  async function pressed({ request, button }: Extract<Event, { kind: 'press' }>): Promise<Request> {
    const text =
      button.kind === 'command' ? button.command : button.kind === 'name' ? await sink.expand(button.name) : undefined;
    return text === undefined ? { ...request, unknownButton: true } : { ...request, text };
  }

  /** Nothing waits for it; that a press is too old to be answered does no harm. */
  function acknowledge(queryId: string): void {
    const answering = client.api.raw.answerCallbackQuery({ callback_query_id: queryId }, client.within(timings.callMs));
    answering.catch((error: unknown) => log('telegram_press_not_answered', { reason: reasonOf(failureOf(error)) }));
  }

  return {
    handle,
    met(found: Me): void {
      me = found;
      reader = createReader(deps.commands, found.username);
      void registerMenu({ client, memory: sink.memory, bot: found.id, deps, timings });
    },
  };
}
