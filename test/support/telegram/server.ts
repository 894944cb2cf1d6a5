import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Call, Fault } from '../chat-platform.ts';
import { checkNames, type Methods, optionalNumber, type Parameters } from './methods.ts';
import { badRequest, Refusal } from './refusal.ts';
import type { PollAnswer, Updates } from './updates.ts';

/**
 * The Bot API over HTTP (core.telegram.org/bots/api#making-requests): `/bot<token>/<method>`, GET and POST, with
 * parameters in the query, as JSON or as a form. Answers are `{ok, result}` or `{ok, error_code, description,
 * parameters}` with that status.
 */

export interface HttpServerDeps {
  readonly methods: Methods;
  readonly updates: Updates;
  readonly now: () => number;
  /** As it is now; another one is refused. */
  readonly token: () => string;
}

export interface HttpServer {
  readonly url: string;
  readonly calls: Call[];
  fault(fault: Fault): void;
  /** At most so many new messages of a chat in a minute (core.telegram.org/bots/faq#my-bot-is-hitting-limits). */
  limitSends(perMinute: number): void;
  /** So many registrations of commands are answered 500. */
  refuseMenus(times: number): void;
  /** The next polls are taken and never answered. */
  silence(times: number): void;
  /** After each so many looks for a message, one is answered 429 and a second must pass. */
  limitProbes(count: number): void;
  disconnect(): void;
  close(): Promise<void>;
}

type What = Call['what'];
type CallFault = Exclude<Fault, { readonly on: 'event' }>;

const KINDS: Readonly<Record<string, What>> = {
  sendMessage: 'send',
  editMessageText: 'edit',
  getMe: 'connect',
  getUpdates: 'connect',
  setMyCommands: 'register',
};

export async function startHttpServer({ methods, updates, now, token }: HttpServerDeps): Promise<HttpServer> {
  const calls: Call[] = [];
  const sockets = new Set<Socket>();
  const faults: { fault: CallFault; left: number }[] = [];
  const sends = new Map<string, number[]>();
  let perMinute = Number.POSITIVE_INFINITY;
  let probesLeft = Number.POSITIVE_INFINITY;
  let probesEach = Number.POSITIVE_INFINITY;
  let quietUntil = 0;
  let silent = 0;
  let menusRefused = 0;

  function takeFault(what: What): CallFault | undefined {
    const found = faults.find(({ fault, left }) => fault.on === what && left > 0);
    if (found) found.left -= 1;
    return found?.fault;
  }

  /** @throws {Refusal} 429 */
  function countSend(chat: string): void {
    const at = now();
    const recent = (sends.get(chat) ?? []).filter((sent) => sent > at - 60_000);
    if (recent.length >= perMinute) throw tooMany(Math.ceil(((recent[0] ?? at) + 60_000 - at) / 1_000));
    sends.set(chat, [...recent, at]);
  }

  /** @throws {Refusal} 429 */
  function countProbe(): void {
    if (now() < quietUntil) throw tooMany(Math.ceil((quietUntil - now()) / 1_000));
    probesLeft -= 1;
    if (probesLeft >= 0) return;
    probesLeft = probesEach;
    quietUntil = now() + 1_000;
    throw tooMany(1);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = new URL(request.url ?? '/', 'http://localhost');
    const [, given = '', method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(address.pathname) ?? [];
    let body: Parameters = {};
    const finish = (what: What, answered: Call['answered'], write: () => void) => {
      calls.push({ at: now(), what, name: `${request.method} /bot…/${method}`, answered, body });
      write();
    };
    let what = KINDS[method] ?? 'other';
    try {
      body = await parametersOf(request, address);
      // A token of the wrong form is 404, one that is not known 401 (ClientManager.cpp: `send`).
      if (!/^\d+:[\w-]+$/.test(given)) throw new Refusal(404, 'Not Found');
      if (given !== token()) throw new Refusal(401, 'Unauthorized');
      if (method === 'getUpdates' && updates.confirms(optionalNumber(body.offset) ?? 0)) what = 'acknowledge';
      const fault = takeFault(what);
      if (fault?.do === 'delay') await delay(fault.ms);
      if (fault?.do === 'drop') return finish(what, 'dropped', () => request.socket.destroy());
      if (fault?.do === 'rate-limit') throw tooMany(Math.max(1, Math.ceil(fault.retryAfterMs / 1_000)));
      if (fault?.do === 'status') throw statusRefusal(fault.status);
      if (method === 'getUpdates' && silent > 0) {
        silent -= 1;
        return finish(what, 'dropped', () => undefined);
      }
      const poll = method === 'getUpdates' ? startPoll(body) : undefined;
      if (poll) response.once('close', poll.leave);
      if (what === 'register' && menusRefused > 0) {
        menusRefused -= 1;
        throw statusRefusal(500);
      }
      if (method === 'editMessageCaption') countProbe();
      if (method === 'sendMessage') countSend(String(body.chat_id));
      const result = poll ? resultOf(await poll.answer) : { value: methods.call(method, body), lose: false };
      if (result.lose || fault?.do === 'lose-answer') return finish(what, 'dropped', () => request.socket.destroy());
      finish(what, 200, () => answer(response, 200, { ok: true, result: result.value }));
    } catch (error) {
      if (error instanceof Refusal && error.message === 'gone')
        return finish(what, 'dropped', () => request.socket.destroy());
      const refusal = error instanceof Refusal ? error : new Refusal(500, `Internal Server Error: ${String(error)}`);
      // What stands in front of the server answers 502 and the like itself, in HTML.
      if (refusal.code > 500) {
        return finish(what, refusal.code, () =>
          response.writeHead(refusal.code, { 'content-type': 'text/html' }).end(`<html>${refusal.code}</html>`),
        );
      }
      const { code, message: description, parameters } = refusal;
      finish(what, code, () =>
        answer(response, code, { ok: false, error_code: code, description, ...(parameters ? { parameters } : {}) }),
      );
    }
  }

  function startPoll(body: Parameters) {
    checkNames('getUpdates', body);
    const timeout = optionalNumber(body.timeout) ?? 0;
    const allowed = body.allowed_updates;
    if (allowed !== undefined && !Array.isArray(allowed)) throw badRequest("can't parse allowed_updates");
    return updates.poll({
      offset: optionalNumber(body.offset) ?? 0,
      limit: Math.min(Math.max(optionalNumber(body.limit) ?? 100, 1), 100),
      timeout: Math.min(Math.max(timeout, 0), 50),
      allowed: allowed as string[] | undefined,
    });
  }

  const server = createServer((request, response) => void handle(request, response));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const disconnect = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    fault(fault) {
      if (fault.on === 'event') throw new Error('faults of events belong to the queue');
      faults.push({ fault, left: fault.times ?? 1 });
    },
    limitSends(count) {
      perMinute = count;
    },
    refuseMenus(times) {
      menusRefused = times;
    },
    silence(times) {
      silent = times;
    },
    limitProbes(count) {
      probesLeft = count;
      probesEach = count;
    },
    disconnect,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      disconnect();
      await closed;
    },
  };
}

function resultOf(answer: PollAnswer): { readonly value: unknown; readonly lose: boolean } {
  if (answer === 'gone') throw new Refusal(499, 'gone');
  if (answer === 'conflict') {
    throw new Refusal(
      409,
      'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    );
  }
  if (answer === 'conflict-webhook') {
    throw new Refusal(
      409,
      "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    );
  }
  return { value: answer.updates, lose: answer.lose };
}

function tooMany(seconds: number): Refusal {
  return new Refusal(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
}

/** What the server says with a status that a test wants. */
function statusRefusal(status: number): Refusal {
  if (status === 429) return tooMany(1);
  const texts: Readonly<Record<number, string>> = {
    400: 'Bad Request',
    401: 'Unauthorized',
    403: 'Forbidden: bot was kicked from the supergroup chat',
    404: 'Not Found',
    409: 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    500: 'Internal Server Error',
  };
  return new Refusal(status, texts[status] ?? `Status ${status}`);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function parametersOf(request: IncomingMessage, address: URL): Promise<Parameters> {
  const query = Object.fromEntries(address.searchParams);
  if (request.method === 'GET') return query;
  if (request.method !== 'POST') throw new Refusal(405, 'Method Not Allowed');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const raw = Buffer.concat(chunks);
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim();
  if (raw.length === 0) return query;
  if (type === 'application/json') {
    try {
      return { ...query, ...(JSON.parse(raw.toString()) as Parameters) };
    } catch {
      throw badRequest("can't parse request: can't parse JSON object");
    }
  }
  if (type === 'application/x-www-form-urlencoded' || type === 'multipart/form-data') {
    const form = await new Response(raw, {
      headers: { 'content-type': request.headers['content-type'] ?? '' },
    }).formData();
    return { ...query, ...Object.fromEntries(form.entries()) };
  }
  throw badRequest(`unsupported content type ${type ?? ''}`);
}
