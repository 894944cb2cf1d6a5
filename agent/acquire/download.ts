import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleepByNode } from 'node:timers/promises';
import { FettleError, systemCodeOf, toFettleError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/id.ts';
import { addressProblem, followRedirect, MAX_REDIRECTS, networkReason, showAddress } from '../../src/origin/address.ts';
import { abortError } from './abort.ts';
import { type ArtifactFile, isThere, openArtifactFile, type Wanted } from './artifact-file.ts';
import { createProgressMeter, type ProgressMeter, type Report } from './progress.ts';

/**
 * Downloads one artifact. node:http and large writes rather than fetch: half the time for large files
 * (`npm run bench` compares with curl and openssl).
 */

export interface DownloadOptions extends Wanted {
  readonly url: URL;
  /** For the host of `url` alone: where it redirects to another, they stay behind. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Largest that the device allows, bytes. */
  readonly maxBytes: number;
  /** Carries the deadline. */
  readonly signal: AbortSignal;
  readonly progress: Report;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** A connection on which nothing comes for so long is given up and made anew, milliseconds. */
  readonly stallMs?: number | undefined;
  /** Tries in a row that may bring nothing. */
  readonly tries?: number | undefined;
  /** Connections that may break, even where each brings something; no limit unless given. */
  readonly breaks?: number | undefined;
  readonly sleep?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Bytes that are collected before they are hashed and written at once. */
const WRITE = 1_000_000;

/**
 * Fetches `url` into `to` (0600), whole, proven and durable. Resumes what an earlier try or process left, where the
 * server still has the same file (Range with If-Range); starts from zero where not. Network failures are tried again,
 * more and more slowly, until `signal` ends it or `tries` in a row brought nothing.
 *
 * @throws {FettleError} `artifact_mismatch`, `artifact_invalid` (too large), `download_failed`, `no_space`,
 *   `deadline_passed`, `cancelled`
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { url, signal, size } = options;
  const address = showAddress(url);
  const problem = addressProblem(url.href);
  if (problem !== undefined) throw new FettleError('download_failed', { data: { address, reason: problem } });
  if (size > options.maxBytes) throw tooLarge(address, size, options.maxBytes);
  try {
    if (await isThere(options, signal)) return;
    const file = await openArtifactFile(options, signal);
    try {
      const meter = createProgressMeter(options.clock, options.progress, {
        unit: 'bytes',
        total: size,
        start: file.position,
      });
      await fetchAll(file, meter, options);
      meter.end(size);
    } finally {
      file.close();
    }
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    throw toFettleError(error, 'download_failed', { address });
  }
}

async function fetchAll(file: ArtifactFile, meter: ProgressMeter, options: DownloadOptions): Promise<void> {
  const sleep = options.sleep ?? ((ms, signal) => sleepByNode(ms, undefined, { signal }));
  const tries = options.tries ?? 6;
  for (let failures = 0, breaks = 1; ; breaks += 1) {
    const before = file.position;
    try {
      if (file.position < options.size) await fetchRest(file, meter, options);
      break;
    } catch (error) {
      if (options.signal.aborted || !(error instanceof FettleError) || !error.retryable) throw error;
      failures = file.position > before ? 1 : failures + 1;
      if (failures >= tries || breaks >= (options.breaks ?? Number.POSITIVE_INFINITY)) throw error;
      const wait = Number(error.data.waitMs ?? Math.min(30_000, 500 * 2 ** failures));
      await sleep(wait, options.signal);
    }
  }
  if (!file.resumed) return file.finish();
  try {
    await file.finish();
  } catch (error) {
    // An earlier process's bytes may be wrong (power cut before they were written). Then it is not the release's
    // fault: once more from zero, and only that counts.
    if (!(error instanceof FettleError) || error.code !== 'artifact_mismatch') throw error;
    const again = await openArtifactFile(options, options.signal);
    try {
      await fetchAll(again, meter, options);
    } finally {
      again.close();
    }
  }
}

/** One connection (and those that redirects lead to). Throws retryable errors for what may pass. */
async function fetchRest(file: ArtifactFile, meter: ProgressMeter, options: DownloadOptions): Promise<void> {
  let url = options.url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const { message, stall } = await connect(url, file, options);
    const status = message.statusCode ?? 0;
    const location = message.headers.location;
    if (![301, 302, 303, 307, 308].includes(status)) {
      try {
        return await receive({ message, stall, url }, file, meter, options);
      } finally {
        stall.end();
        message.destroy();
      }
    }
    stall.end();
    message.destroy();
    const next = followRedirect(url, location);
    if (typeof next === 'string') throw failed(url, next, false);
    url = next;
  }
  throw failed(options.url, 'it redirects without end', false);
}

interface Answer {
  readonly message: IncomingMessage;
  readonly stall: Stall;
  readonly url: URL;
}

interface Stall {
  /** Something came. */
  alive(): void;
  end(): void;
}

function connect(url: URL, file: ArtifactFile, options: DownloadOptions): Promise<Omit<Answer, 'url'>> {
  const own = url.origin === options.url.origin ? options.headers : {};
  const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'fettle', ...own };
  if (file.position > 0 && file.validator !== undefined) {
    headers.range = `bytes=${file.position}-`;
    headers['if-range'] = file.validator;
  }
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, { headers, signal: options.signal });
    const stall = watch(request, options.stallMs ?? 30_000, url);
    request.once('response', (message) => resolve({ message, stall }));
    // Stays: an error after the response belongs to the message, and must not end the process here.
    request.on('error', (error) => {
      stall.end();
      reject(error instanceof FettleError ? error : failed(url, networkReason(systemCodeOf(error), url.host), true));
    });
    request.end();
  });
}

function watch(request: ClientRequest, stallMs: number, url: URL): Stall {
  const timer = setTimeout(
    () => request.destroy(failed(url, `nothing came from ${url.host} for ${stallMs / 1_000} s`, true)),
    stallMs,
  );
  return { alive: () => timer.refresh(), end: () => clearTimeout(timer) };
}

/** Takes an answer into the file. */
function receive(
  { message, stall, url }: Answer,
  file: ArtifactFile,
  meter: ProgressMeter,
  options: DownloadOptions,
): Promise<void> {
  const refusal = begin(message, url, file, options);
  if (refusal) return Promise.reject(refusal);
  return new Promise((resolve, reject) => {
    let waiting: Buffer[] = [];
    let bytes = 0;
    const flush = () => {
      if (bytes === 0) return;
      const chunks = waiting;
      waiting = [];
      bytes = 0;
      file.append(chunks);
      meter.at(file.position);
    };
    const fail = (error: unknown) => {
      message.destroy();
      reject(error);
    };
    message.on('data', (chunk: Buffer) => {
      stall.alive();
      waiting.push(chunk);
      bytes += chunk.length;
      if (file.position + bytes > options.size)
        return fail(wrongSize(url, `${file.position + bytes} or more`, options.size));
      if (bytes < WRITE) return;
      try {
        flush();
      } catch (error) {
        fail(error);
      }
    });
    const ended = (error?: unknown) => {
      try {
        // What came before a break is kept: the next try goes on from there.
        flush();
      } catch (full) {
        return fail(full);
      }
      if (file.position === options.size) return resolve();
      if (message.complete) return fail(wrongSize(url, String(file.position), options.size));
      fail(error instanceof FettleError ? error : failed(url, `${url.host} broke the connection off half way`, true));
    };
    message.once('end', () => ended());
    message.once('error', ended);
    message.once('close', () => ended());
  });
}

/** Looks at an answer's head: may it be appended, or does it start anew, or is it refused? */
function begin(
  message: IncomingMessage,
  url: URL,
  file: ArtifactFile,
  options: DownloadOptions,
): FettleError | undefined {
  const status = message.statusCode ?? 0;
  const etag = message.headers.etag;
  const strong = etag !== undefined && /^"[^"]*"$/.test(etag) ? etag : undefined;
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(message.headers['content-range'] ?? '');
    const fits = range && Number(range[1]) === file.position && Number(range[2]) === options.size;
    if (file.position > 0 && fits && (etag === undefined || etag === file.validator)) return undefined;
    // Not what was asked for, or of another file. Once more, without a range.
    file.restart(undefined);
    return failed(url, `${url.host} answered with another part than was asked for`, true, 0);
  }
  if (status === 416) {
    file.restart(undefined);
    return failed(url, `${url.host} has no such part`, true, 0);
  }
  if (status !== 200) return statusError(message, url, status);
  const length = message.headers['content-length'];
  if (Number(length) !== options.size) {
    if (/^text\/html\b/.test(message.headers['content-type'] ?? '')) {
      return new FettleError('artifact_mismatch', {
        data: { address: showAddress(url), reason: 'the server sent a web page instead of the file' },
      });
    }
    if (length !== undefined) return wrongSize(url, length, options.size);
  }
  file.restart(strong);
  return undefined;
}

function statusError(message: IncomingMessage, url: URL, status: number): FettleError {
  const retryAfter = Number(message.headers['retry-after']);
  const waitMs = retryAfter > 0 ? Math.min(retryAfter, 300) * 1_000 : undefined;
  const passing = status === 408 || status === 429 || status >= 500;
  const reason = status === 404 ? 'the file is not there (404)' : `${url.host} answered ${status}`;
  return failed(url, reason, passing, waitMs);
}

function failed(url: URL, reason: string, retryable: boolean, waitMs?: number): FettleError {
  return new FettleError('download_failed', { data: { address: showAddress(url), reason, waitMs }, retryable });
}

function wrongSize(url: URL, found: string, size: number): FettleError {
  return new FettleError('artifact_mismatch', {
    data: { address: showAddress(url), reason: `it has ${found} bytes instead of ${size}` },
  });
}

/** The device's file limits artifacts. */
export function tooLarge(file: string, size: number, maxBytes: number): FettleError {
  const reason = `it has ${Math.ceil(size / 1e6)} MB; this device allows ${Math.floor(maxBytes / 1e6)} MB (maxDownload)`;
  return new FettleError('artifact_invalid', { data: { file, size, limit: maxBytes, reason } });
}
