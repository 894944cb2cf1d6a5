import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Acquirer, createAcquirer } from '../../agent/acquire/index.ts';
import { AppSchema } from '../../config/agent-schema.ts';
import { commitVersion } from '../../src/domain/commit-version.ts';
import type { FettleError } from '../../src/domain/errors.ts';
import { createGitOrigin, gitDigest } from '../../src/origin/git.ts';
import { cleanNpmEnvironment, createNpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import { createRotationFile } from '../../src/origin/rotation-file.ts';
import { createSeenFile } from '../../src/origin/seen.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { type GitServer, makeRepository, serveGit, type TestRepository } from '../support/git.ts';
import { npmCli } from '../support/registry.ts';

/** A hub orders whatever it likes of a repository; the device takes what its own file's `refs` and `signedBy` allow. */

let folder: string;
let repository: TestRepository;
let server: GitServer;
let acquirer: Acquirer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-git-trust-'));
  mkdirSync(join(folder, 'releases'));
  mkdirSync(join(folder, 'home'), { mode: 0o700 });
  repository = makeRepository(join(folder, 'served', 'site'));
  server = await serveGit(join(folder, 'served'));
  const npm = {
    node: process.execPath,
    npmCli,
    cache: join(folder, 'npm-cache'),
    npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: {}, from: [] }),
    env: cleanNpmEnvironment({ ...process.env, HOME: join(folder, 'home') }, process.execPath),
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
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const slot = () => join(folder, 'releases', 'slot');

function ordered(commit: string): OrderedRelease {
  const seconds = Number(repository.git('log', '-1', '--format=%ct', commit));
  return { version: commitVersion(commit, seconds), channel: 'stable', digest: gitDigest(commit) };
}

function orderedTag(tag: string, version: string): OrderedRelease {
  const object = repository.git('rev-parse', `refs/tags/${tag}`);
  const commit = repository.git('rev-parse', `refs/tags/${tag}^{commit}`);
  return { version, channel: 'stable', digest: gitDigest(commit, { tag, object }) };
}

/** `arrived`, or why not. A refusal has left nothing in the slot. */
async function take(release: OrderedRelease, more: object, ref = ''): Promise<string> {
  rmSync(slot(), { recursive: true, force: true });
  const config = AppSchema.parse({ source: `git ${server.url}/site/.git ${ref}`.trim(), run: 'x', ...more });
  const context = {
    ...{ app: 'site', config, release, slot: slot(), tmp: join(folder, 'tmp'), cache: join(folder, 'cache') },
    buildLog: join(folder, 'build.log'),
    signal: AbortSignal.timeout(30_000),
    progress: () => undefined,
  };
  try {
    await acquirer.acquire(context);
    expect(readdirSync(slot())).toContain('file');
    return 'arrived';
  } catch (error) {
    const { code, data } = error as FettleError;
    expect(existsSync(slot()) ? readdirSync(slot()) : []).toEqual([]);
    return `${code}: ${String(data?.reason ?? error)}`;
  }
}

describe('refs', () => {
  test('a commit of another branch, one that nothing leads to, and one of before a force-push are refused', async () => {
    const first = repository.commit({ file: '1' });
    const second = repository.commit({ file: '2' });
    repository.git('checkout', '-q', '-b', 'evil');
    const evil = repository.commit({ file: 'evil' });
    const lost = repository.commit({ file: 'lost' });
    repository.git('reset', '-q', '--hard', 'HEAD~1');
    repository.git('checkout', '-q', 'main');
    const refs = { refs: ['main'] };
    expect(await take(ordered(second), refs)).toBe('arrived');
    expect(await take(ordered(first), refs)).toBe('arrived');
    for (const commit of [evil, lost]) {
      expect(await take(ordered(commit), refs)).toBe(
        `artifact_unverified: main does not lead to commit ${commit.slice(0, 7)} (any more)`,
      );
    }
    // The branch is written anew: what it had is not on it any more, though it is in the mirror.
    repository.git('reset', '-q', '--hard', first);
    const third = repository.commit({ file: '3' });
    expect(await take(ordered(second), refs)).toMatch(/^artifact_unverified: main does not lead to commit/);
    expect(await take(ordered(third), refs)).toBe('arrived');
    // The same commits are right where the file names that branch, too.
    expect(await take(ordered(evil), { refs: ['main', 'evil'] })).toBe('arrived');
    expect(await take(ordered(lost), { refs: ['main', 'evil'] })).toMatch(/^artifact_unverified/);
  });

  test('the file of the device counts, whatever reference the hub looks at', async () => {
    const main = repository.commit({ file: '1' });
    repository.git('tag', 'v1.0.0');
    repository.git('tag', 'nightly-2.0.0');
    expect(await take(orderedTag('v1.0.0', '1.0.0'), { refs: ['main', 'v*'] })).toBe('arrived');
    expect(await take(ordered(main), { refs: ['main', 'v*'] })).toBe('arrived');
    expect(await take(ordered(main), { refs: ['v*'] })).toMatch(/^artifact_unverified: v\*: /);
    expect(await take(orderedTag('nightly-2.0.0', '2.0.0'), { refs: ['main', 'v*'] })).toMatch(/^artifact_unverified/);
    expect(await take(orderedTag('v1.0.0', '1.0.0'), { refs: ['gone', 'v*'] })).toBe('arrived');
  });

  test('a tag that was moved is another release', async () => {
    repository.commit({ file: '1' });
    repository.git('tag', '-a', 'v1.0.0', '-m', 'one');
    const before = orderedTag('v1.0.0', '1.0.0');
    repository.commit({ file: '2' });
    repository.git('tag', '-f', '-a', 'v1.0.0', '-m', 'moved');
    expect(await take(before, { refs: ['v*'] })).toBe(
      'artifact_unverified: v*: its tag v1.0.0 leads to something else than the order says',
    );
    expect(await take({ ...before, version: '9.9.0' }, { refs: ['v*'] })).toMatch(/does not have this version/);
    expect(await take(orderedTag('v1.0.0', '1.0.0'), { refs: ['v*'] })).toBe('arrived');
  });
});

/** A key of its own; its public half. */
function sshKey(name: string): { readonly file: string; readonly line: string } {
  const file = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `${name}@example.org`, '-f', file]);
  return { file, line: readFileSync(`${file}.pub`, 'utf8').trim() };
}

const bySsh = (key: string) => ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${key}`];

describe('signedBy, with keys of ssh', () => {
  test('a commit: unsigned, by another key, by the right one', async () => {
    const [ada, eve] = [sshKey('ada'), sshKey('eve')];
    const unsigned = repository.commit({ file: '1' });
    const more = { signedBy: [ada.line] };
    expect(await take(ordered(unsigned), more, 'main')).toBe(
      `artifact_unverified: its commit ${unsigned.slice(0, 7)} is not signed, and signedBy asks for it`,
    );
    repository.git(...bySsh(eve.file), 'commit', '-q', '--allow-empty', '-S', '-m', 'by eve');
    const byEve = repository.git('rev-parse', 'HEAD');
    expect(await take(ordered(byEve), more, 'main')).toBe(
      `artifact_unverified: its commit ${byEve.slice(0, 7)} is signed, but by nobody whom signedBy names`,
    );
    repository.git(...bySsh(ada.file), 'commit', '-q', '--allow-empty', '-S', '-m', 'by ada');
    const byAda = repository.git('rev-parse', 'HEAD');
    expect(await take(ordered(byAda), more, 'main')).toBe('arrived');
    expect(await take(ordered(byEve), { signedBy: [ada.line, eve.line] }, 'main')).toBe('arrived');
    // As allowed-signers files have it; a key for other things than git is none for git.
    expect(await take(ordered(byAda), { signedBy: [`ada@example.org,x@y ${ada.line}`] }, 'main')).toBe('arrived');
    expect(await take(ordered(byAda), { signedBy: [`* namespaces="file" ${ada.line}`] }, 'main')).toMatch(/by nobody/);
    expect(await take(ordered(byAda), { signedBy: ['A'.repeat(40)] }, 'main')).toMatch(
      /signed with a key of ssh, and signedBy names OpenPGP alone$/,
    );
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  });

  test('a signature that was cut out of another commit is none', async () => {
    const ada = sshKey('ada');
    repository.commit({ file: '1' });
    repository.git(...bySsh(ada.file), 'commit', '-q', '--allow-empty', '-S', '-m', 'by ada');
    const signed = repository.git('cat-file', 'commit', 'HEAD');
    const raw = join(folder, 'raw');
    execFileSync('sh', ['-c', 'printf "%s\n" "$1" > "$2"', 'sh', signed.replace('by ada', 'by eve'), raw]);
    const forged = repository.git('hash-object', '-t', 'commit', '-w', raw);
    repository.git('reset', '-q', '--hard', forged);
    expect(await take(ordered(forged), { signedBy: [ada.line] }, 'main')).toMatch(/by nobody whom signedBy names$/);
  });

  test('a tag: its own signature counts, under its own name, and of that commit', async () => {
    const [ada, eve] = [sshKey('ada'), sshKey('eve')];
    repository.commit({ file: '1' });
    repository.git(...bySsh(ada.file), 'commit', '-q', '--allow-empty', '-S', '-m', 'by ada');
    const more = { signedBy: [ada.line] };
    repository.git('tag', 'v1.0.0');
    // A signed commit of old must not be passed off as a new version.
    expect(await take(orderedTag('v1.0.0', '1.0.0'), more, 'v*')).toMatch(/v1\.0\.0 is not signed: it is only a name/);
    repository.git('tag', '-a', 'v1.1.0', '-m', 'unsigned');
    expect(await take(orderedTag('v1.1.0', '1.1.0'), more, 'v*')).toMatch(/v1\.1\.0 is not signed, and signedBy/);
    repository.git(...bySsh(eve.file), 'tag', '-s', 'v1.2.0', '-m', 'by eve');
    expect(await take(orderedTag('v1.2.0', '1.2.0'), more, 'v*')).toMatch(/v1\.2\.0 is signed, but by nobody/);
    repository.git(...bySsh(ada.file), 'tag', '-s', 'v1.3.0', '-m', 'by ada');
    expect(await take(orderedTag('v1.3.0', '1.3.0'), more, 'v*')).toBe('arrived');
    repository.git('update-ref', 'refs/tags/v9.9.0', 'refs/tags/v1.3.0');
    expect(await take(orderedTag('v9.9.0', '9.9.0'), more, 'v*')).toMatch(/was signed under another name \(v1\.3\.0\)/);
  });
});

describe('signedBy, with OpenPGP', () => {
  const home = () => join(folder, 'home');
  const gpg = (...args: string[]) =>
    execFileSync('gpg', ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], {
      env: { ...process.env, HOME: home(), GNUPGHOME: join(home(), '.gnupg') },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  afterEach(() => {
    execFileSync('gpgconf', ['--kill', 'all'], {
      env: { ...process.env, HOME: home(), GNUPGHOME: join(home(), '.gnupg') },
    });
  });

  test('the fingerprint decides, and not whose keys are in the keyring', async () => {
    mkdirSync(join(home(), '.gnupg'), { mode: 0o700 });
    const fingerprints = ['ada', 'eve'].map((name) => {
      gpg('--quick-generate-key', `${name}@example.org`, 'ed25519', 'sign', 'never');
      return /^fpr:+([0-9A-F]{40}):/m.exec(gpg('--with-colons', '--list-keys', `${name}@example.org`))?.[1] ?? '';
    });
    const [ada = '', eve = ''] = fingerprints;
    const wrapper = join(folder, 'gpg-here');
    execFileSync('sh', [
      '-c',
      `printf '#!/bin/sh\\nHOME=%s GNUPGHOME=%s exec gpg "$@"\\n' "$1" "$1/.gnupg" > "$2"; chmod 755 "$2"`,
      'sh',
      home(),
      wrapper,
    ]);
    repository.commit({ file: '1' });
    repository.git(
      '-c',
      `gpg.program=${wrapper}`,
      '-c',
      `user.signingkey=${eve}`,
      'commit',
      '-q',
      '--allow-empty',
      '-S',
      '-m',
      'x',
    );
    const byEve = repository.git('rev-parse', 'HEAD');
    expect(await take(ordered(byEve), { signedBy: [ada] }, 'main')).toMatch(/by nobody whom signedBy names$/);
    expect(await take(ordered(byEve), { signedBy: [eve.replace(/(.{4})/g, '$1 ').trim()] }, 'main')).toBe('arrived');
    expect(await take(ordered(byEve), { signedBy: [sshKey('bob').line] }, 'main')).toMatch(
      /signed with OpenPGP, and signedBy names keys of ssh alone$/,
    );
    gpg('--yes', '--delete-secret-and-public-key', eve);
    expect(await take(ordered(byEve), { signedBy: [eve] }, 'main')).toMatch(/this machine's gpg does not have/);
  });
});

test('what a device says of it: signed and by whom, or what the repository says', async () => {
  const of = (more: object) => AppSchema.parse({ source: `git ${server.url}/site/.git`, run: 'x', ...more });
  const ssh = `ssh-ed25519 ${'A'.repeat(68)}`;
  const signedBy = [`${ssh} ada@example.org`, `bob@example.org ${ssh}`, ssh, 'AB12'.repeat(10)];
  await expect(acquirer.trust('site', of({ signedBy }))).resolves.toEqual({
    level: 'signed',
    by: ['ada@example.org', 'bob@example.org', `ssh-ed25519 …${'A'.repeat(12)}`, `OpenPGP ${'AB12'.repeat(4)}`],
  });
  // Whatever else is written: it is demanded.
  await expect(acquirer.trust('site', of({ signedBy, trust: 'none' }))).resolves.toMatchObject({ level: 'signed' });
  await expect(acquirer.trust('site', of({}))).resolves.toEqual({ level: 'source', by: ['git'] });
});
