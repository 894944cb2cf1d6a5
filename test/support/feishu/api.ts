import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Call } from '../chat-platform.ts';
import type { Faults } from './faults.ts';
import type { Answer, Messages } from './messages.ts';

/**
 * The platform's addresses over HTTP: tokens ("Get custom app tenant_access_token"), bot ("Get bot info"), messages,
 * people, and where the long connection is (the SDK's `pullConnectConfig`).
 */

/** What an app may do, by scope ("API permissions"). */
export const SCOPES = ['im:message:send_as_bot', 'im:message:readonly', 'contact:user.base:readonly'] as const;
export type Scope = (typeof SCOPES)[number];

/** A refusal that was ordered: the next `times` (1) requests of a path that begins so are answered with it. */
export interface Refusal {
  /** `POST /open-apis/im/v1/messages` */
  readonly on: string;
  readonly status?: number;
  readonly code: number;
  readonly msg?: string;
  readonly times?: number;
}

export interface ApiState {
  appId: string;
  secret: string;
  /** Credentials are refused and every token is void. */
  revoked: boolean;
  /** Seconds. */
  tokenLifetime: number;
  /** 1 disabled, 2 enabled ("Get bot info", `activate_status`). */
  activateStatus: number;
  readonly scopes: Set<Scope>;
  readonly bot: { readonly openId: string; readonly name: string };
  readonly names: ReadonlyMap<string, string>;
  /** What the endpoint says instead of an address: `code` and perhaps no `data`. */
  endpoint: { readonly code: number; readonly msg: string; readonly data?: unknown } | undefined;
  /** `ws://…` */
  socketUrl: string;
  readonly refusals: (Refusal & { left: number })[];
}

export interface ApiDeps {
  readonly state: ApiState;
  readonly messages: Messages;
  readonly faults: Faults;
  readonly now: () => number;
  readonly newId: (prefix: string) => string;
  readonly clientConfig: () => Readonly<Record<string, number>>;
  readonly record: (call: Call) => void;
}

export interface Api {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** From now on tokens that were given are expired. */
  expireTokens(): void;
  tokensGiven(): number;
}

const ok = (data: Readonly<Record<string, unknown>>): Answer => ({ status: 200, code: 0, msg: 'success', data });

export function createApi({ state, messages, faults, now, newId, clientConfig, record }: ApiDeps): Api {
  const tokens = new Map<string, number>();
  let given = 0;

  function giveToken(body: Readonly<Record<string, unknown>>): [number, unknown] {
    if (typeof body.app_id !== 'string' || !/^cli_[0-9a-f]{16}$/.test(body.app_id) || body.app_id !== state.appId) {
      return [400, { code: 10003, msg: 'invalid param' }];
    }
    if (state.revoked || body.app_secret !== state.secret) return [400, { code: 10014, msg: 'app secret invalid' }];
    const token = newId('t-');
    tokens.set(token, now() + state.tokenLifetime * 1_000);
    given += 1;
    return [200, { code: 0, msg: 'ok', tenant_access_token: token, expire: state.tokenLifetime }];
  }

  function whereToConnect(body: Readonly<Record<string, unknown>>): [number, unknown] {
    if (state.endpoint) return [200, state.endpoint];
    if (body.AppID !== state.appId || body.AppSecret !== state.secret || state.revoked) {
      return [200, { code: 514, msg: 'auth failed' }];
    }
    const URL = `${state.socketUrl}?device_id=${newId('d')}&service_id=1&ticket=${newId('ticket')}`;
    return [200, { code: 0, msg: '', data: { URL, ClientConfig: clientConfig() } }];
  }

  function authorized(request: IncomingMessage): Answer | undefined {
    const header = request.headers.authorization;
    if (!header) return { status: 400, code: 99991661, msg: 'Missing access token for authorization.' };
    const until = tokens.get(header.replace(/^Bearer /, ''));
    if (until === undefined || until <= now() || state.revoked) {
      return { status: 400, code: 99991663, msg: 'Invalid access token for authorization.' };
    }
    return undefined;
  }

  const lacks = (scope: Scope): Answer | undefined =>
    state.scopes.has(scope)
      ? undefined
      : { status: 400, code: 99991672, msg: `Access denied. One of the following scopes is required: [${scope}].` };

  /** What an address does, and which kind of call it is; `undefined`: there is no such address. */
  function route(
    method: string,
    url: URL,
  ): { what: Call['what']; run: (body: Readonly<Record<string, unknown>>) => Answer } | undefined {
    const [, id, tail] = /^\/open-apis\/im\/v1\/messages(?:\/([^/]+))?(?:\/(reply))?$/.exec(url.pathname) ?? [];
    const path = url.pathname;
    const send = () => lacks('im:message:send_as_bot');
    if (method === 'POST' && path === '/open-apis/im/v1/messages') {
      return { what: 'send', run: (body) => send() ?? messages.create(url.searchParams, body) };
    }
    if (method === 'POST' && id && tail) return { what: 'send', run: (body) => send() ?? messages.reply(id, body) };
    if (method === 'PATCH' && id && !tail) return { what: 'edit', run: (body) => send() ?? messages.patch(id, body) };
    if (method === 'GET' && path === '/open-apis/im/v1/messages') {
      return { what: 'other', run: () => lacks('im:message:readonly') ?? messages.list(url.searchParams) };
    }
    const [, person] = /^\/open-apis\/contact\/v3\/users\/(ou_\w+)$/.exec(path) ?? [];
    if (method === 'GET' && person) {
      const name = state.names.get(person);
      const known = () =>
        name ? ok({ user: { open_id: person, name } }) : { status: 400, code: 41050, msg: 'no user authority error' };
      return { what: 'other', run: () => lacks('contact:user.base:readonly') ?? known() };
    }
    return undefined;
  }

  async function answer(request: IncomingMessage, url: URL, text: string): Promise<[number, unknown, Call['what']]> {
    const name = `${request.method} ${url.pathname}`;
    const refusal = state.refusals.find(({ on, left }) => left > 0 && name.startsWith(on));
    const routed = route(request.method ?? '', url);
    if (refusal) {
      refusal.left -= 1;
      return [refusal.status ?? 400, { code: refusal.code, msg: refusal.msg ?? 'refused' }, routed?.what ?? 'other'];
    }
    const body = readBody(request, text);
    if (!body) return [400, { code: 9499, msg: 'Bad Request: the body is not JSON in UTF-8' }, routed?.what ?? 'other'];
    if (name === 'POST /open-apis/auth/v3/tenant_access_token/internal') return [...giveToken(body), 'other'];
    if (name === 'POST /callback/ws/endpoint') return [...whereToConnect(body), 'connect'];
    const bot = name === 'GET /open-apis/bot/v3/info';
    if (!bot && !routed) return [404, '404 page not found', 'other'];
    const denied = authorized(request);
    if (denied) return [denied.status, denied, routed?.what ?? 'other'];
    if (bot) {
      const { openId, name } = state.bot;
      return [
        200,
        {
          code: 0,
          msg: 'ok',
          bot: {
            activate_status: state.activateStatus,
            app_name: name,
            avatar_url: '',
            ip_white_list: [],
            open_id: openId,
          },
        },
        'other',
      ];
    }
    const { status, ...rest } = routed?.run(body) ?? { status: 404, code: 1, msg: '' };
    return [status, rest, routed?.what ?? 'other'];
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const routed = route(request.method ?? '', url);
    const kind = url.pathname === '/callback/ws/endpoint' ? 'connect' : routed?.what;
    const fault = kind === 'send' || kind === 'edit' || kind === 'connect' ? faults.next(kind) : undefined;
    const note = (answered: Call['answered'], body: unknown) =>
      record({ at: now(), what: kind ?? 'other', name: `${request.method} ${url.pathname}`, answered, body });
    const body = shownBody(text);
    if (fault?.do === 'drop') {
      note('dropped', body);
      request.socket.destroy();
      return;
    }
    if (fault?.do === 'status' || fault?.do === 'rate-limit') {
      const status = fault.do === 'status' ? fault.status : 429;
      note(status, body);
      // "Frequency limits": 429, code 99991400, and the seconds until it is over.
      const seconds =
        fault.do === 'rate-limit' ? { 'x-ogw-ratelimit-reset': String(Math.ceil(fault.retryAfterMs / 1_000)) } : {};
      response.writeHead(status, { 'content-type': 'application/json', ...seconds });
      response.end(
        status === 429 ? JSON.stringify({ code: 99991400, msg: 'request trigger frequency limit' }) : 'oops',
      );
      return;
    }
    if (fault?.do === 'delay') await delay(fault.ms);
    const [status, json] = await answer(request, url, text);
    if (fault?.do === 'lose-answer') {
      note('dropped', body);
      request.socket.destroy();
      return;
    }
    note(status, body);
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(json));
  }

  return {
    handle,
    expireTokens: () => tokens.clear(),
    tokensGiven: () => given,
  };
}

function readBody(request: IncomingMessage, text: string): Readonly<Record<string, unknown>> | undefined {
  if (request.method === 'GET') return {};
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A request's body for the record of calls, without the secret. */
function shownBody(text: string): unknown {
  try {
    const json = JSON.parse(text) as Record<string, unknown>;
    return Object.fromEntries(Object.entries(json).filter(([key]) => !/secret/i.test(key)));
  } catch {
    return text;
  }
}
