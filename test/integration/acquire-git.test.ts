import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AcquireContext, type Acquirer, createAcquirer } from '../../agent/acquire/index.ts';
import { endMarked, workMark } from '../../agent/acquire/work-mark.ts';
import { findByStartId } from '../../agent/keeper/scan.ts';
import { type AppConfig, AppSchema } from '../../config/agent-schema.ts';
import { commitVersion } from '../../src/domain/commit-version.ts';
import { createGitOrigin, gitDigest } from '../../src/origin/git.ts';
import { createRotationFile } from '../../src/origin/key-rotation.ts';
import { cleanNpmEnvironment, createNpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import { createSeenFile } from '../../src/origin/seen.ts';
import type { OrderedRelease, Progress } from '../../src/protocol/messages.ts';
import { type GitServer, makeRepository, serveGit, type TestRepository } from '../support/git.ts';
import { npmCli } from '../support/registry.ts';
import { until } from '../support/until.ts';

/** A commit into a slot, and builds, as the updater has them made: real repositories, real children. */

let folder: string;
let repository: TestRepository;
let server: GitServer;
let acquirer: Acquirer;
let reports: Progress[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-acquire-git-'));
  mkdirSync(join(folder, 'releases'));
  repository = makeRepository(join(folder, 'served', 'site'));
  server = await serveGit(join(folder, 'served'));
  reports = [];
  const npm = {
    node: process.execPath,
    npmCli,
    cache: join(folder, 'npm-cache'),
    npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: {}, from: [] }),
    env: cleanNpmEnvironment({ ...process.env, FETTLE_SECRET: 'x', API_TOKEN: 'y' }, process.execPath),
  };
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  acquirer = createAcquirer({
    npm: createNpmOrigin(npm),
    git: createGitOrigin({ folder: join(folder, 'git'), env: npm.env }),
    package: { ...npm, clock },
    seen: createSeenFile(join(folder, 'seen.json')),
    rotations: createRotationFile(join(folder, 'rotations.json')),
    clock,
    fetch,
    platform: 'linux-x64',
  });
});
afterEach(async () => {
  endMarked(workMark(slot()));
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const slot = () => join(folder, 'releases', 'slot');
const config = (more: object = {}, ref = 'main'): AppConfig =>
  AppSchema.parse({ source: `git ${server.url}/site/.git ${ref}`, run: 'x', ...more });

/** As the hub orders a commit of a branch. */
function ordered(commit: string): OrderedRelease {
  const seconds = Number(repository.git('log', '-1', '--format=%ct', commit));
  return { version: commitVersion(commit, seconds), channel: 'stable', digest: gitDigest(commit) };
}

function context(release: OrderedRelease, more: Partial<AcquireContext> = {}): AcquireContext {
  return {
    app: 'site',
    config: config(),
    release,
    slot: slot(),
    tmp: join(folder, 'tmp'),
    cache: join(folder, 'cache'),
    buildLog: join(folder, 'build.log'),
    signal: new AbortController().signal,
    progress: (p) => reports.push(p),
    ...more,
  };
}

const building = (command: string, more: object = {}, rest: Partial<AcquireContext> = {}) => {
  const commit = repository.commit({ 'a.txt': `${Math.random()}` });
  return acquirer.acquire(context(ordered(commit), { config: config({ build: command, ...more }), ...rest }));
};
const file = (path: string) => readFileSync(join(slot(), path), 'utf8');

describe('a commit', () => {
  it('arrives exactly as it was committed, without .git, and programs can be run', async () => {
    repository.commit({
      'run.sh': '#!/bin/sh\necho hello\n',
      'left-out.txt': '$Format:%H$ $Id$\r\n',
      '.gitattributes': '*.txt export-ignore export-subst ident text eol=crlf\n*.sh filter=evil\n',
      'docs/latest': { to: '../run.sh' },
    });
    repository.git('update-index', '--chmod=+x', 'run.sh');
    repository.git('commit', '--quiet', '--message', 'May be run');
    const commit = repository.git('rev-parse', 'HEAD');
    const release = ordered(commit);
    await acquirer.confirm(context(release));
    await acquirer.acquire(context(release));
    expect(readdirSync(slot()).sort()).toEqual(['.gitattributes', 'docs', 'left-out.txt', 'run.sh']);
    expect(file('left-out.txt')).toBe(`${repository.git('show', 'HEAD:left-out.txt')}\n`);
    expect(statSync(join(slot(), 'run.sh')).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(slot(), 'docs/latest'))).toBe('../run.sh');
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  });

  it('older than the newest is had by its history; one that the branch lost is not', async () => {
    const first = repository.commit({ 'a.txt': 'one' });
    const lost = repository.commit({ 'a.txt': 'two' });
    const tip = ordered(lost);
    await acquirer.acquire(context(tip));
    expect(file('a.txt')).toBe('two');
    await acquirer.acquire(context(ordered(first)));
    expect(file('a.txt')).toBe('one');
    repository.git('branch', 'elsewhere');
    repository.git('reset', '--quiet', '--hard', first);
    const now = repository.commit({ 'a.txt': 'three' });
    // It is still at the server, by another branch, and in the mirror here.
    await expect(acquirer.acquire(context(tip))).rejects.toMatchObject({
      code: 'artifact_unverified',
      data: { reason: expect.stringContaining('main does not lead to commit') },
    });
    expect(readdirSync(slot())).toEqual([]);
    await acquirer.acquire(context(ordered(now)));
    expect(file('a.txt')).toBe('three');
  });

  it('is not another than was ordered: version, digest and tag are held together', async () => {
    const commit = repository.commit({ 'a.txt': 'one' });
    repository.git('tag', 'v1.0.0');
    const release = ordered(commit);
    const refused = (of: OrderedRelease, ref = 'main') =>
      expect(acquirer.acquire(context(of, { config: config({}, ref) }))).rejects.toMatchObject({
        code: 'artifact_unverified',
      });
    await refused({ ...release, version: release.version.replace('2026', '2027') });
    await refused({ ...release, digest: gitDigest('f'.repeat(40)) });
    await refused({ ...release, version: '9.9.9' });
    const tagged = {
      version: '1.0.0',
      channel: 'stable',
      digest: gitDigest(commit, { tag: 'v1.0.0', object: commit }),
    };
    await acquirer.acquire(context(tagged, { config: config({}, 'v*') }));
    repository.commit({ 'a.txt': 'evil' });
    repository.git('tag', '--force', 'v1.0.0');
    await expect(acquirer.confirm(context(tagged, { config: config({}, 'v*') }))).rejects.toMatchObject({
      code: 'artifact_unverified',
    });
  });

  it.each([
    ['a link out of the slot', { link: { to: '../../secret' } }, 'leads out of its folder'],
    ['an absolute link', { link: { to: '/etc/passwd' } }, 'absolute target'],
    ['a folder of ours', { '.fettle/slot.json': '{}' }, 'name that is ours'],
    [
      'files in LFS',
      {
        '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
        'big.bin': `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 12345\n`,
      },
      'git LFS',
    ],
  ])('with %s is refused', async (_what, files, reason) => {
    const release = ordered(repository.commit(files as Parameters<TestRepository['commit']>[0]));
    await expect(acquirer.acquire(context(release))).rejects.toMatchObject({
      code: 'artifact_invalid',
      data: { reason: expect.stringContaining(reason) },
    });
  });

  it('with submodules, or with more than the device allows, is refused', async () => {
    const inner = makeRepository(join(folder, 'inner'));
    inner.commit({ 'b.txt': 'x' });
    const big = repository.commit({ 'big.bin': 'x'.repeat(1_200_000) });
    const small = { maxUnpacked: '1MB' };
    await expect(acquirer.acquire(context(ordered(big), { config: config(small) }))).rejects.toMatchObject({
      code: 'artifact_invalid',
      data: { reason: expect.stringContaining('maxUnpacked') },
    });
    repository.git('submodule', '--quiet', 'add', inner.folder, 'part');
    const release = ordered(repository.commit({ 'a.txt': 'x' }));
    await expect(acquirer.acquire(context(release))).rejects.toMatchObject({
      code: 'artifact_invalid',
      data: { reason: expect.stringContaining('submodules'), entry: 'part' },
    });
  });
});

describe('a build', () => {
  it('runs in the slot with an environment of its own, and says what it does', async () => {
    await building('env > env.txt; node -p process.execPath > node.txt; npm --version > npm.txt; cat; echo made');
    expect(file('node.txt').trim()).toBe(process.execPath);
    expect(file('npm.txt')).toMatch(/^\d+\./);
    const env = file('env.txt');
    expect(env).toMatch(/^CI=1$/m);
    expect(env).toMatch(/^RELEASE_COMMIT=[0-9a-f]{40}$/m);
    expect(env).not.toMatch(/SECRET|API_TOKEN|^HOME=\/(root|home)/m);
    expect(reports.at(0)).toBeDefined();
    expect(readFileSync(join(folder, 'build.log'), 'utf8')).toBe('made\n');
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  });

  it('that fails says its last lines, without tokens, and keeps the whole output in its log', async () => {
    const token = `ghp_${'a'.repeat(36)}`;
    const command = `for i in $(seq 1 50); do echo line $i; done; echo no such target ${token} >&2; exit 3`;
    await expect(building(command)).rejects.toMatchObject({
      code: 'build_failed',
      data: { reason: expect.stringMatching(/status 3 .* line 50 .*no such target \[hidden\]$/) },
    });
    expect(readFileSync(join(folder, 'build.log'), 'utf8')).toContain('line 1\n');
  });

  it('shares its cache with the next one, not with what serves, and a failed one spoils nothing', async () => {
    const cache = { cache: ['target'] };
    const command = 'mkdir -p target; cat target/state > seen.txt 2>/dev/null; echo good >> target/state';
    await building(command, cache);
    expect(file('seen.txt')).toBe('');
    await expect(building('echo bad > target/state; exit 1', cache)).rejects.toMatchObject({ code: 'build_failed' });
    await building(command, cache);
    expect(file('seen.txt')).toBe('good\n');
    const [ours, kept] = [join(slot(), 'target/state'), join(folder, 'cache/target/state')].map((p) => statSync(p));
    expect(ours?.ino).not.toBe(kept?.ino);
    expect(readFileSync(join(folder, 'cache/target/state'), 'utf8')).toBe('good\ngood\n');
  });

  it.each([
    ['forks out of its group and holds the output', 'setsid sh -c "sleep 300" & (setsid sleep 300 &) ; exit 0'],
    ['is cancelled while its children run', 'setsid sleep 300 & (sh -c "setsid sleep 300" &); sleep 300'],
  ])('that %s is ended whole', async (what, command) => {
    const controller = new AbortController();
    const done = building(command, {}, { signal: controller.signal });
    if (what.includes('cancelled')) {
      const marked = () => findByStartId(workMark(slot())).length > 3;
      const [cancelled] = await Promise.allSettled([
        done,
        until('its children', marked).then(() => controller.abort()),
      ]);
      expect(cancelled).toMatchObject({ status: 'rejected', reason: { code: 'cancelled' } });
    } else {
      await done;
    }
    expect(findByStartId(workMark(slot()))).toEqual([]);
    expect(existsSync(join(folder, 'tmp', 'build'))).toBe(false);
  });

  it('is over when it ends, also where a stranger that it left holds its output', async () => {
    const left = `env -i "$(command -v setsid)" /bin/sh -c 'echo $$ > pid; exec /bin/sleep 300' &`;
    await building(`${left} while [ ! -s pid ]; do sleep 0.05; done; echo made`);
    expect(readFileSync(join(folder, 'build.log'), 'utf8')).toBe('made\n');
    process.kill(Number(file('pid')), 'SIGKILL');
  });

  it('of an agent that was killed is ended before the slot is made anew', async () => {
    mkdirSync(slot(), { recursive: true });
    const left = spawn('sh', ['-c', 'while :; do mkdir -p old; echo x > old/file; done'], {
      cwd: slot(),
      env: { PATH: process.env.PATH, FETTLE_START: workMark(slot()) },
      detached: true,
      stdio: 'ignore',
    });
    await until('it to write', () => existsSync(join(slot(), 'old/file')));
    await building('ls > list.txt');
    expect(file('list.txt')).toBe('a.txt\nlist.txt\n');
    expect(findByStartId(workMark(slot()))).toEqual([]);
    expect(left.pid).toBeDefined();
  });

  it('that hangs ends by its deadline', async () => {
    const signal = AbortSignal.timeout(700);
    await expect(building('sleep 300', {}, { signal })).rejects.toMatchObject({ code: 'deadline_passed' });
    expect(findByStartId(workMark(slot()))).toEqual([]);
  });

  it('that writes more than the device allows is ended', async () => {
    const many = 'i=0; while :; do i=$((i+1)); head -c 500000 /dev/zero > f$i; done';
    for (const command of ['cat /dev/zero > file', many]) {
      await expect(building(command, { maxUnpacked: '3MB' })).rejects.toMatchObject({
        code: 'build_failed',
        data: { reason: expect.stringContaining('maxUnpacked') },
      });
    }
  });

  it('can say without end: the log is bounded', async () => {
    await building('yes "a line" | head -c 9000000; echo the end');
    expect(statSync(join(folder, 'build.log')).size).toBeLessThan(4_500_000);
    expect(readFileSync(join(folder, 'build.log'), 'utf8')).toMatch(/bytes left out[\s\S]*the end\n$/);
  });
});
