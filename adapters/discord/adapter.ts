import type { Adapter, Connection, Delivery, Outgoing, PlatformDeps, Sink } from '../../src/chat/contract.ts';
import { proxyFor } from '../proxy.ts';
import { createApi, type Failure, STANDARD_API } from './api.ts';
import { createDeliveries, type Deliveries } from './delivery.ts';
import { createEvents } from './events.ts';
import { createGateway, type Gateway, type GatewayState } from './gateway.ts';
import { createRegistration } from './registration.ts';
import { type Relay, startRelay } from './relay.ts';
import { PLATFORM } from './requests.ts';
import { createSession, type Session } from './session.ts';
import { looksLikeToken, PORTAL, tokenMark } from './token.ts';

/** Discord, behind the contract. A platform that refuses for good is `failed`, and is left alone until a restart. */

export interface DiscordSettings {
  readonly token: string;
  readonly api?: string | undefined;
  readonly proxy?: string | undefined;
  readonly guilds?: readonly string[] | undefined;
  readonly editIntervalMs?: number | undefined;
}

/** Five edits in five seconds are allowed in a channel; several cards may change at once. */
const EDIT_INTERVAL_MS = 1_500;
/** What a code with which the gateway closes for good means to people. */
const REFUSALS: Readonly<Record<number, Refusal>> = {
  4004: 'chat_credentials_refused',
  4013: 'chat_intents_missing',
  4014: 'chat_intents_missing',
};
type Refusal = 'chat_credentials_refused' | 'chat_intents_missing' | 'chat_refused';
const REGISTER_RETRY_MS = 10 * 60_000;

export function createAdapter(settings: DiscordSettings, deps: PlatformDeps): Adapter {
  const { clock, log } = deps;
  const stopping = new AbortController();
  const base = settings.api ?? STANDARD_API;
  const api = createApi({ token: settings.token, api: base, proxy: settings.proxy, environment: deps.environment });
  let connection: Connection = { state: 'stopped', since: clock.now() };
  let sink: Sink | undefined;
  let session: Session | undefined;
  let gateway: Gateway | undefined;
  let relay: Relay | undefined;
  let deliveries: Deliveries | undefined;
  let register: (() => void) | undefined;

  function show(next: Omit<Connection, 'since'>): void {
    if (connection.state === 'stopped' && stopping.signal.aborted) return;
    const same = connection.state === next.state && connection.lastError === next.lastError;
    if (same) return;
    const since = connection.state === next.state ? connection.since : clock.now();
    connection = { ...next, since };
    sink?.connectionChanged();
  }

  function refuse(code: Refusal, reason: string): void {
    const data = { platform: PLATFORM, what: 'token', where: PORTAL, reason };
    log('discord_refused', { code, reason });
    show({ state: 'failed', lastError: reason, problem: { code, data } });
  }

  function onState(state: GatewayState): void {
    if (state.state === 'refused') {
      refuse(REFUSALS[state.code] ?? 'chat_refused', state.reason);
      return;
    }
    if (connection.state === 'failed') return;
    if (state.state === 'connected') {
      show({ state: 'connected' });
      sink?.deliverable();
      register?.();
      return;
    }
    const { reason } = state;
    const data = {
      platform: PLATFORM,
      ...(reason === undefined ? {} : { reason }),
      ...(api.proxy === undefined ? {} : { proxy: api.proxy }),
    };
    show({ state: 'connecting', lastError: reason, problem: { code: 'chat_unreachable', data } });
  }

  function onFailure(failure: Failure, route: Outgoing['route']): void {
    if (failure.kind === 'unauthorized') refuse('chat_credentials_refused', failure.reason);
    if (failure.kind === 'refused') log('discord_refused', { chat: route.chat, reason: failure.reason });
  }

  /** Registers the commands now, and later again what could not be. */
  function registering(given: Sink, application: () => string | undefined): () => void {
    const { guilds } = settings;
    const registration = createRegistration({ api, commands: deps.commands, guilds, memory: given.memory, log });
    let running = false;
    let timer: NodeJS.Timeout | undefined;
    stopping.signal.addEventListener('abort', () => clearTimeout(timer));
    const run = () => {
      const id = application();
      if (running || id === undefined || stopping.signal.aborted) return;
      running = true;
      clearTimeout(timer);
      registration
        .run(id, stopping.signal)
        .then((failures) => {
          for (const { place, failure } of failures) {
            log('discord_commands_failed', { place, reason: failure.reason });
            if (failure.kind === 'unauthorized') refuse('chat_credentials_refused', failure.reason);
          }
          return failures.length > 0;
        })
        .catch((error: unknown) => {
          log('discord_commands_failed', { reason: String(error).slice(0, 200) });
          return true;
        })
        .then((again) => {
          running = false;
          if (!again || stopping.signal.aborted) return;
          timer = setTimeout(run, REGISTER_RETRY_MS);
          timer.unref();
        });
    };
    return run;
  }

  async function deliver(work: (to: Deliveries) => Promise<Delivery>): Promise<Delivery> {
    if (connection.state === 'failed') return { result: 'unattended' };
    if (!deliveries || stopping.signal.aborted) {
      return { result: 'retry', afterMs: 1_000, reason: 'stopped', notSent: true };
    }
    return work(deliveries);
  }

  return {
    platform: PLATFORM,
    capabilities: {
      edit: true,
      buttons: true,
      threads: true,
      slash: true,
      ephemeral: false,
      completion: true,
      maxLength: 4_000,
      editIntervalMs: Math.max(EDIT_INTERVAL_MS, settings.editIntervalMs ?? 0),
    },
    async start(given) {
      sink = given;
      show({ state: 'connecting' });
      if (!looksLikeToken(settings.token)) {
        const data = {
          platform: PLATFORM,
          what: 'token',
          expected: 'three parts with dots between them',
          where: PORTAL,
        };
        return show({ state: 'failed', lastError: 'malformed', problem: { code: 'chat_credentials_malformed', data } });
      }
      const kept = createSession({
        mark: tokenMark(settings.token),
        memory: given.memory,
        onError: (error) => log('discord_session_failed', { reason: String(error).slice(0, 200) }),
      });
      session = kept;
      await kept.load();
      const { memory } = given;
      const identity = () => kept.identity;
      const shorten = (command: string) => given.shorten(command);
      deliveries = createDeliveries({ api, identity, memory, shorten, clock, log, onFailure });
      register = registering(given, () => kept.identity?.application);
      const far = settings.api ?? 'wss://gateway.discord.gg';
      const through = proxyFor(PLATFORM, far, settings.proxy, deps.environment);
      relay = through === undefined ? undefined : await startRelay(through.address);
      // Stopped meanwhile: nothing may be dialled after that.
      if (stopping.signal.aborted) return void (await relay?.close());
      const events = createEvents({
        api,
        sink: given,
        session: kept,
        commands: deps.commands,
        guilds: settings.guilds,
        clock,
        signal: stopping.signal,
        log,
        onGuild: () => register?.(),
      });
      gateway = createGateway({
        api,
        token: settings.token,
        session: kept,
        relay,
        clock,
        random: deps.random,
        log,
        onState,
        onEvent: events.take,
      });
      gateway.start();
    },
    async stop() {
      if (connection.state === 'stopped' && stopping.signal.aborted) return;
      stopping.abort();
      connection = { state: 'stopped', since: clock.now() };
      await gateway?.stop();
      await session?.save();
      await relay?.close();
      await api.close();
    },
    send: (message) => deliver((to) => to.send(message)),
    edit: (ref, message) => deliver((to) => to.edit(ref, message)),
    connection: () => connection,
  };
}
