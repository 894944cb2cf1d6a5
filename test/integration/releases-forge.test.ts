import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppSchema } from '../../config/agent-schema.ts';
import type { FettleError } from '../../src/domain/errors.ts';
import { createGitOrigin } from '../../src/origin/git.ts';
import { cleanNpmEnvironment, createNpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import { createRotationFile } from '../../src/origin/rotation-file.ts';
import {
  type CheckedApp,
  createReleaseChecker,
  createReleaseSources,
  createSeenInStore,
  type ReleaseChecker,
} from '../../src/releases/index.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { type ForgeServer, serveForge } from '../support/forge-server.ts';
import { npmCli } from '../support/registry.ts';

/** The hub's questions to GitHub and Gitea, with its store. */

const MINUTE = 60_000;
const { signal } = new AbortController();
let folder: string;
let store: OpenStore;
let server: ForgeServer;
let checker: ReleaseChecker;
let now: number;
const clock = { now: () => now, monotonic: () => now };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-releases-'));
  store = await openStore(join(folder, 'hub.db'));
  now = Date.parse('2026-11-21T08:00:00Z');
  checker = start();
});
afterEach(async () => {
  expect(server.violations).toEqual([]);
  await server.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As a hub that starts. */
function start(): ReleaseChecker {
  const env = cleanNpmEnvironment(process.env);
  const npmrc = writeNpmrc({ file: join(folder, 'npmrc'), env: {}, from: [] });
  const sources = createReleaseSources({
    npm: createNpmOrigin({ node: process.execPath, npmCli, cache: join(folder, 'npm-cache'), npmrc, env }),
    git: createGitOrigin({ folder: join(folder, 'git'), env }),
    seen: createSeenInStore(store.db),
    rotations: createRotationFile(join(folder, 'rotations.json')),
    fetch,
    clock,
  });
  return createReleaseChecker({ db: store.db, sources, clock });
}

const app = (more: object = {}, channel = 'stable'): CheckedApp => {
  const at =
    server.kind === 'github' ? { github: server.repo, api: server.api } : { gitea: `${server.web}/${server.repo}` };
  return { name: 'robot', channel, source: AppSchema.parse({ source: { ...at, ...more }, run: 'x' }).source };
};
const check = (of = app()) => checker.check(of, { signal });
const failure = (promise: Promise<unknown>): Promise<FettleError> =>
  promise.then(
    () => {
      throw new Error('did not fail');
    },
    (error: FettleError) => error,
  );
const statuses = () => server.requests.map(({ status }) => status);
const robot = { name: 'robot-linux-x64.tar.gz', bytes: 'robot' };

describe.each(['github', 'gitea'] as const)('%s', (kind) => {
  beforeEach(async () => {
    server = await serveForge(kind);
    server.releases.push(
      { tag: 'v1.1.0', body: 'Faster.\r\nAnd safer.', assets: [robot] },
      { tag: 'v1.0.0', name: 'The first' },
    );
  });

  it('is one request a check, conditional where the server can', async () => {
    const { newest, offer } = await check();
    expect(newest).toMatchObject({ version: '1.1.0', channel: 'stable', notes: 'Faster.\nAnd safer.', digest: '' });
    expect(offer.releases.map(({ version, notes }) => [version, notes])).toEqual([
      ['1.1.0', 'Faster.\nAnd safer.'],
      ['1.0.0', 'The first'],
    ]);
    now += 5 * MINUTE;
    checker = start();
    expect((await check()).newest?.version).toBe('1.1.0');
    expect(statuses()).toEqual(kind === 'github' ? [200, 304] : [200, 200]);
    server.releases.unshift({ tag: 'v1.2.0' });
    expect((await check()).newest?.version).toBe('1.2.0');
    expect(statuses()).toHaveLength(3);
  });

  it('looks at a release anew for each order', async () => {
    const first = await checker.resolve(app(), undefined, { signal });
    expect(first).toMatchObject({ version: '1.1.0', digest: expect.stringMatching(/^sha256-[0-9a-f]{64}$/) });
    expect((await checker.resolve(app(), '1.1.0', { signal })).digest).toBe(first.digest);
    server.releases[0] = { tag: 'v1.1.0', assets: [{ ...robot, bytes: 'rob0t' }] };
    expect((await checker.resolve(app(), '1.1.0', { signal })).digest).not.toBe(first.digest);
    server.releases.shift();
    expect(await failure(checker.resolve(app(), '1.1.0', { signal }))).toMatchObject({ code: 'source_invalid' });
  });

  it('offers no draft, and prereleases on channels of their own', async () => {
    server.releases.unshift(
      { tag: 'v3.0.0', draft: true },
      { tag: 'v2.0.0', prerelease: true },
      { tag: 'v1.2.0-beta.1' },
      { tag: 'nightly' },
    );
    expect((await check()).newest?.version).toBe('1.1.0');
    expect((await check(app({}, 'beta'))).newest?.version).toBe('1.2.0-beta.1');
    expect((await check(app({}, 'prerelease'))).newest?.version).toBe('2.0.0');
    expect((await check()).offer.releases.map(({ version }) => version)).not.toContain('3.0.0');
  });

  it('takes the tags that fit a pattern; of two that are one version, the same one as the device', async () => {
    server.releases.unshift(
      { tag: 'arm-v9.0.0' },
      { tag: 'robot-v1.4.0', assets: [robot] },
      { tag: '1.1.0', body: 'Not this.' },
    );
    expect((await check(app({ tags: 'robot-v*' }))).newest?.version).toBe('1.4.0');
    expect((await checker.resolve(app({ tags: 'robot-v*' }), '1.4.0', { signal })).digest).toMatch(/^sha256-/);
    expect((await check()).newest).toMatchObject({ version: '1.1.0', notes: 'Faster.\nAnd safer.' });
  });

  it('finds a release whose tag is spelled in an unusual way', async () => {
    server.releases.unshift({ tag: 'v1.3.0+build.7' }, { tag: 'v1.02.3' });
    const { offer } = await check();
    for (const { version } of offer.releases) {
      expect((await checker.resolve(app(), version, { signal })).digest).toMatch(/^sha256-/);
    }
  });

  it('reads no more pages than are needed of 5,000 releases, and ten at the most', async () => {
    server.releases.splice(0, 2);
    for (let i = 5_000; i > 0; i -= 1) server.releases.push({ tag: `v1.${i}.0` });
    expect((await check()).offer.releases).toHaveLength(100);
    expect(server.requests).toHaveLength(2);
    server.requests.length = 0;
    server.releases[449] = { tag: 'rare-1.0.0' };
    server.releases[4_000] = { tag: 'rare-0.9.0' };
    const found = await check(app({ tags: 'rare-*' }));
    expect(found.offer.releases.map(({ version }) => version)).toEqual(['1.0.0']);
    expect(server.requests).toHaveLength(10);
  });

  it('reads releases with a thousand files each', async () => {
    const assets = Array.from({ length: 1_000 }, (_, i) => ({ name: `robot-part-${i}.tar.gz`, bytes: 'x' }));
    server.releases.unshift(...Array.from({ length: 9 }, (_, i) => ({ tag: `v2.${i}.0`, assets })));
    expect((await check()).newest?.version).toBe('2.8.0');
    expect((await checker.resolve(app(), undefined, { signal })).digest).toMatch(/^sha256-/);
  });

  it('asks for smaller pages where one is too large, and goes on so', async () => {
    server.releases.push(...Array.from({ length: 40 }, (_, i) => ({ tag: `v0.${i}.0`, body: 'x'.repeat(1_000_000) })));
    expect((await check()).offer.releases).toHaveLength(42);
    server.requests.length = 0;
    expect((await check()).newest?.version).toBe('1.1.0');
    expect(server.requests.map(({ path }) => /(?:per_page|limit)=(\d+)/.exec(path)?.[1])).toEqual(['10']);
  });

  it.each([
    ['primary', { resetInS: 1_800, status: 403 as const, clockAheadS: 7_200 }, 30],
    ['secondary', { resetInS: 0, status: 429 as const, retryAfter: 600 }, 10],
  ])(
    'says when it goes on past a limit (%s), by the server’s own clock, and does not ask before',
    async (_, limited, minutes) => {
      await check();
      server.habits.limited = limited;
      const error = await failure(check());
      expect(error).toMatchObject({ code: 'source_unreachable', retryable: true });
      const at = Date.parse(String(error.data.nextAt));
      expect(Math.abs(at - (now + minutes * MINUTE))).toBeLessThan(5_000);
      expect(error.data.reason).toMatch(
        new RegExp(`wants no more questions until 08:${minutes - 1 === 29 ? '(29|30)' : '10'} UTC`),
      );
      const asked = server.requests.length;
      now += (minutes - 1) * MINUTE;
      expect(await failure(checker.check(app(), { signal, automatic: true }))).toMatchObject({
        code: 'source_unreachable',
      });
      expect(server.requests).toHaveLength(asked);
      now += 2 * MINUTE;
      server.habits.limited = undefined;
      expect((await checker.check(app(), { signal, automatic: true })).newest?.version).toBe('1.1.0');
    },
  );

  it('says what was wrong with another answer, and keeps what it knew', async () => {
    await check();
    server.habits.html = true;
    expect(await failure(check())).toMatchObject({
      code: 'source_unreachable',
      data: { reason: expect.stringMatching(/web page/) },
    });
    server.habits.html = undefined;
    server.habits.status = 502;
    expect(await failure(check())).toMatchObject({
      code: 'source_unreachable',
      retryable: true,
      data: { reason: expect.stringMatching(/answered 502/) },
    });
    server.habits.status = undefined;
    server.releases.unshift({ tag: 'v1.2.0', body: 7 as unknown as string });
    expect(await failure(check())).toMatchObject({
      code: 'source_invalid',
      data: { reason: expect.stringMatching(/0\.body/) },
    });
    expect((await checker.known(app()))?.newest?.version).toBe('1.1.0');
    const missing = kind === 'github' ? { github: 'acme/none' } : { gitea: `${server.web}/acme/none` };
    expect(await failure(check(app(missing)))).toMatchObject({
      code: 'source_invalid',
      data: { reason: expect.stringMatching(/no such repository \(404\), or it is private/) },
    });
  });
});

describe('github', () => {
  it('stays conditional where its ETag changes with each download that it counts', async () => {
    server = await serveForge('github');
    server.releases.push({ tag: 'v1.0.0', assets: [robot] });
    await check();
    // Somebody downloads.
    const page = `${server.web}/${server.repo}/releases/download/v1.0.0/${robot.name}`;
    expect((await fetch(page)).status).toBe(200);
    server.requests.length = 0;
    server.requests.push({ role: 'storage', path: '/', authorized: false, status: 200 });
    await check();
    await check();
    await check();
    expect(statuses().slice(1)).toEqual([200, 304, 304]);
  });
});
