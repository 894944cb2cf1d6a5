import { FettleError, systemCodeOf } from '../domain/errors.ts';
import { addressProblem, followRedirect, MAX_REDIRECTS, networkReason, showAddress } from './address.ts';
import { INDEX_FILE, MAX_INDEX_BYTES, readIndex } from './feed-format.ts';
import type { FeedAnswer } from './folder.ts';

/** A release feed behind an address. */

export interface FeedOptions {
  readonly app: string;
  /** Of the last answer. */
  readonly etag?: string | undefined;
  readonly signal: AbortSignal;
  readonly fetch: typeof fetch;
  /** For the whole question, milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Where a file of the feed is. The feed's address is that of its folder (with or without a `/` at its end) or of its
 * index (ends with `.json`); a query (a bucket's access signature) goes to every file.
 */
export function feedAddress(feed: string, path: string): URL {
  const base = new URL(feed);
  const url = new URL(base);
  const folder = /\.json$/.test(base.pathname)
    ? base.pathname.replace(/[^/]*$/, '')
    : `${base.pathname.replace(/\/$/, '')}/`;
  url.pathname = path === INDEX_FILE && /\.json$/.test(base.pathname) ? base.pathname : folder + path;
  url.hash = '';
  return url;
}

/**
 * Reads the index of the feed at `address`: one request, conditional where `etag` is given.
 *
 * @throws {FettleError} `source_unreachable` (network, time, 4xx that may pass, 5xx), `source_invalid`
 */
export async function readFeed(address: string, options: FeedOptions): Promise<FeedAnswer | 'unchanged'> {
  const source = URL.canParse(address) ? `feed ${showAddress(new URL(address))}` : 'feed';
  const invalid = (reason: string) => new FettleError('source_invalid', { data: { source, reason } });
  const problem = addressProblem(address);
  if (problem !== undefined) throw invalid(problem);
  const timeoutMs = options.timeoutMs ?? 30_000;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([options.signal, timeout]);
  let url = feedAddress(address, INDEX_FILE);
  try {
    for (let redirects = 0; ; redirects += 1) {
      const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'fettle' };
      if (options.etag !== undefined) headers['if-none-match'] = options.etag;
      const response = await options.fetch(url, { headers, redirect: 'manual', signal });
      if ([301, 302, 303, 307, 308].includes(response.status)) {
        await response.body?.cancel();
        if (redirects >= MAX_REDIRECTS) throw invalid('it redirects without end');
        const next = followRedirect(url, response.headers.get('location'));
        if (typeof next === 'string') throw invalid(next);
        url = next;
        continue;
      }
      if (response.status === 304 && options.etag !== undefined) return 'unchanged';
      if (response.status !== 200) {
        await response.body?.cancel();
        throw statusError(source, response.status);
      }
      const text = await readText(response, invalid);
      return {
        ...readIndex(text, { source, app: options.app }),
        etag: response.headers.get('etag') ?? undefined,
      };
    }
  } catch (error) {
    if (error instanceof FettleError) throw error;
    const reason = timeout.aborted
      ? `${url.host} did not answer within ${timeoutMs / 1_000} s`
      : options.signal.aborted
        ? 'the request was called off'
        : networkReason(systemCodeOf(error), url.host);
    throw new FettleError('source_unreachable', { data: { source, reason }, retryable: true, cause: error });
  }
}

function statusError(source: string, status: number): FettleError {
  if (status === 404 || status === 410) {
    const reason = `there is no ${INDEX_FILE} at that address (${status})`;
    return new FettleError('source_invalid', { data: { source, reason } });
  }
  const reason =
    status === 401 || status === 403
      ? `it refuses access (${status})`
      : status === 429
        ? 'it asks to wait (429)'
        : `it answered ${status}`;
  return new FettleError('source_unreachable', {
    data: { source, reason },
    retryable: status === 429 || status >= 500,
  });
}

async function readText(response: Response, invalid: (reason: string) => FettleError): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_INDEX_BYTES) throw invalid(`its index is larger than ${MAX_INDEX_BYTES / 1e6} MB`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}
