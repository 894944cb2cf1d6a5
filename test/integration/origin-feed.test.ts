import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { readFeed } from '../../src/origin/feed.ts';
import { readFolder } from '../../src/origin/folder.ts';
import { checkNumber, createSeenFile } from '../../src/origin/seen.ts';
import { writeArchive } from '../support/artifact.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';

/** Reading a feed that `publish` made, from its folder and from a server. */

let folder: string;
let server: FeedServer;
const { signal } = new AbortController();
const clock = { now: () => Date.parse('2026-11-21T08:00:00Z'), monotonic: () => performance.now() };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-feed-'));
  const path = join(folder, 'site.tgz');
  await writeArchive(path, [{ name: 'a', content: 'one' }]);
  const files = [{ platform: 'any', path }];
  await publish({ folder: join(folder, 'feed'), app: 'site', version: '1.0.0', files, clock });
  server = await serveFolder(join(folder, 'feed'));
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const read = (etag?: string, app = 'site', url = server.url) =>
  readFeed(url, { app, etag, signal, fetch, timeoutMs: 2_000 });

describe('over HTTP', () => {
  it('takes one request, and a conditional one that is answered with unchanged', async () => {
    const first = await read();
    if (first === 'unchanged') throw new Error('unchanged');
    expect(first.offer.channels).toEqual({ stable: '1.0.0' });
    expect(await read(first.etag)).toBe('unchanged');
    expect(server.requests.map((r) => [r.path, r.status, r.ifNoneMatch])).toEqual([
      ['/index.json', 200, undefined],
      ['/index.json', 304, first.etag],
    ]);
  });

  it('follows a redirect to the same machine', async () => {
    const front = await serveFolder(folder);
    front.habits.redirect = `${server.url}/index.json`;
    try {
      expect(await read(undefined, 'site', front.url)).toMatchObject({ offer: { channels: { stable: '1.0.0' } } });
    } finally {
      await front.close();
    }
  });

  it.each([
    ['a web page', { html: true }, 'source_invalid', /web page/],
    ['an error', { status: { code: 503, times: 1 } }, 'source_unreachable', /503/],
    ['no access', { status: { code: 403, times: 1 } }, 'source_unreachable', /403/],
    ['nothing there', { status: { code: 404, times: 1 } }, 'source_invalid', /no index\.json/],
    ['304 that nobody asked for', { status: { code: 304, times: 1 } }, 'source_unreachable', /304/],
    ['a redirect to http elsewhere', { redirect: 'http://example.com/index.json' }, 'source_invalid', /use https/],
    ['a redirect without end', { redirect: '/index.json' }, 'source_invalid', /without end/],
    ['a connection that breaks', { dropAt: { bytes: 20, times: 1 } }, 'source_unreachable', /broke the connection/],
    ['an answer that stops', { stallAt: { bytes: 20, times: 1 } }, 'source_unreachable', /within 2 s/],
    ['an endless index', { bytes: Buffer.alloc(8_000_001, ' '), chunked: true }, 'source_invalid', /larger than 8 MB/],
  ])('refuses %s', async (_what, habits, code, reason) => {
    Object.assign(server.habits, habits);
    await expect(read()).rejects.toMatchObject({ code, data: { reason: expect.stringMatching(reason) } });
  });

  it('names neither query nor credentials', async () => {
    const error = await read(undefined, 'site', 'https://me:hunter2@127.0.0.1/f?sig=secret').catch((e: Error) => e);
    expect(JSON.stringify(error)).not.toMatch(/secret|hunter2/);
    expect(error).toMatchObject({ code: 'source_invalid' });
  });
});

describe('from a folder', () => {
  const at = (path: string, etag?: string) => readFolder(path, { app: 'site', etag, signal });

  it('reads, and says unchanged while it is', async () => {
    const first = await at(join(folder, 'feed'));
    if (first === 'unchanged') throw new Error('unchanged');
    expect(await at(join(folder, 'feed'), first.etag)).toBe('unchanged');
    writeFileSync(join(folder, 'feed/index.json'), `${readFileSync(join(folder, 'feed/index.json'), 'utf8')} `);
    expect(await at(join(folder, 'feed'), first.etag)).not.toBe('unchanged');
  });

  it('is unreachable where there is none', async () => {
    await expect(at(join(folder, 'none'))).rejects.toMatchObject({
      code: 'source_unreachable',
      retryable: true,
      data: { reason: 'there is no index.json in it' },
    });
  });

  it('does not wait for a FIFO or read a folder', async () => {
    mkdirSync(join(folder, 'odd/index.json'), { recursive: true });
    mkdirSync(join(folder, 'fifo'));
    execFileSync('mkfifo', [join(folder, 'fifo/index.json')]);
    for (const odd of ['odd', 'fifo']) {
      await expect(at(join(folder, odd))).rejects.toMatchObject({
        code: 'source_unreachable',
        data: { reason: 'its index.json is no file' },
      });
    }
  });
});

describe('numbers that were seen', () => {
  const index = async (number: number) => {
    const answer = await readFolder(join(folder, 'feed'), { app: 'site', signal });
    if (answer === 'unchanged') throw new Error('unchanged');
    return { ...answer.index, number };
  };

  it('refuses a lower one, also after a restart, and of this source only', async () => {
    const path = join(folder, 'seen.json');
    await checkNumber(createSeenFile(path), 'a', 'feed a', await index(7));
    await checkNumber(createSeenFile(path), 'b', 'feed b', await index(2));
    await expect(checkNumber(createSeenFile(path), 'a', 'feed a', await index(6))).rejects.toMatchObject({
      code: 'source_rolled_back',
      data: { number: 6, seen: 7 },
    });
    await checkNumber(createSeenFile(path), 'a', 'feed a', await index(7));
    expect(await createSeenFile(path).highest('a')).toBe(7);
  });

  it('does not forget because its file is damaged', async () => {
    const path = join(folder, 'seen.json');
    writeFileSync(path, '{"a": 7');
    chmodSync(path, 0o600);
    await expect(checkNumber(createSeenFile(path), 'a', 'feed a', await index(1))).rejects.toThrow();
  });
});
