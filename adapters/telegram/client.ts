import { Api } from 'grammy';
import { Agent, fetch, ProxyAgent } from 'undici';
import { z } from 'zod';
import type { WebProxy } from '../proxy.ts';
import { NotTelegram } from './failure.ts';

/**
 * Calls of the Bot API (https://core.telegram.org/bots/api) by grammY over undici's `fetch`, through a proxy where there
 * is one. Each call has a deadline; a call that passes it takes its connection with it, so that a dead one is not used again.
 */

export interface TelegramClient {
  readonly api: Api;
  /** A signal that ends at the deadline, with the caller's or when the client is closed. */
  within(ms: number, signal?: AbortSignal): GrammySignal;
  /** Ends when the client is closed. */
  readonly closed: AbortSignal;
  close(): Promise<void>;
}

/** grammY's signals are those of a library that is older than Node's, and take Node's as well. */
export type GrammySignal = NonNullable<Parameters<Api['getMe']>[0]>;

/** What every answer of the Bot API looks like (#making-requests). */
const Envelope = z.looseObject({ ok: z.boolean() });

export interface ClientOptions {
  readonly token: string;
  readonly apiRoot: string;
  readonly proxy: WebProxy | undefined;
}

export function createClient({ token, apiRoot, proxy }: ClientOptions): TelegramClient {
  const closing = new AbortController();
  const connect = { timeout: 10_000 };
  const dispatcher =
    proxy === undefined
      ? new Agent({ connect })
      : new ProxyAgent({ uri: proxy.address, requestTls: connect, proxyTls: connect });

  /** What grammY asks of node-fetch, by undici; agents and the like of node-fetch are left out. */
  async function ask(address: string, options: FetchOptions) {
    const response = await fetch(address, {
      method: options.method ?? 'POST',
      headers: { 'content-type': 'application/json' },
      body: options.body ?? null,
      signal: native(options.signal),
      dispatcher,
      // The token is in the address: it is not taken elsewhere.
      redirect: 'manual',
    });
    const text = await response.text();
    const answer = parsed(text);
    if (answer === undefined) throw new NotTelegram(response.status);
    return { json: async () => answer };
  }

  const api = new Api(token, {
    apiRoot: apiRoot.replace(/\/+$/, ''),
    // node-fetch's types; grammY uses of the answer no more than is given.
    fetch: ask as never,
  });
  return {
    api,
    closed: closing.signal,
    within(ms, signal) {
      const ends = [AbortSignal.timeout(ms), closing.signal, ...(signal ? [signal] : [])];
      return AbortSignal.any(ends) as never;
    },
    async close() {
      closing.abort();
      await dispatcher.destroy();
    },
  };
}

interface FetchOptions {
  readonly method?: string;
  readonly body?: string;
  readonly signal?: GrammySignal;
}

/** undici takes Node's own signals only. */
function native(signal: GrammySignal | undefined): AbortSignal | null {
  if (!signal) return null;
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort);
  return controller.signal;
}

function parsed(text: string): unknown {
  try {
    return Envelope.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
