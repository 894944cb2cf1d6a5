import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyArtifact } from '../../agent/acquire/copy.ts';
import { type DownloadOptions, download } from '../../agent/acquire/download.ts';
import { FettleError } from '../../src/domain/errors.ts';
import type { Progress } from '../../src/protocol/messages.ts';
import { sha256 } from '../support/artifact.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';

const SIZE = 3_500_000;
const clock = { monotonic: () => performance.now() };
/** The same bytes in each run, and no two megabytes alike. */
const bytes = Buffer.concat(
  Array.from({ length: Math.ceil(SIZE / 32) }, (_, i) => createHash('sha256').update(String(i)).digest()),
).subarray(0, SIZE);

let folder: string;
let server: FeedServer;
let to: string;
let reports: Progress[];
let waits: number[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-download-'));
  mkdirSync(join(folder, 'served'));
  mkdirSync(join(folder, 'tmp'));
  writeFileSync(join(folder, 'served/app.tgz'), bytes);
  server = await serveFolder(join(folder, 'served'));
  to = join(folder, 'tmp/app.tgz');
  reports = [];
  waits = [];
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function options(more: Partial<DownloadOptions> = {}): DownloadOptions {
  return {
    url: new URL(`${server.url}/app.tgz?sig=secret`),
    to,
    sha256: sha256(bytes),
    size: SIZE,
    maxBytes: 1e9,
    signal: new AbortController().signal,
    progress: (p) => reports.push(p),
    clock,
    stallMs: 400,
    sleep: async (ms) => {
      waits.push(ms);
    },
    ...more,
  };
}

const get = (more: Partial<DownloadOptions> = {}) => download(options(more));
const arrived = () => readFileSync(to).equals(bytes);
const leftovers = () => readdirSync(join(folder, 'tmp')).sort();

describe('a download', () => {
  it('is whole, private, reported, and leaves nothing else', async () => {
    await get();
    expect(arrived()).toBe(true);
    expect(statSync(to).mode & 0o777).toBe(0o600);
    expect(leftovers()).toEqual(['app.tgz']);
    expect(reports.at(-1)).toMatchObject({ unit: 'bytes', done: SIZE, total: SIZE, left: 0 });
    expect(server.requests.map((r) => [r.status, r.range])).toEqual([[200, undefined]]);
    await get();
    expect(server.requests).toHaveLength(1);
  });

  it('goes on where a connection broke off, three times', async () => {
    server.habits.dropAt = { bytes: 700_000, times: 3 };
    await get();
    expect(arrived()).toBe(true);
    expect(server.requests.map((r) => r.status)).toEqual([200, 206, 206, 206]);
    const starts = server.requests.slice(1).map((r) => Number(/\d+/.exec(r.range ?? '')?.[0]));
    expect(starts).toEqual([700_000, 1_400_000, 2_100_000]);
    expect(new Set(server.requests.slice(1).map((r) => r.ifRange)).size).toBe(1);
  });

  it('goes on after a restart of the agent', async () => {
    server.habits.dropAt = { bytes: 1_200_000, times: 1 };
    await expect(get({ tries: 1 })).rejects.toMatchObject({ code: 'download_failed', retryable: true });
    expect(leftovers()).toEqual(['app.tgz.part', 'app.tgz.part.json']);
    expect(statSync(`${to}.part`).mode & 0o777).toBe(0o600);
    reports.length = 0;
    await get();
    expect(arrived()).toBe(true);
    expect(server.requests[1]).toMatchObject({ status: 206, range: 'bytes=1200000-' });
    // What was there before is done already.
    expect(Math.min(...reports.map((r) => r.done))).toBeGreaterThan(1_200_000);
  });

  it('starts from zero where the ETag has changed', async () => {
    server.habits.dropAt = { bytes: 700_000, times: 1 };
    await expect(get({ tries: 1 })).rejects.toMatchObject({ code: 'download_failed' });
    server.habits.salt = 'new';
    await get();
    expect(arrived()).toBe(true);
    expect(server.requests.map((r) => [r.status, r.range])).toEqual([
      [200, undefined],
      [200, 'bytes=700000-'],
    ]);
  });

  it('does not trust what a power cut may have left: bad bytes in the part are fetched anew', async () => {
    server.habits.dropAt = { bytes: 1_000_000, times: 1 };
    await expect(get({ tries: 1 })).rejects.toMatchObject({ code: 'download_failed' });
    const part = readFileSync(`${to}.part`);
    writeFileSync(`${to}.part`, Buffer.alloc(part.length));
    await get();
    expect(arrived()).toBe(true);
    expect(server.requests.map((r) => r.status)).toEqual([200, 206, 200]);
  });

  it('does not write through a link that stands in its place', async () => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'mine');
    symlinkSync(victim, `${to}.part`);
    writeFileSync(`${to}.part.json`, JSON.stringify({ validator: '"x"', sha256: sha256(bytes) }));
    await get();
    expect(readFileSync(victim, 'utf8')).toBe('mine');
    expect(arrived()).toBe(true);
  });

  it.each([
    ['ignores ranges', { ignoreRange: true }],
    ['has weak ETags', { weakEtags: true }],
    ['has no ETags', { noEtags: true }],
  ])('starts from zero at a server that %s', async (_what, habits) => {
    Object.assign(server.habits, habits, { dropAt: { bytes: 700_000, times: 1 } });
    await get();
    expect(arrived()).toBe(true);
    expect(server.requests.map((r) => r.status)).toEqual([200, 200]);
  });

  it('takes an answer without a length', async () => {
    server.habits.chunked = true;
    await get();
    expect(arrived()).toBe(true);
  });

  it('makes a connection anew on which nothing comes', async () => {
    server.habits.stallAt = { bytes: 1_000_000, times: 1 };
    await get();
    expect(arrived()).toBe(true);
    expect(server.requests.map((r) => r.status)).toEqual([200, 206]);
  });

  it('bears with a server that is slow, as long as something comes', async () => {
    server.habits.slow = { pieces: 8, everyMs: 250 };
    await get({ stallMs: 1_000 });
    expect(arrived()).toBe(true);
    expect(server.requests).toHaveLength(1);
  });

  it('does not join parts of two files at a server that ignores If-Range', async () => {
    server.habits.dropAt = { bytes: 700_000, times: 1 };
    await expect(get({ tries: 1 })).rejects.toMatchObject({ code: 'download_failed' });
    server.habits.salt = 'new';
    server.habits.ignoreIfRange = true;
    await get();
    expect(arrived()).toBe(true);
    // The part is refused by its head; what would have come of it is not read.
    expect(server.requests.map((r) => [r.status, r.range])).toEqual([
      [200, undefined],
      [206, 'bytes=700000-'],
      [200, undefined],
    ]);
  });

  it('waits longer and longer while a server fails, and as long as it asks', async () => {
    server.habits.status = { code: 503, times: 3 };
    await get();
    expect(arrived()).toBe(true);
    expect(waits).toEqual([1_000, 2_000, 4_000]);
    rmSync(to);
    waits.length = 0;
    server.habits.status = { code: 429, times: 1, headers: { 'retry-after': '7' } };
    await get();
    expect(waits).toEqual([7_000]);
  });

  it('gives up after some tries that brought nothing, at a server that drops from zero each time', async () => {
    Object.assign(server.habits, { ignoreRange: true, dropAt: { bytes: 500_000, times: 99 } });
    await expect(get({ tries: 4 })).rejects.toMatchObject({ code: 'download_failed', retryable: true });
    expect(server.requests).toHaveLength(4);
  });

  it('follows redirects by the rules', async () => {
    const front = await serveFolder(folder);
    try {
      front.habits.redirect = `${server.url}/app.tgz`;
      await get({ url: new URL(`${front.url}/x`) });
      expect(arrived()).toBe(true);
      rmSync(to);
      front.habits.redirect = 'http://example.com/app.tgz';
      await expect(get({ url: new URL(`${front.url}/x`) })).rejects.toMatchObject({
        code: 'download_failed',
        retryable: false,
        data: { reason: expect.stringMatching(/redirects to http:\/\/example\.com\/app\.tgz/) },
      });
      front.habits.redirect = '/again';
      await expect(get({ url: new URL(`${front.url}/x`) })).rejects.toMatchObject({
        data: { reason: 'it redirects without end' },
      });
    } finally {
      await front.close();
    }
  });
});

describe('refused', () => {
  it.each([
    ['other bytes of the same size', { bytes: Buffer.alloc(SIZE, 1) }, 'artifact_mismatch', /sha256/],
    ['too few bytes', { bytes: bytes.subarray(1) }, 'artifact_mismatch', /3499999 bytes/],
    ['too many bytes', { bytes: Buffer.concat([bytes, Buffer.of(1)]) }, 'artifact_mismatch', /3500001 bytes/],
    [
      'more bytes than it says',
      { bytes: Buffer.concat([bytes, bytes]), chunked: true },
      'artifact_mismatch',
      /or more/,
    ],
    ['a web page', { html: true }, 'artifact_mismatch', /web page/],
    ['nothing there', { status: { code: 404, times: 9 } }, 'download_failed', /not there \(404\)/],
    ['no access', { status: { code: 403, times: 9 } }, 'download_failed', /403/],
  ])('%s, at once and leaving nothing', async (_what, habits, code, reason) => {
    Object.assign(server.habits, habits);
    await expect(get()).rejects.toMatchObject({
      code,
      retryable: false,
      data: { reason: expect.stringMatching(reason) },
    });
    expect(existsSync(to)).toBe(false);
    expect(server.requests).toHaveLength(1);
    expect(waits).toEqual([]);
  });

  it('what is larger than the device allows, without asking', async () => {
    await expect(get({ maxBytes: SIZE - 1 })).rejects.toMatchObject({ code: 'artifact_invalid' });
    expect(server.requests).toHaveLength(0);
  });

  it('plain http to elsewhere, without asking, and no query is named', async () => {
    const error = await get({ url: new URL('http://example.com/app.tgz?sig=secret') }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'download_failed' });
    expect(JSON.stringify(error)).not.toMatch(/secret/);
  });
});

describe('ended', () => {
  it.each([
    ['by its deadline', new DOMException('late', 'TimeoutError'), 'deadline_passed'],
    ['by a person', new FettleError('cancelled'), 'cancelled'],
  ])('%s, the part is kept', async (_what, reason, code) => {
    server.habits.stallAt = { bytes: 1_500_000, times: 9 };
    const controller = new AbortController();
    const pending = get({
      signal: controller.signal,
      stallMs: 60_000,
      progress: () => controller.abort(reason),
    });
    await expect(pending).rejects.toMatchObject({ code });
    expect(statSync(`${to}.part`).size).toBeGreaterThanOrEqual(1_000_000);
    server.habits.stallAt = undefined;
    await get();
    expect(server.requests[1]?.status).toBe(206);
    expect(arrived()).toBe(true);
  });
});

describe('a copy from a folder', () => {
  const copy = (from: string, more: object = {}) => copyArtifact({ ...options(), from, ...more });

  it('is whole, private and reported', async () => {
    await copy(join(folder, 'served/app.tgz'));
    expect(arrived()).toBe(true);
    expect(statSync(to).mode & 0o777).toBe(0o600);
    expect(leftovers()).toEqual(['app.tgz']);
    expect(reports.at(-1)).toMatchObject({ done: SIZE, total: SIZE });
  });

  it('refuses other bytes, more bytes, no file, and what is larger than allowed', async () => {
    const other = join(folder, 'other.tgz');
    writeFileSync(other, Buffer.alloc(SIZE));
    await expect(copy(other)).rejects.toMatchObject({ code: 'artifact_mismatch' });
    writeFileSync(other, Buffer.concat([bytes, bytes]));
    await expect(copy(other)).rejects.toMatchObject({ code: 'artifact_mismatch' });
    await expect(copy(join(folder, 'none'))).rejects.toMatchObject({ data: { reason: 'the file is not there' } });
    await expect(copy(folder)).rejects.toMatchObject({ code: 'download_failed' });
    await expect(copy(other, { maxBytes: 10 })).rejects.toMatchObject({ code: 'artifact_invalid' });
    expect(leftovers()).toEqual([]);
  });
});
