import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { MESSAGES } from '../../chat/messages/index.ts';
import type { DevicesOfHub } from '../../devices/devices.ts';
import { JoinRequest } from '../../devices/enrolment.ts';
import type { Reach } from '../../devices/work.ts';
import { type ErrorCode, FettleError, toFettleError } from '../../domain/errors.ts';
import { answerJson, type HttpHandler } from '../hub-http.ts';
import type { Bundles } from './bundle.ts';
import { enrolScript, httpOf } from './script.ts';

/**
 * How devices join over HTTP: `GET /enroll` (the script), `GET /enroll/digest` and `/enroll/bundle` (what it fetches, for
 * who has a token), `POST /enroll` (the device's key for the hub's). A token is in no address, and so in no log.
 */
export interface EnrolRoutesDeps {
  readonly devices: Pick<DevicesOfHub, 'join' | 'mayFetch'>;
  /** Loaded when the first device asks. */
  readonly bundles: () => Promise<Bundles>;
  readonly reach: () => Reach;
  /** Milliseconds that never jump. */
  readonly monotonic: () => number;
  readonly log: (line: string) => void;
}

const MAX_BODY = 8_192;
/** Wrong tokens from one address, and from all, within this time. */
const WRONG_MS = 10 * 60_000;
const MOST_WRONG = 10;
const MOST_WRONG_OF_ALL = 200;

const STATUS: Partial<Record<ErrorCode, number>> = {
  enroll_refused: 403,
  device_revoked: 403,
  device_cloned: 403,
  bad_arguments: 400,
  bundle_unavailable: 404,
};

export function enrolHandler(deps: EnrolRoutesDeps): HttpHandler {
  const wrong: { readonly at: number; readonly from: string }[] = [];

  /** @throws {FettleError} `enroll_refused` where too many were wrong: the right one, too, has to wait then */
  function limit(from: string): void {
    const now = deps.monotonic();
    while (wrong[0] && now - wrong[0].at >= WRONG_MS) wrong.shift();
    // From this machine may come everybody: a proxy.
    const most = /^(::ffff:)?127\.|^::1$/.test(from) ? MOST_WRONG_OF_ALL : MOST_WRONG;
    if (wrong.length >= MOST_WRONG_OF_ALL || wrong.filter((one) => one.from === from).length >= most)
      throw new FettleError('enroll_refused', { data: { why: 'rate' } });
  }

  const countWrong = (from: string) => {
    deps.log(`a wrong token for joining, from ${from}`);
    wrong.push({ at: deps.monotonic(), from });
  };

  async function mayFetch(request: IncomingMessage): Promise<void> {
    const from = request.socket.remoteAddress ?? '';
    limit(from);
    const token = request.headers['x-fettle-token'];
    if (typeof token === 'string' && (await deps.devices.mayFetch(token))) return;
    countWrong(from);
    throw new FettleError('enroll_refused', { data: { why: 'wrong' } });
  }

  async function join(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const from = request.socket.remoteAddress ?? '';
    const body = JoinRequest.safeParse(parseJson(await readBody(request)));
    if (!body.success) throw new FettleError('bad_arguments', { data: { reason: 'this is no request to join' } });
    limit(from);
    try {
      answerJson(response, 200, await deps.devices.join(body.data));
    } catch (error) {
      if (error instanceof FettleError && error.data.why === 'wrong') countWrong(from);
      throw error;
    }
  }

  async function route(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const { pathname, searchParams } = url;
    if (request.method === 'POST' && pathname === '/enroll') return join(request, response);
    if (request.method !== 'GET') throw new FettleError('bad_arguments', { data: { reason: 'GET or POST' } });
    const bundles = await deps.bundles();
    if (pathname === '/enroll') {
      const { sha256 } = await bundles.get(bundles.own);
      const text = enrolScript({ ...httpOf(deps.reach()), platform: bundles.own, sha256 });
      response.writeHead(200, { 'content-type': 'text/x-shellscript; charset=utf-8', 'cache-control': 'no-store' });
      response.end(text);
      return;
    }
    await mayFetch(request);
    const bundle = await bundles.get(searchParams.get('platform') ?? bundles.own);
    if (pathname === '/enroll/digest') {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end(`${bundle.sha256}\n`);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/gzip', 'content-length': bundle.size });
    await pipeline(createReadStream(bundle.file), response);
  }

  return (request, response) => {
    const url = URL.parse(request.url ?? '', 'http://hub');
    if (!url || !['/enroll', '/enroll/digest', '/enroll/bundle'].includes(url.pathname)) return false;
    route(request, response, url).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy();
      const known = toFettleError(error, 'internal');
      const { text, next } = MESSAGES.en.problem(known.code, known.data);
      if (known.code === 'internal') deps.log(`joining failed: ${String(error)}`);
      const status = known.data.why === 'rate' ? 429 : (STATUS[known.code] ?? 500);
      // What is left of a request that was refused is not read.
      response.setHeader('connection', 'close');
      answerJson(response, status, { code: known.code, data: known.data, text, next });
    });
    return true;
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BODY) throw new FettleError('bad_arguments', { data: { reason: 'the request is too long' } });
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
