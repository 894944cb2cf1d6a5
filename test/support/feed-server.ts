import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** A static server on loopback with ETag, If-None-Match, Range and If-Range; it can misbehave. */

export interface ServedRequest {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly ifNoneMatch: string | undefined;
  status: number;
}

export interface ServerHabits {
  /** Breaks the connection after so many bytes of a body, so many times. */
  dropAt?: { bytes: number; times: number } | undefined;
  ignoreRange?: boolean | undefined;
  /** Goes into every ETag: changing it changes them all. */
  salt?: string | undefined;
  weakEtags?: boolean | undefined;
  noEtags?: boolean | undefined;
  /** Sends so many bytes and then nothing more, so many times. */
  stallAt?: { bytes: number; times: number } | undefined;
  html?: boolean | undefined;
  /** Answers ranges whatever If-Range says. */
  ignoreIfRange?: boolean | undefined;
  /** Sends bodies in so many pieces, one every so many milliseconds. */
  slow?: { pieces: number; everyMs: number } | undefined;
  status?: { code: number; times: number; headers?: Record<string, string> } | undefined;
  redirect?: string | undefined;
  /** Serves these bytes instead of the file's. */
  bytes?: Buffer | undefined;
  /** Leaves Content-Length out. */
  chunked?: boolean | undefined;
}

export interface FeedServer {
  readonly url: string;
  readonly requests: ServedRequest[];
  readonly habits: ServerHabits;
  close(): Promise<void>;
}

export async function serveFolder(folder: string): Promise<FeedServer> {
  const habits: ServerHabits = {};
  const requests: ServedRequest[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    const entry: ServedRequest = {
      path: request.url ?? '/',
      range: request.headers.range,
      ifRange: request.headers['if-range'] as string | undefined,
      ifNoneMatch: request.headers['if-none-match'],
      status: 0,
    };
    requests.push(entry);
    entry.status = serve(join(folder, path), request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  function serve(path: string, request: IncomingMessage, response: ServerResponse): number {
    const send = (status: number, body: string | Buffer = '', headers: Record<string, string> = {}) => {
      response.writeHead(status, headers).end(body);
      return status;
    };
    if (habits.redirect !== undefined) return send(302, '', { location: habits.redirect });
    if (habits.status && habits.status.times > 0) {
      habits.status.times -= 1;
      return send(habits.status.code, '', habits.status.headers);
    }
    if (habits.html) return send(200, '<!doctype html><title>Sign in</title>', { 'content-type': 'text/html' });
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return send(404);
    const bytes = habits.bytes ?? readFileSync(path);
    const hash = createHash('sha256')
      .update(bytes)
      .update(habits.salt ?? '')
      .digest('hex')
      .slice(0, 16);
    const etag = habits.noEtags ? undefined : `${habits.weakEtags ? 'W/' : ''}"${hash}"`;
    const headers: Record<string, string> = { 'accept-ranges': 'bytes', ...(etag ? { etag } : {}) };
    if (etag && request.headers['if-none-match'] === etag) return send(304, '', headers);

    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const ifRange = request.headers['if-range'];
    const partial = range && !habits.ignoreRange && (ifRange === undefined || ifRange === etag || habits.ignoreIfRange);
    const start = partial ? Number(range[1]) : 0;
    if (partial && start >= bytes.length) return send(416, '', { 'content-range': `bytes */${bytes.length}` });
    const body = bytes.subarray(start);
    if (!habits.chunked) headers['content-length'] = String(body.length);
    if (partial) headers['content-range'] = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(partial ? 206 : 200, headers);
    const { dropAt, stallAt } = habits;
    if (dropAt && dropAt.times > 0) {
      dropAt.times -= 1;
      response.write(body.subarray(0, dropAt.bytes), () => response.socket?.end());
    } else if (stallAt && stallAt.times > 0) {
      stallAt.times -= 1;
      response.write(body.subarray(0, stallAt.bytes));
    } else if (habits.slow) trickle(response, body, habits.slow);
    else response.end(body);
    return partial ? 206 : 200;
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    habits,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function trickle(response: ServerResponse, body: Buffer, slow: { pieces: number; everyMs: number }): void {
  const size = Math.ceil(body.length / slow.pieces);
  let at = 0;
  const timer = setInterval(() => {
    response.write(body.subarray(at, at + size));
    at += size;
    if (at < body.length) return;
    clearInterval(timer);
    response.end();
  }, slow.everyMs);
  response.once('close', () => clearInterval(timer));
}
