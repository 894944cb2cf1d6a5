import { DefaultRestOptions, DiscordAPIError, HTTPError, RateLimitError, REST } from 'discord.js';
import { type Dispatcher, ProxyAgent } from 'undici';
import { proxyFor, type WebProxy } from '../proxy.ts';
import { PLATFORM } from './requests.ts';

/** Discord's REST API through its own library, without its retries: the outbox has them, and must know what happened. */

export const STANDARD_API = 'https://discord.com/api';
const TIMEOUT_MS = 15_000;

export interface ApiSettings {
  readonly token: string;
  readonly api: string;
  readonly proxy: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Api {
  readonly rest: REST;
  /** The proxy that is used, for people; without its password. */
  readonly proxy: string | undefined;
  close(): Promise<void>;
}

export function createApi({ token, api, proxy, environment }: ApiSettings): Api {
  const through = proxyFor(PLATFORM, api, proxy, environment);
  const agent = through === undefined ? undefined : proxyAgent(through);
  const rest = new REST({
    version: '10',
    api: api.replace(/\/+$/, ''),
    retries: 0,
    timeout: TIMEOUT_MS,
    // A wait belongs to the outbox, which meanwhile may have something newer to say.
    rejectOnRateLimit: () => true,
    async makeRequest(url, init) {
      const response = await DefaultRestOptions.makeRequest(url, init);
      const { status } = response;
      // The library takes a web page for a refusal of Discord's, and a 401 of a sign-in page for the end of the token.
      if (status < 400 || status >= 500 || status === 429 || isJson(response.headers.get('content-type')))
        return response;
      await response.arrayBuffer();
      throw new NotDiscord(status);
    },
    ...(agent ? { agent } : {}),
  }).setToken(token);
  return {
    rest,
    proxy: through?.shown,
    async close() {
      rest.clearHashSweeper();
      rest.clearHandlerSweeper();
      // What is still under way has a deadline of its own; nobody waits for it.
      await agent?.destroy();
    },
  };
}

const isJson = (type: string | null) => type?.startsWith('application/json') === true;

/** Somebody else answered: a proxy, a sign-in page, a wall before Discord. */
class NotDiscord extends Error {
  constructor(status: number) {
    super(`HTTP ${status} without an answer of Discord's`);
  }
}

/** Every request goes through a tunnel (CONNECT), to a plain address too. */
function proxyAgent({ address }: WebProxy): ProxyAgent & Dispatcher {
  const url = new URL(address);
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const token = url.username === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
  return new ProxyAgent({ uri: url.origin, ...(token === undefined ? {} : { token }), proxyTunnel: true });
}

/** What became of a call. Never shows a token: the library's messages hold none, its addresses may. */
export type Failure =
  /** Discord says no, for a reason. */
  | { readonly kind: 'refused'; readonly status: number; readonly code: number; readonly reason: string }
  | { readonly kind: 'limited'; readonly afterMs: number; readonly reason: string }
  /** The token is not, or no longer, good. */
  | { readonly kind: 'unauthorized'; readonly reason: string }
  /** Nobody was reached: nothing has happened there. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** It may have happened. */
  | { readonly kind: 'unsure'; readonly reason: string };

/** Errors before a request was on its way: of names, of connecting, of the proxy. */
const BEFORE = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];

/**
 * Refusals that pass (Topics, Opcodes and Status Codes, "JSON Error Codes"): sending is disabled for a while, the resource
 * is rate limited, an internal network error, overloaded.
 */
const PASSING: readonly number[] = [40004, 40062, 40333, 130000];
const PASSING_MS = 15_000;

/** undici's words: `Proxy response (407) !== 200 when HTTP Tunneling`. */
const REFUSED_TUNNEL = /^Proxy response(?: \((\d+)\))?/;

/** The one place where errors of the library become ours. */
export function failureOf(error: unknown): Failure {
  if (error instanceof RateLimitError) {
    const afterMs = Math.max(error.retryAfter, error.timeToReset, error.sublimitTimeout, 100);
    return { kind: 'limited', afterMs, reason: 'rate limit' };
  }
  if (error instanceof DiscordAPIError) {
    const code = Number(error.code) || 0;
    // 50027 is an expired token of an interaction, which says nothing of the bot's.
    if (error.status === 401 && code !== 50027) return { kind: 'unauthorized', reason: 'HTTP 401' };
    const reason = `${code === 0 ? `HTTP ${error.status}` : code} ${firstLine(error.message)}`;
    if (PASSING.includes(code)) return { kind: 'limited', afterMs: PASSING_MS, reason };
    return { kind: 'refused', status: error.status, code, reason };
  }
  if (error instanceof HTTPError) return { kind: 'unsure', reason: `HTTP ${error.status}` };
  const { message, code } = rootOf(error);
  if (message.startsWith('Expected token')) return { kind: 'unauthorized', reason: 'HTTP 401' };
  const refused = REFUSED_TUNNEL.exec(message);
  if (refused?.[1]) return { kind: 'unreachable', reason: `the proxy answers ${refused[1]}` };
  if (BEFORE.includes(code) || refused) {
    return { kind: 'unreachable', reason: code === '' ? firstLine(message) : code };
  }
  return { kind: 'unsure', reason: code === '' ? firstLine(message) : code };
}

function rootOf(error: unknown): { readonly message: string; readonly code: string } {
  if (!(error instanceof Error)) return { message: String(error), code: '' };
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  const { code } = error as NodeJS.ErrnoException;
  if (inner instanceof Error && (code === undefined || BEFORE.includes((inner as NodeJS.ErrnoException).code ?? ''))) {
    return rootOf(inner);
  }
  // A proxy that refuses the tunnel is an aborted request too.
  if (error.name === 'AbortError' && !REFUSED_TUNNEL.test(error.message))
    return { message: 'no answer in time', code: '' };
  return { message: error.message, code: typeof code === 'string' ? code : '' };
}

/** Addresses may hold the token of an interaction: they are left out. */
function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/https?:\/\/\S+/g, '…').slice(0, 200);
}
