import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppSchema } from '../../config/agent-schema.ts';
import { newestEligible } from '../../src/domain/release.ts';
import { createGitOrigin, type GitSource } from '../../src/origin/git.ts';
import { cleanNpmEnvironment } from '../../src/origin/npm.ts';
import { createGitSource } from '../../src/releases/git.ts';
import type { SourceAnswer } from '../../src/releases/release-source.ts';
import { type GitServer, makeRepository, serveGit, type TestRepository } from '../support/git.ts';

/** What the hub sees in real repositories, behind git's own HTTP server and in folders. */

let folder: string;
let repository: TestRepository;
let server: GitServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-git-'));
  repository = makeRepository(join(folder, 'served', 'site'));
  server = await serveGit(join(folder, 'served'));
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const signal = AbortSignal.timeout(50_000);
const origin = (git?: string) =>
  createGitOrigin({ folder: join(folder, 'hub'), env: cleanNpmEnvironment(process.env), git });
const source = (text: string) => AppSchema.parse({ source: `git ${text}`, run: 'x' }).source as GitSource;
const overHttp = (ref = '') => source(`${server.url}/site/.git ${ref}`);

async function read(from: GitSource, etag?: string): Promise<SourceAnswer> {
  const answer = await createGitSource({ origin: origin() }).read(from, { app: 'site', etag, signal });
  if (answer === 'unchanged') throw new Error('unchanged');
  return answer;
}

describe('a branch', () => {
  it('has a release a commit, the newest first, and is asked once where nothing has changed', async () => {
    repository.commit({ 'a.txt': 'one' }, 'First');
    const second = repository.commit({ 'a.txt': 'two' }, 'Second');
    const { offer, etag } = await read(overHttp('main'));
    expect(offer.releases.map((r) => r.version)).toEqual([
      `2026.11.21-100200-${second.slice(0, 7)}`,
      expect.stringMatching(/^2026\.11\.21-100100-/),
    ]);
    expect(newestEligible(offer, 'stable')).toMatchObject({
      notes: expect.stringMatching(/^\w{7} Second\n\w{7} First$/),
      publishedAt: Date.parse('2026-11-21T10:02:00Z'),
    });
    server.requests.length = 0;
    const again = await createGitSource({ origin: origin() }).read(overHttp('main'), { app: 'site', etag, signal });
    expect(again).toBe('unchanged');
    expect(server.requests.every(({ line }) => /info\/refs|git-upload-pack/.test(line))).toBe(true);
    expect(server.requests.length).toBeLessThanOrEqual(2);
    // Commits alone: no file of the repository is at the hub.
    const mirror = origin().mirror(overHttp('main'));
    const git = (...args: string[]) => repository.git(`--git-dir=${mirror}`, ...args);
    expect(git('cat-file', '--batch-check', '--batch-all-objects')).not.toContain('blob');
  });

  it('that was written anew offers what it has now, the newest as such', async () => {
    repository.commit({ 'a.txt': 'one' }, 'First');
    const gone = repository.commit({ 'a.txt': 'two' }, 'Second');
    await read(overHttp());
    repository.git('reset', '--quiet', '--hard', 'HEAD~1');
    const now = repository.commit({ 'a.txt': 'three' }, 'Third');
    const { offer } = await read(overHttp());
    expect(offer.channels.stable).toContain(now.slice(0, 7));
    expect(offer.releases.map((r) => r.version).join()).not.toContain(gone.slice(0, 7));
  });
});

describe('tags', () => {
  it('that fit the pattern and are versions are releases, with channels and what is new', async () => {
    repository.commit({ 'a.txt': 'one' }, 'First');
    repository.git('tag', 'v1.0.0');
    repository.commit({ 'a.txt': 'two' }, 'Faster');
    repository.git('tag', '--annotate', 'v1.1.0', '--message', 'A good one');
    repository.commit({ 'a.txt': 'three' }, 'Try');
    repository.git('tag', 'v1.2.0-beta.1');
    repository.git('tag', 'nightly');
    repository.git('tag', 'other-9.0.0');
    const { offer } = await read(overHttp('v*'));
    expect(offer.channels).toEqual({ stable: '1.1.0', beta: '1.2.0-beta.1' });
    expect(offer.releases.map((r) => r.version)).toEqual(['1.2.0-beta.1', '1.1.0', '1.0.0']);
    expect(offer.releases[1]?.notes).toMatch(/^A good one\n\w{7} Faster$/);
    // Without a reference: tags, since some are versions.
    expect((await read(overHttp())).offer.channels.stable).toBe('1.1.0');
    expect((await read(overHttp('other-*'))).offer.channels).toEqual({ stable: '9.0.0' });
  });

  it('that was set anew is another release', async () => {
    repository.commit({ 'a.txt': 'one' });
    repository.git('tag', 'v1.0.0');
    const before = await read(overHttp('v*'));
    repository.commit({ 'a.txt': 'evil' });
    repository.git('tag', '--force', 'v1.0.0');
    const after = await read(overHttp('v*'), before.etag);
    expect(after.offer.releases[0]?.digest).not.toBe(before.offer.releases[0]?.digest);
  });
});

describe('the address', () => {
  it('may be a folder; its hooks and its configuration run nothing', async () => {
    repository.commit({ 'a.txt': 'one' });
    const proof = join(folder, 'ran');
    const hook = join(repository.folder, '.git', 'hooks', 'reference-transaction');
    for (const name of ['reference-transaction', 'post-checkout', 'pre-auto-gc']) {
      writeFileSync(join(hook, '..', name), `#!/bin/sh\ntouch ${proof}\n`);
      chmodSync(join(hook, '..', name), 0o755);
    }
    repository.git('config', 'core.fsmonitor', `touch ${proof}`);
    rmSync(proof, { force: true });
    expect((await read(source(`${repository.folder} main`))).offer.releases).toHaveLength(1);
    expect(existsSync(proof)).toBe(false);
  });

  it('with a password reaches only the server, and nobody reads it', async () => {
    repository.commit({ 'a.txt': 'one' });
    server.password = 'open sesame';
    await expect(read(overHttp('main'))).rejects.toMatchObject({ code: 'source_unreachable' });
    const secret = source(`${server.url.replace('://', '://ada:open%20sesame@')}/site/.git main`);
    expect((await read(secret)).offer.releases).toHaveLength(1);
    server.password = 'another';
    const error = await read(secret).catch((e: unknown) => e);
    expect(JSON.stringify([error, String(error)])).not.toMatch(/sesame|ada/);
    for (const name of readdirSync(join(folder, 'hub'), { recursive: true, encoding: 'utf8' })) {
      if (/config$/.test(name)) expect(readFileSync(join(folder, 'hub', name), 'utf8')).not.toContain('sesame');
    }
  });

  it.each([
    ['ext::sh -c true', 'ext is not used'],
    ['--upload-pack=/bin/true', 'does not start with -'],
    ['https://example.org/x --force', 'a branch'],
    ['http://example.org/x', 'use https'],
    ['ssh://-oProxyCommand=x/y', 'host does not start with -'],
    ['https://example.org/x a..b', 'a branch'],
  ])('%s is refused where the file is read', (text, reason) => {
    const result = AppSchema.safeParse({ source: `git ${text}`, run: 'x' });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(reason);
  });

  it('is looked at again before git sees it, and a missing git is said', async () => {
    const sneaked: GitSource = { kind: 'git', url: `ext::sh -c touch% ${join(folder, 'ran')}` };
    await expect(read(sneaked)).rejects.toMatchObject({ code: 'source_invalid' });
    expect(existsSync(join(folder, 'ran'))).toBe(false);
    const refs = origin('/nowhere/git').refs(overHttp(), { signal });
    await expect(refs).rejects.toMatchObject({
      code: 'source_unreachable',
      data: { reason: expect.stringContaining('apt install git') },
    });
  });

  it('without such a branch, or without anything, says so', async () => {
    await expect(read(overHttp())).rejects.toMatchObject({ code: 'source_invalid' });
    repository.commit({ 'a.txt': 'one' });
    await expect(read(overHttp('nope'))).rejects.toMatchObject({
      code: 'source_invalid',
      data: { reason: 'it has neither a branch nor a tag nope' },
    });
    await expect(read(source(`${server.url}/missing`))).rejects.toMatchObject({ code: 'source_unreachable' });
  });
});
