import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import type { FettleError } from '../../src/domain/errors.ts';
import { createGitOrigin } from '../../src/origin/git.ts';
import { createRotationFile } from '../../src/origin/key-rotation.ts';
import { cleanNpmEnvironment, createNpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import {
  createReleaseChecker,
  createReleaseSources,
  createSeenInStore,
  type ReleaseChecker,
} from '../../src/releases/index.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { readSource, saveAnswer } from '../../src/store/releases.ts';
import { writeArchive } from '../support/artifact.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { npmCli, type Registry, startRegistry } from '../support/registry.ts';

/** The checker with a real database, a real registry and a real feed. */

const MINUTE = 60_000;
const { signal } = new AbortController();
let folder: string;
let store: OpenStore;
let registry: Registry;
let feed: FeedServer;
let checker: ReleaseChecker;
let now: number;
const clock = { now: () => now, monotonic: () => performance.now() };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-checker-'));
  now = Date.parse('2026-11-21T08:00:00Z');
  registry = await startRegistry();
  feed = await serveFolder(join(folder, 'feed'));
  store = await openStore(join(folder, 'hub.db'));
  checker = start();
});
afterEach(async () => {
  await store.close();
  await feed.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As a hub that starts. */
function start(): ReleaseChecker {
  const npm = createNpmOrigin({
    node: process.execPath,
    npmCli,
    cache: join(folder, 'npm-cache'),
    npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: { npm_config_registry: registry.url }, from: [] }),
    env: cleanNpmEnvironment(process.env),
  });
  const sources = createReleaseSources({
    npm,
    git: createGitOrigin({ folder: join(folder, 'git'), env: cleanNpmEnvironment(process.env) }),
    seen: createSeenInStore(store.db),
    rotations: createRotationFile(join(folder, 'rotations.json')),
    fetch,
  });
  return createReleaseChecker({ db: store.db, sources, clock });
}

const npmApp = (name = 'tiny', channel = 'stable') =>
  ({ name, channel, source: { kind: 'npm', package: 'tiny' } }) as const;
const feedApp = () => ({ name: 'site', channel: 'stable', source: { kind: 'feed', url: feed.url } }) as const;

async function put(version: string, expiresDays = 90) {
  const path = join(folder, `site-${version}.tgz`);
  await writeArchive(path, [{ name: 'a', content: version }]);
  const files = [{ platform: 'any', path }];
  return publish({ folder: join(folder, 'feed'), app: 'site', version, files, expiresDays, clock });
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('did not fail');
    },
    (error: FettleError) => error,
  );

describe('with npm', () => {
  beforeEach(() => registry.publish({ name: 'tiny', version: '1.0.0' }, { name: 'tiny', version: '1.1.0' }));

  it('asks once for all who ask at the same time, whatever app they ask for', async () => {
    const all = await Promise.all([
      checker.check(npmApp(), { signal }),
      checker.check(npmApp('other', 'beta'), { signal }),
      checker.check(npmApp(), { signal }),
    ]);
    expect(registry.requests).toHaveLength(1);
    expect(all.map((c) => c.newest?.version)).toEqual(['1.0.0', undefined, '1.0.0']);
    expect(all[0]?.checkedAt).toBe(now);
  });

  it('asks conditionally the next time, and resolves without asking', async () => {
    await checker.check(npmApp(), { signal });
    const release = await checker.resolve(npmApp(), undefined, { signal });
    expect(release).toMatchObject({ version: '1.0.0', digest: registry.integrity('tiny', '1.0.0') });
    now += 5 * MINUTE;
    expect((await checker.check(npmApp(), { signal })).checkedAt).toBe(now);
    expect(registry.requests.map((r) => r.status)).toEqual([200, 304]);
    // What was resolved is kept while nothing is new.
    const known = await checker.known(npmApp());
    expect(known?.newest?.digest).toBe(registry.integrity('tiny', '1.0.0'));
  });

  it('sees a new version, and answers from the store after a restart without asking', async () => {
    await checker.check(npmApp(), { signal });
    registry.publish({ name: 'tiny', version: '1.2.0' });
    registry.tag('tiny', 'latest', '1.2.0');
    await checker.check(npmApp(), { signal });
    const asked = registry.requests.length;
    const known = await start().known(npmApp());
    expect(known?.newest?.version).toBe('1.2.0');
    expect(known?.offer.releases.map((r) => r.version)).toEqual(['1.2.0', '1.1.0', '1.0.0']);
    expect(registry.requests).toHaveLength(asked);
  });

  it('knows nothing of what was never asked', async () => {
    expect(await checker.known(npmApp())).toBeUndefined();
    expect(await checker.known({ name: 'x', channel: 'stable' })).toBeUndefined();
    expect((await failure(checker.check({ name: 'x', channel: 'stable' }, { signal }))).code).toBe('no_source');
  });

  it('resolves an older version as a person writes it', async () => {
    registry.tag('tiny', 'latest', '1.1.0');
    expect(await checker.resolve(npmApp(), 'v1.0.0', { signal })).toMatchObject({
      version: '1.0.0',
      digest: registry.integrity('tiny', '1.0.0'),
    });
  });

  it('asks again for a version that it does not know, once a minute at most', async () => {
    await checker.check(npmApp(), { signal });
    const unknown = () => failure(checker.resolve(npmApp(), '1.2.0', { signal }));
    expect(await unknown()).toMatchObject({
      code: 'unknown_version',
      data: { version: '1.2.0', newest: ['1.1.0', '1.0.0'] },
    });
    expect(registry.requests).toHaveLength(1);
    registry.publish({ name: 'tiny', version: '1.2.0' });
    now += 2 * MINUTE;
    expect((await checker.resolve(npmApp(), '1.2.0', { signal })).version).toBe('1.2.0');
    expect(registry.requests).toHaveLength(2);
  });

  it('keeps the offer when the registry fails, and gives it more and more time', async () => {
    await checker.check(npmApp(), { signal });
    registry.misbehave('error-500');
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      const error = await failure(checker.check(npmApp(), { signal }));
      expect(error).toMatchObject({
        code: 'source_unreachable',
        retryable: true,
        data: {
          source: 'npm tiny',
          reason: 'the registry answered 500',
          nextAt: new Date(now + minutes * MINUTE).toISOString(),
        },
      });
    }
    const known = await checker.known(npmApp());
    expect(known).toMatchObject({ newest: { version: '1.0.0' }, problem: { failures: 8 }, nextAt: now + 60 * MINUTE });
    expect((await checker.resolve(npmApp(), '1.1.0', { signal })).version).toBe('1.1.0');

    const asked = registry.requests.length;
    expect(await failure(checker.check(npmApp(), { signal, automatic: true }))).toMatchObject({
      code: 'source_unreachable',
    });
    expect(registry.requests).toHaveLength(asked);

    registry.misbehave(undefined);
    now += 60 * MINUTE;
    await checker.check(npmApp(), { signal, automatic: true });
    expect(await checker.known(npmApp())).toMatchObject({ problem: undefined, nextAt: undefined });
  });

  it('remembers a problem of a source that never answered', async () => {
    registry.misbehave('error-500');
    await failure(checker.check(npmApp(), { signal }));
    expect(await checker.known(npmApp())).toMatchObject({ checkedAt: undefined, problem: { failures: 1 } });
    registry.misbehave(undefined);
    expect((await checker.resolve(npmApp(), undefined, { signal })).version).toBe('1.0.0');
  });

  it('goes on for others when one asker goes away, and stops when all have', async () => {
    registry.misbehave('hang');
    const [one, two] = [new AbortController(), new AbortController()];
    const first = failure(checker.check(npmApp(), { signal: one.signal }));
    const second = failure(checker.check(npmApp(), { signal: two.signal }));
    await registry.arrived('/tiny');
    one.abort();
    expect(await first).toMatchObject({ name: 'AbortError' });
    registry.misbehave(undefined);
    two.abort();
    await second;
    // Called off is no problem of the source, and the next question is a new one.
    expect((await checker.check(npmApp(), { signal })).newest?.version).toBe('1.0.0');
    expect(registry.requests).toHaveLength(2);
    expect((await checker.known(npmApp()))?.problem).toBeUndefined();
  });
});

describe('with a feed', () => {
  it('takes digests from statements, and asks conditionally after a restart', async () => {
    const published = await put('1.0.0');
    const { newest } = await checker.check(feedApp(), { signal });
    expect(newest).toMatchObject({ version: '1.0.0', digest: published.digest });
    await start().check(feedApp(), { signal });
    expect(feed.requests.map((r) => r.status)).toEqual([200, 304]);
    expect(await checker.resolve(feedApp(), '1.0.0', { signal })).toEqual(newest);
  });

  it('refuses an index with a lower number than it has seen, also after a restart', async () => {
    await put('1.0.0');
    const index = join(folder, 'feed/index.json');
    const old = readFileSync(index);
    await put('1.1.0');
    await checker.check(feedApp(), { signal });
    writeFileSync(index, old);
    expect(await failure(start().check(feedApp(), { signal }))).toMatchObject({
      code: 'source_rolled_back',
      data: { number: 1, seen: 2 },
    });
    expect((await checker.known(feedApp()))?.newest?.version).toBe('1.1.0');
  });

  it('warns past the expiry, and goes on', async () => {
    await put('1.0.0', 10);
    expect((await checker.check(feedApp(), { signal })).offer.warning).toBeUndefined();
    now += 11 * 24 * 60 * MINUTE;
    const { offer, newest } = await checker.check(feedApp(), { signal });
    expect(offer.warning).toEqual({
      code: 'source_expired',
      data: { source: `feed ${feed.url}/`, expiredAt: '2026-12-01T08:00:00.000Z' },
    });
    expect(newest?.version).toBe('1.0.0');
    await put('1.1.0');
    expect((await checker.check(feedApp(), { signal })).offer.warning).toBeUndefined();
  });

  it('reads the same from the folder itself', async () => {
    await put('1.0.0');
    const source = { kind: 'folder', path: join(folder, 'feed') } as const;
    const { newest } = await checker.check({ ...feedApp(), source }, { signal });
    expect(newest).toMatchObject({ version: '1.0.0', artifacts: [{ platform: 'any' }] });
  });

  it('passes on that it is another app’s feed', async () => {
    await put('1.0.0');
    expect(await failure(checker.check({ ...feedApp(), name: 'shop' }, { signal }))).toMatchObject({
      code: 'source_invalid',
    });
    expect((await checker.check(feedApp(), { signal })).newest?.version).toBe('1.0.0');
  });
});

it('stores a package with thousands of versions', async () => {
  const releases = Array.from({ length: 5_000 }, (_, i) => ({
    version: `1.0.${i}`,
    channel: 'stable',
    digest: '',
    artifacts: [],
  }));
  await saveAnswer(store.db, 'npm big', { offer: { releases, channels: { stable: '1.0.0' } }, at: 1 });
  await saveAnswer(store.db, 'npm big', { offer: { releases, channels: { stable: '1.0.4999' } }, at: 2 });
  const read = await readSource(store.db, 'npm big');
  expect(read?.offer.releases).toHaveLength(5_000);
  expect(read?.offer.releases[0]?.version).toBe('1.0.4999');
});
