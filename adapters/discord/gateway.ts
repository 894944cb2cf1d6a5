// discord.js has its own, older classes under these two names, and hands out the others as they are.
import { WebSocketShard, WebSocketShardEvents } from '@discordjs/ws';
import { WebSocketShardDestroyRecovery, WebSocketShardStatus } from 'discord.js';
import type { PlatformDeps } from '../../src/chat/contract.ts';
import { pause } from '../../src/chat/pause.ts';
import { type Api, failureOf } from './api.ts';
import { guardShard } from './guard.ts';
import { GatewayBotSchema, ReadySchema } from './payloads.ts';
import type { Relay } from './relay.ts';
import type { Session } from './session.ts';

/**
 * The gateway through the library's shard, and what that lacks: a pause that grows between tries (it dials each half
 * second for ever), an end where the platform refuses for good (it stays alive and deaf), a deadline until it is ready,
 * a session that outlives the process. Invariants: after `stop`, or a fatal code, it dials no more; nothing that the
 * library throws leaves this file.
 */

/** Topics, Opcodes and Status Codes, "Gateway Close Event Codes": what no reconnection mends. */
export const FATAL_CODES: Readonly<Record<number, string>> = {
  4004: 'authentication failed',
  4010: 'invalid shard',
  4011: 'sharding required',
  4012: 'invalid API version',
  4013: 'invalid intents',
  4014: 'disallowed intents',
};

/** Guilds, messages in guilds, direct messages: none is privileged. Mentions carry their text without more. */
export const INTENTS = (1 << 0) | (1 << 9) | (1 << 12);

const HANDSHAKE_MS = 10_000;
const HELLO_MS = 15_000;
/** From dialling to ready; longer than the two above, which the library watches itself. */
const READY_MS = 45_000;
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 2 * 60_000;
/** A session whose address can't be reached so often is given up for a new one. */
const RESUME_TRIES = 4;
/** Connected for so long, the next failure counts as the first. */
const STEADY_MS = 60_000;
const CLOSE_MS = 2_000;

export type GatewayState =
  | { readonly state: 'connected' }
  /** `since` the connection was lost, or before the first. */
  | { readonly state: 'connecting'; readonly reason: string | undefined }
  | { readonly state: 'refused'; readonly code: number; readonly reason: string };

export interface GatewayEvent {
  readonly sequence: number;
  readonly type: string;
  readonly data: unknown;
}

export interface Gateway {
  start(): void;
  stop(): Promise<void>;
}

export interface GatewayDeps {
  readonly api: Api;
  readonly token: string;
  readonly session: Session;
  /** Behind a proxy. */
  readonly relay: Relay | undefined;
  readonly clock: PlatformDeps['clock'];
  readonly random: () => number;
  readonly log: PlatformDeps['log'];
  readonly onState: (state: GatewayState) => void;
  readonly onEvent: (event: GatewayEvent) => void;
}

export function createGateway(deps: GatewayDeps): Gateway {
  const { api, session, clock, log } = deps;
  const stopping = new AbortController();
  /** Dials since it was connected steadily. */
  let tries = 0;
  let readyAt: number | undefined;
  let greeted = false;
  /** The library's next question comes before a dial. */
  let dialling = true;
  let reason: string | undefined;
  let fatal = false;
  let watchdog: NodeJS.Timeout | undefined;
  let url = '';
  const over = () => fatal || stopping.signal.aborted;
  const address = (given: string) => deps.relay?.address(given) ?? given;

  const shard = new WebSocketShard(
    {
      options: {
        intents: INTENTS,
        token: deps.token,
        version: '10',
        encoding: 'json' as never,
        compression: null,
        identifyProperties: { browser: 'fettle', device: 'fettle', os: process.platform },
        initialPresence: null,
        largeThreshold: null,
        shardCount: 1,
        handshakeTimeout: HANDSHAKE_MS,
        helloTimeout: HELLO_MS,
        readyTimeout: HELLO_MS,
        get gatewayInformation() {
          return { url: address(url) } as never;
        },
      },
      // Asked before each dial, and for each event: before a dial the library waits as long as this does.
      retrieveSessionInfo() {
        if (!dialling || shard.status !== WebSocketShardStatus.Idle) return session.info();
        dialling = false;
        return beforeDial();
      },
      updateSessionInfo(_, given) {
        // What was never greeted was not refused: the session may still be resumed.
        if (given === null && (over() || (!greeted && tries <= RESUME_TRIES))) return;
        const before = session.info();
        const same = before && given && before.sessionId === given.sessionId;
        session.update(same ? { ...before, sequence: given.sequence } : given);
      },
      waitForIdentify: async () => undefined,
    },
    0,
  );

  guardShard(shard, (error) => {
    reason = String(error).slice(0, 200);
    log('discord_gateway_error', { reason });
    if (!over()) void drop();
  });

  async function beforeDial() {
    for (;;) {
      clearTimeout(watchdog);
      if (over()) return never();
      await pause(waitMs(), stopping.signal);
      if (over()) return never();
      tries += 1;
      if (!session.info() || url === '') {
        const found = await askGateway();
        if (over()) return never();
        if (!found && !session.info()) continue;
      }
      greeted = false;
      watchdog = setTimeout(() => {
        reason = 'no answer in time';
        void drop();
      }, READY_MS);
      watchdog.unref();
      const kept = session.info();
      return kept && { ...kept, resumeURL: address(kept.resumeURL) };
    }
  }

  function waitMs(): number {
    if (tries === 0) return 0;
    const longest = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries - 1, 12));
    return longest * (0.5 + deps.random() / 2);
  }

  /** Where to dial. The library asks only once; the address may change, and the token may be revoked. */
  async function askGateway(): Promise<boolean> {
    try {
      const found = GatewayBotSchema.parse(await api.rest.get('/gateway/bot', { signal: stopping.signal }));
      url = found.url;
      const { remaining, reset_after } = found.session_start_limit;
      // Whoever identifies more often than a thousand times a day has its token reset.
      if (remaining > 0 || session.info()) return true;
      tell('the day’s connections are used up');
      await pause(Math.min(reset_after, 60 * 60_000), stopping.signal);
      return false;
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === 'unauthorized') end(4004, failure.reason);
      else {
        tell(failure.reason);
        if (failure.kind === 'limited') await pause(failure.afterMs, stopping.signal);
      }
      return false;
    }
  }

  function tell(why: string | undefined): void {
    reason = why ?? reason;
    if (!over()) deps.onState({ state: 'connecting', reason });
  }

  function end(code: number, why: string): void {
    if (over()) return;
    fatal = true;
    clearTimeout(watchdog);
    deps.onState({ state: 'refused', code, reason: why });
  }

  /** Makes the connection anew; the session goes on where it can. */
  async function drop(): Promise<void> {
    const { Resume } = WebSocketShardDestroyRecovery;
    await shard.destroy({ code: 4200, recover: Resume, reason: 'made anew' }).catch(() => undefined);
  }

  function onReady(): void {
    clearTimeout(watchdog);
    readyAt = clock.monotonic();
    reason = undefined;
    deps.onState({ state: 'connected' });
    void session.save();
  }

  shard.on(WebSocketShardEvents.Hello, () => {
    greeted = true;
  });
  shard.on(WebSocketShardEvents.Ready, ({ data }) => {
    const parsed = ReadySchema.safeParse(data);
    if (!parsed.success) return;
    const { user, application } = parsed.data;
    session.identify({ bot: { id: user.id, username: user.username }, application: application.id });
    onReady();
  });
  shard.on(WebSocketShardEvents.Resumed, onReady);
  shard.on(WebSocketShardEvents.Error, ({ error }) => {
    reason = String(error?.message ?? error).slice(0, 200);
    log('discord_gateway_error', { reason });
  });
  shard.on(WebSocketShardEvents.Closed, ({ code }) => {
    clearTimeout(watchdog);
    dialling = true;
    const known = FATAL_CODES[code];
    if (known !== undefined) return end(code, `${code} ${known}`);
    // One that ends again and again right after it was ready is no better than one that never is.
    if (readyAt !== undefined && clock.monotonic() - readyAt >= STEADY_MS) tries = 0;
    readyAt = undefined;
    if (code === 4200) return tell(reason);
    const other = code === 1006 || code === 1005 ? undefined : `closed with ${code}`;
    tell(other ?? deps.relay?.problem() ?? reason ?? 'the connection was lost');
  });
  shard.on(WebSocketShardEvents.Dispatch, ({ data }) => {
    if (!stopping.signal.aborted) deps.onEvent({ sequence: data.s, type: data.t, data: data.d });
  });

  return {
    start() {
      // Settles only with the first connection; until then the events above tell more.
      shard.connect().catch(() => undefined);
    },
    async stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      clearTimeout(watchdog);
      // The library forgets a connection that is still being made, with nobody to hear its error, which would end the
      // process; and it waits for a silent peer.
      const { connection } = shard as unknown as { connection: import('ws').WebSocket | null };
      connection?.on('error', () => undefined);
      const late = setTimeout(() => connection?.terminate(), CLOSE_MS);
      if (connection?.readyState === 0) connection.terminate();
      // Not 1000: that would end the session, which the next start resumes.
      await shard.destroy({ code: 4200, reason: 'stopping' }).catch(() => undefined);
      clearTimeout(late);
      await session.save();
    },
  };
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
