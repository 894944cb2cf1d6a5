import { type EventDispatcher, LoggerLevel, WSClient } from '@larksuiteoapi/node-sdk';
import type { ErrorCode, ErrorData } from '../../src/chat/contract.ts';
import { pause } from '../../src/chat/pause.ts';
import type { Api, Bot, QuietLogger } from './api.ts';
import { FeishuFailure, failureOf } from './failure.ts';
import { boundFragments } from './fragments.ts';
import type { Way } from './way.ts';

/**
 * The long connection, kept. The SDK's client makes one connection; from its first word of trouble on it is put away,
 * and another one made after a pause. Its own tries are 30 s to 120 s apart, stop for good at the first coded refusal, and
 * say nothing where the first one fails.
 */

/** A handshake that takes longer has failed. */
const HANDSHAKE_MS = 10_000;
/** The endpoint has 15 s in the SDK; more than both is a client that says nothing. */
const ATTEMPT_MS = 30_000;
/** A ping without an answer for so long is a dead connection. Seconds. The platform says how often: 120 s. */
const PONG_S = 10;
/** The SDK does not say that a first attempt failed: that it has planned another shows it. */
const LOOK_MS = 50;
/** 0.5 s, 1 s, 2 s … 60 s between attempts, with jitter. */
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 60_000;
/** Refusals that a person has to mend, and that may mend by themselves, are asked about this often. */
const SLOW_PAUSE_MS = 5 * 60_000;
/** A connection that held so long makes the next pause short again. */
const HELD_MS = 30_000;

/** "Long connection", codes of the endpoint (the SDK's `ErrorCode`). */
const BUSY = new Set([1, 1_000_040_343, 1_000_040_345]);
const TOO_MANY = 1_000_040_350;
/** The address is that of another brand: Lark's app at Feishu, or the other way. */
const WRONG_DOMAIN = 1_000_040_351;
const FORBIDDEN = 403;

export interface Problem {
  readonly code: ErrorCode;
  readonly data: ErrorData;
}

export interface LinkOptions {
  readonly appId: string;
  readonly secret: string;
  readonly domain: string;
  readonly way: Way;
  readonly api: Api;
  readonly dispatcher: EventDispatcher;
  readonly logger: QuietLogger;
  readonly clock: { now(): number; monotonic(): number };
  readonly random: () => number;
  /** Seconds; 10 unless given. */
  readonly pongS?: number | undefined;
  readonly onChange: (state: LinkState) => void;
  /** Asked before the first event is heard: mentions are known by it. */
  readonly onBot: (bot: Bot) => void;
}

export type LinkState =
  | { readonly state: 'connected' }
  | { readonly state: 'connecting'; readonly problem?: Problem | undefined }
  | { readonly state: 'failed'; readonly problem: Problem };

export interface Link {
  /** Resolves with the first attempt's end, whatever it was. */
  start(): Promise<void>;
  /** Something else has seen that the credentials are refused. */
  fail(problem: Problem): void;
  stop(): void;
}

export function createLink(options: LinkOptions): Link {
  const { api, clock } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let bot: Bot | undefined;

  function report(state: LinkState): void {
    if (!signal.aborted) options.onChange(state);
  }

  async function run(firstOver: () => void): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        if (!bot) {
          bot = await api.bot();
          options.onBot(bot);
        }
        const connection = await connect();
        const since = clock.monotonic();
        report({ state: 'connected' });
        firstOver();
        await connection.lost;
        connection.close();
        if (clock.monotonic() - since >= HELD_MS) failures = 0;
        waitMs = backoff(failures);
        report({ state: 'connecting' });
      } catch (error) {
        if (signal.aborted) break;
        const verdict = await judge(failureOf(error));
        if (signal.aborted) break;
        if (verdict.fatal) {
          fail(verdict.problem);
          break;
        }
        report({ state: 'connecting', problem: verdict.problem });
        waitMs = verdict.slow ? SLOW_PAUSE_MS * (0.5 + options.random() / 2) : backoff(failures);
      }
      failures += 1;
      firstOver();
      await pause(waitMs, signal);
    }
    firstOver();
  }

  const backoff = (failures: number): number =>
    Math.min(FIRST_PAUSE_MS * 2 ** Math.min(failures, 20), LAST_PAUSE_MS) * (0.5 + options.random() / 2);

  /** One client, one connection. */
  async function connect(): Promise<{ readonly lost: Promise<void>; close(): void }> {
    const lost = Promise.withResolvers<void>();
    const made = Promise.withResolvers<void>();
    // It may fail before anybody waits for it.
    made.promise.catch(() => undefined);
    signal.throwIfAborted();
    const client = new WSClient({
      appId: options.appId,
      appSecret: options.secret,
      domain: options.domain,
      httpInstance: api.http,
      ...(options.way.agent === undefined ? {} : { agent: options.way.agent }),
      logger: options.logger,
      loggerLevel: LoggerLevel.error,
      handshakeTimeoutMs: HANDSHAKE_MS,
      wsConfig: { pingTimeout: options.pongS ?? PONG_S },
      onReady: () => made.resolve(),
      onError: () => {
        made.reject(refusalOf('the connection was refused'));
        lost.resolve();
      },
      onReconnecting: () => lost.resolve(),
    });
    boundFragments(client);
    const close = () => client.close({ force: true });
    const late = setTimeout(() => made.reject(new FeishuFailure('trouble', 'no connection in time')), ATTEMPT_MS);
    const look = setInterval(() => {
      if (client.getConnectionStatus().nextConnectTime) made.reject(refusalOf('the connection was not made'));
    }, LOOK_MS);
    const onStop = () => {
      made.reject(new FeishuFailure('trouble', 'stopped'));
      lost.resolve();
      close();
    };
    signal.addEventListener('abort', onStop, { once: true });
    try {
      await client.start({ eventDispatcher: options.dispatcher });
      await made.promise;
    } catch (error) {
      signal.removeEventListener('abort', onStop);
      close();
      throw error;
    } finally {
      clearTimeout(late);
      clearInterval(look);
    }
    void lost.promise.then(() => signal.removeEventListener('abort', onStop));
    return { lost: lost.promise, close };
  }

  /** What the endpoint said, where it was the endpoint. */
  const refusalOf = (otherwise: string): FeishuFailure =>
    api.endpointRefusal() ?? new FeishuFailure('trouble', otherwise);

  type Verdict = { readonly problem: Problem; readonly fatal: boolean; readonly slow?: boolean };

  async function judge(failure: FeishuFailure): Promise<Verdict> {
    const { code, kind } = failure;
    if (code === undefined || BUSY.has(code) || kind === 'unreached' || kind === 'rate' || kind === 'trouble') {
      return { problem: unreachable(failure.message, options.way.proxy), fatal: false };
    }
    if (kind === 'permission') return { problem: problemOf(failure, options.way.proxy), fatal: true };
    if (code === TOO_MANY) {
      const data = { platform: 'feishu', reason: failure.message };
      return { problem: { code: 'chat_conflict', data }, fatal: false, slow: true };
    }
    if (code === WRONG_DOMAIN) return { problem: refused(`${failure.message}; is \`domain\` right?`), fatal: true };
    // The endpoint's word alone is not enough to give up: the one that gives tokens knows best.
    try {
      await api.checkSecret();
    } catch (error) {
      const other = failureOf(error);
      if (other.kind === 'credentials') return { problem: problemOf(other, options.way.proxy), fatal: true };
      return { problem: problemOf(other, options.way.proxy), fatal: false };
    }
    const fatal = code === FORBIDDEN || failure.kind === 'credentials';
    return { problem: refused(failure.message), fatal, slow: true };
  }

  function fail(problem: Problem): void {
    report({ state: 'failed', problem });
    stopping.abort();
  }

  return {
    start: () =>
      new Promise((resolve) => {
        run(resolve).catch((error: unknown) => {
          fail(refused(`an error of Fettle's own: ${error instanceof Error ? error.name : 'unknown'}`));
          resolve();
        });
      }),
    fail,
    stop: () => stopping.abort(),
  };
}

const refused = (reason: string): Problem => ({ code: 'chat_refused', data: { platform: 'feishu', reason } });

const unreachable = (reason: string, proxy: string | undefined): Problem => ({
  code: 'chat_unreachable',
  data: { platform: 'feishu', reason, ...(proxy === undefined ? {} : { proxy }) },
});

/** A failure as people are told of it. */
export function problemOf(failure: FeishuFailure, proxy: string | undefined): Problem {
  const reason = failure.message;
  switch (failure.kind) {
    case 'token':
    case 'credentials':
      return {
        code: 'chat_credentials_refused',
        data: { platform: 'feishu', what: 'app id or app secret', where: CONSOLE, reason },
      };
    case 'permission':
      return {
        code: 'chat_permission_missing',
        data: { platform: 'feishu', what: 'send messages', reason, permissions: ['im:message:send_as_bot'] },
      };
    case 'unreached':
    case 'trouble':
    case 'rate':
      return unreachable(reason, proxy);
    default:
      return refused(reason);
  }
}

/** Where an app's id and secret are found. */
export const CONSOLE = 'the developer console, Credentials & Basic Info (open.feishu.cn/app)';
