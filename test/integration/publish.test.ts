import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describePublished, type PublishOptions, publish } from '../../src/cli/publish.ts';
import { Index, statementDigest } from '../../src/origin/feed-format.ts';
import { sha256, writeArchive } from '../support/artifact.ts';

let folder: string;
let feed: string;
let now: number;
const clock = { now: () => now, monotonic: () => performance.now() };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-publish-'));
  feed = join(folder, 'feed');
  now = Date.parse('2026-11-21T08:00:00Z');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function archive(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  await writeArchive(path, [{ name: 'server.js', content }]);
  return path;
}

async function put(version: string, more: Partial<PublishOptions> = {}) {
  const path = await archive(`site-${version}.tgz`, version);
  return publish({ folder: feed, app: 'site', version, files: [{ platform: 'any', path }], clock, ...more });
}

const index = () => Index.parse(JSON.parse(readFileSync(join(feed, 'index.json'), 'utf8')));

describe('publish', () => {
  it('writes artifacts, statement and index that agree', async () => {
    const published = await put('1.0.0', { notes: 'First.' });
    const statement = readFileSync(join(feed, 'releases/1.0.0/statement.json'), 'utf8');
    const bytes = readFileSync(join(feed, 'releases/1.0.0/site-1.0.0.tgz'));
    expect(JSON.parse(statement)).toEqual({
      app: 'site',
      version: '1.0.0',
      channel: 'stable',
      notes: sha256('First.'),
      artifacts: { any: { file: 'site-1.0.0.tgz', sha256: sha256(bytes), size: bytes.length } },
    });
    expect(index()).toEqual({
      format: 'fettle-feed/1',
      app: 'site',
      number: 1,
      date: '2026-11-21T08:00:00Z',
      expires: '2027-02-19T08:00:00Z',
      channels: { stable: '1.0.0' },
      releases: [{ version: '1.0.0', channel: 'stable', date: '2026-11-21T08:00:00Z', notes: 'First.', statement }],
    });
    expect(published).toMatchObject({ number: 1, fresh: true, newest: '1.0.0', digest: statementDigest(statement) });
    expect(describePublished(published)[0]).toBe('Published site 1.0.0 (stable).');
    // A web server of another user must be able to read all of it.
    for (const file of ['index.json', 'releases/1.0.0/statement.json', 'releases/1.0.0/site-1.0.0.tgz']) {
      expect(statSync(join(feed, file)).mode & 0o444).toBe(0o444);
    }
  });

  it('counts up, keeps newest first, and does not let an older version take over its channel', async () => {
    await put('1.0.0');
    await put('1.2.0');
    const late = await put('1.1.1');
    await put('2.0.0-beta.1', { channel: 'beta' });
    expect(late.newest).toBe('1.2.0');
    expect(describePublished(late).at(-1)).toMatch(/stays at 1\.2\.0/);
    expect(index()).toMatchObject({ number: 4, channels: { stable: '1.2.0', beta: '2.0.0-beta.1' } });
    expect(index().releases.map((r) => r.version)).toEqual(['2.0.0-beta.1', '1.2.0', '1.1.1', '1.0.0']);
  });

  it('renews the index for the same bytes and refuses others', async () => {
    const first = await put('1.0.0');
    now += 86_400_000;
    const again = await put('1.0.0');
    expect(again).toMatchObject({ fresh: false, number: 2, digest: first.digest, expires: '2027-02-20T08:00:00Z' });
    expect(index().releases[0]?.date).toBe('2026-11-21T08:00:00Z');
    const other = await archive('site-1.0.0.tgz', 'other');
    const before = readFileSync(join(feed, 'index.json'), 'utf8');
    await expect(
      publish({ folder: feed, app: 'site', version: '1.0.0', files: [{ platform: 'any', path: other }], clock }),
    ).rejects.toMatchObject({ code: 'publish_refused', data: { reason: expect.stringMatching(/other content/) } });
    await expect(put('1.0.0', { notes: 'New notes.' })).rejects.toMatchObject({ code: 'publish_refused' });
    expect(readFileSync(join(feed, 'index.json'), 'utf8')).toBe(before);
    expect(readdirSync(join(feed, 'releases'))).toEqual(['1.0.0']);
  });

  it('gives files of one name their platform’s', async () => {
    const files = [
      { platform: 'linux-x64', path: await archive('x64/site.tar.zst', 'x64') },
      { platform: 'linux-arm64', path: await archive('arm64/site.tar.zst', 'arm64') },
    ];
    const published = await publish({ folder: feed, app: 'site', version: 'v1.0.0', files, clock });
    expect(published.version).toBe('1.0.0');
    expect(readdirSync(join(feed, 'releases/1.0.0')).sort()).toEqual([
      'linux-arm64-site.tar.zst',
      'linux-x64-site.tar.zst',
      'statement.json',
    ]);
  });

  it.each<[string, Partial<PublishOptions>, RegExp]>([
    ['a version that is none', { version: 'one' }, /no version/],
    ['a version that is a path', { version: '../1.0.0' }, /no version/],
    ['a prerelease as stable', { version: '1.0.0-rc.1' }, /prerelease/],
    ['no files', { files: [] }, /at least one file/],
    ['an unknown archive', { files: [{ platform: 'any', path: '/x/site.exe' }] }, /none of/],
    ['a platform that is none', { files: [{ platform: 'linux', path: '/x/a.zip' }] }, /no platform/],
    ['a file that is not there', { files: [{ platform: 'any', path: '/nowhere/a.zip' }] }, /no file/],
    [
      'two files of one platform',
      { files: [1, 2].map((n) => ({ platform: 'any', path: `/x/${n}.zip` })) },
      /two files/,
    ],
    ['a name that an address must escape', { files: [{ platform: 'any', path: '/x/a b.zip' }] }, /escape/],
    ['a channel that is none', { channel: 'Big Channel' }, /no name of a channel/],
    ['an app that is none', { app: '../x' }, /no name of an app/],
  ])('refuses %s, and changes nothing', async (_what, more, reason) => {
    await expect(put('1.0.0', more)).rejects.toMatchObject({
      code: 'publish_refused',
      data: { reason: expect.stringMatching(reason) },
    });
    expect(existsSync(join(feed, 'index.json'))).toBe(false);
  });

  it('refuses a folder for a file, and an empty file', async () => {
    const path = join(folder, 'odd.zip');
    mkdirSync(path);
    const files = [{ platform: 'any', path }];
    await expect(put('1.0.0', { files })).rejects.toMatchObject({ data: { reason: `${path} is no file` } });
    rmSync(path, { recursive: true });
    writeFileSync(path, '');
    await expect(put('1.0.0', { files })).rejects.toMatchObject({ data: { reason: 'odd.zip is empty' } });
  });

  it('refuses a folder of another app, and one whose index it can’t read', async () => {
    await put('1.0.0');
    await expect(put('1.0.0', { app: 'shop' })).rejects.toMatchObject({
      code: 'publish_refused',
      data: { reason: expect.stringContaining('not of shop') },
    });
    writeFileSync(join(feed, 'index.json'), '{');
    await expect(put('1.1.0')).rejects.toMatchObject({ code: 'publish_refused' });
    expect(readFileSync(join(feed, 'index.json'), 'utf8')).toBe('{');
  });

  it('loses none of several publishers at once', async () => {
    const versions = Array.from({ length: 12 }, (_, i) => `1.${i}.0`);
    const done = await Promise.all(versions.map((version) => put(version)));
    expect(done.map((p) => p.number).sort((a, b) => a - b)).toEqual(versions.map((_, i) => i + 1));
    expect(
      index()
        .releases.map((r) => r.version)
        .sort(),
    ).toEqual([...versions].sort());
    expect(index().channels).toEqual({ stable: '1.11.0' });
  });

  it('takes over what an interrupted publisher left', async () => {
    mkdirSync(join(feed, 'releases/1.0.0'), { recursive: true });
    writeFileSync(join(feed, 'releases/1.0.0/site-1.0.0.tgz'), 'half');
    writeFileSync(join(feed, 'releases/1.0.0/site-1.0.0.tgz.new'), 'half');
    await put('1.0.0');
    const source = readFileSync(join(folder, 'site-1.0.0.tgz'));
    expect(readFileSync(join(feed, 'releases/1.0.0/site-1.0.0.tgz'))).toEqual(source);
    expect(readdirSync(join(feed, 'releases/1.0.0')).sort()).toEqual(['site-1.0.0.tgz', 'statement.json']);
  });
});
