import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AcquireContext, type Acquirer, createAcquirer } from '../../agent/acquire/index.ts';
import { type AppConfig, AppSchema } from '../../config/agent-schema.ts';
import { isForge } from '../../src/domain/forge.ts';
import { createGitOrigin } from '../../src/origin/git.ts';
import { rotationText } from '../../src/origin/key-rotation.ts';
import { cleanNpmEnvironment, createNpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import { createRotationFile } from '../../src/origin/rotation-file.ts';
import { createSeenFile } from '../../src/origin/seen.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { orderedSource } from '../../src/protocol/ordered-source.ts';
import { forgeSource } from '../../src/releases/forge-later.ts';
import { writeArchive } from '../support/artifact.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { type ForgeServer, type ServedAsset, serveForge, sha256 } from '../support/forge-server.ts';
import { freePort } from '../support/free-port.ts';
import { npmCli } from '../support/registry.ts';

/** Releases of GitHub and Gitea, from the API into a slot, as hub and agent do it. */

const clock = { now: () => Date.parse('2026-11-21T08:00:00Z'), monotonic: () => performance.now() };
const TOKEN = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
let folder: string;
let server: ForgeServer;
let mirror: FeedServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-forge-'));
  mkdirSync(join(folder, 'mirror'));
  mirror = await serveFolder(join(folder, 'mirror'));
});
afterEach(async () => {
  await mirror.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function archive(content: string, name = 'robot.tar.gz'): Promise<Buffer> {
  const path = join(folder, name);
  await writeArchive(path, [{ name: 'run', content, mode: 0o755 }]);
  return readFileSync(path);
}

function source(more: object = {}): object {
  if (server.kind === 'github') return { github: server.repo, api: server.api, ...more };
  return { gitea: `${server.web}/${server.repo}`, ...more };
}

const config = (more: object = {}, app: object = {}): AppConfig =>
  AppSchema.parse({ source: source(more), run: './run', ...app });

const signal = new AbortController().signal;
/** Where nobody listens. */
const nobody = async () => `http://127.0.0.1:${await freePort()}`;

/** What the hub would order. */
async function order(version: string, of: AppConfig): Promise<OrderedRelease> {
  if (!of.source || !isForge(of.source)) throw new Error('another source');
  const hub = forgeSource(of.source.kind, { fetch, clock, timeoutMs: 2_000 });
  const release = await hub.resolve(
    of.source as never,
    { version, channel: 'stable', digest: '', artifacts: [] },
    { signal },
  );
  return { version, channel: 'stable', digest: release.digest };
}

function start(): Acquirer {
  const npm = {
    node: process.execPath,
    npmCli,
    cache: join(folder, 'npm-cache'),
    npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: {}, from: [] }),
    env: cleanNpmEnvironment(process.env, process.execPath),
  };
  return createAcquirer({
    npm: createNpmOrigin(npm),
    git: createGitOrigin({ folder: join(folder, 'git'), env: npm.env }),
    package: { ...npm, clock },
    seen: createSeenFile(join(folder, 'seen.json')),
    rotations: createRotationFile(join(folder, 'rotations.json')),
    clock,
    fetch,
    platform: 'linux-x64',
    stallMs: 400,
  });
}

const context = (release: OrderedRelease, of: AppConfig, more: Partial<AcquireContext> = {}): AcquireContext => ({
  app: 'robot',
  config: of,
  release,
  slot: join(folder, 'slot'),
  tmp: join(folder, 'tmp'),
  cache: join(folder, 'cache'),
  buildLog: join(folder, 'build.log'),
  signal,
  progress: () => undefined,
  ...more,
});

/** From the hub's question to the slot. */
async function install(version = '1.2.0', of = config()): Promise<string> {
  await start().acquire(context(await order(version, of), of));
  return readFileSync(join(folder, 'slot/run'), 'utf8');
}

const nothingInstalled = () => !existsSync(join(folder, 'slot')) || readdirSync(join(folder, 'slot')).length === 0;

describe.each(['github', 'gitea'] as const)('%s', (kind) => {
  const name = 'robot-1.2.0-linux-x64.tar.gz';
  beforeEach(async () => {
    server = await serveForge(kind);
  });
  afterEach(() => expect(server.violations).toEqual([]));

  const put = async (tag = 'v1.2.0', more: readonly ServedAsset[] = [], asset: Partial<ServedAsset> = {}) => {
    const bytes = await archive(`robot ${tag}`);
    // Gitea says no digest.
    const sums = kind === 'gitea' ? [{ name: 'SHA256SUMS', bytes: `${sha256(bytes)}  ${name}\n` }] : [];
    const assets = [
      { name, bytes, ...asset },
      { name: 'robot-1.2.0-darwin-arm64.tar.gz', bytes: 'x' },
      ...sums,
      ...more,
    ];
    server.releases.unshift({ tag, assets });
    return bytes;
  };

  it('fills the slot with this platform’s file', async () => {
    await put();
    expect(await install()).toBe('robot v1.2.0');
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  });

  it('sends a token to the API and its own files, and to nobody else', async () => {
    await put();
    server.habits.token = TOKEN;
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    expect(await install('1.2.0', config({ tokenFile }))).toBe('robot v1.2.0');
    expect(server.requests.some(({ role, authorized }) => role === 'storage' && authorized)).toBe(false);
    expect(server.requests.every(({ role, authorized }) => role === 'storage' || authorized)).toBe(true);
  });

  it('says of a private repository that a token may be needed, and of a wrong token that it is refused', async () => {
    await put();
    server.habits.token = TOKEN;
    const error = await order('1.2.0', config()).catch((e: Error) => e);
    expect(error).toMatchObject({
      code: 'source_invalid',
      data: { reason: expect.stringMatching(/needs a token \(tokenFile\)/) },
    });
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'wrong-token-of-mine');
    const refused = await order('1.2.0', config({ tokenFile })).catch((e: Error) => e);
    expect(refused).toMatchObject({
      code: 'source_unreachable',
      retryable: false,
      data: { reason: expect.stringMatching(/refuses the token \(401/) },
    });
    expect(String(refused)).not.toContain('wrong-token-of-mine');
    rmSync(tokenFile);
    await expect(order('1.2.0', config({ tokenFile }))).rejects.toMatchObject({
      data: { reason: expect.stringMatching(/tokenFile .*is not there/) },
    });
  });

  it('follows a repository that was renamed', async () => {
    await put();
    server.habits.formerly = 'acme/old-robot';
    const where = kind === 'github' ? { github: 'acme/old-robot' } : { gitea: `${server.web}/acme/old-robot` };
    expect(await install('1.2.0', config(where))).toBe('robot v1.2.0');
  });

  it('refuses a file that was exchanged under the same tag after the order', async () => {
    await put();
    const ordered = await order('1.2.0', config());
    server.releases.length = 0;
    const other = await archive('another robot');
    const sums = kind === 'gitea' ? [{ name: 'SHA256SUMS', bytes: `${sha256(other)}  ${name}\n` }] : [];
    server.releases.push({ tag: 'v1.2.0', assets: [{ name, bytes: other }, ...sums] });
    await expect(start().acquire(context(ordered, config()))).rejects.toMatchObject({ code: 'artifact_unverified' });
    expect(nothingInstalled()).toBe(true);
    expect(await install()).toBe('another robot');
  });

  it('refuses other bytes, a part, and a page than the digest says', async () => {
    const bytes = await put();
    const replaced = server.releases[0]?.assets as ServedAsset[];
    const send = (sent: Buffer | string) => replaced.splice(0, 1, { name, bytes, sent });
    for (const sent of [
      Buffer.alloc(bytes.length, 1),
      bytes.subarray(0, 50),
      '<!doctype html><title>Sign in</title>',
    ]) {
      send(sent);
      await expect(install()).rejects.toMatchObject({ code: 'artifact_mismatch' });
      expect(nothingInstalled()).toBe(true);
    }
  });

  it('refuses a version that is not there, a draft, and a wrong platform', async () => {
    await put();
    const ordered = await order('1.2.0', config());
    const lie = { ...ordered, version: '9.9.9' };
    await expect(start().confirm(context(lie, config()))).rejects.toMatchObject({ code: 'artifact_unverified' });
    server.releases[0] = { ...(server.releases[0] as object), tag: 'v1.2.0', draft: true };
    await expect(start().confirm(context(ordered, config()))).rejects.toMatchObject({ code: 'artifact_unverified' });
    server.releases[0] = { tag: 'v1.2.0', assets: [{ name: 'robot-linux-arm64.tar.gz', bytes: 'x' }] };
    const arm = await order('1.2.0', config());
    await expect(start().confirm(context(arm, config()))).rejects.toMatchObject({
      code: 'artifact_wrong_platform',
      data: { for: ['linux-arm64'], here: 'linux-x64' },
    });
  });

  it('takes a checksum of one file, and BSD’s; refuses two that disagree', async () => {
    const bytes = await archive('robot');
    const of = (text: string, file: string): ServedAsset[] => [
      { name, bytes, digest: null },
      { name: file, bytes: text, digest: null },
    ];
    const sum = sha256(bytes);
    for (const [file, text] of [
      [`${name}.sha256`, `${sum}\n`],
      [`${name}.sha256`, `${sum} *${name}\n`],
      ['checksums.txt', `SHA256 (${name}) = ${sum}\n`],
      ['robot_1.2.0_checksums.txt', `${'0'.repeat(64)}  other.tar.gz\n${sum}  ./dist/${name}\n`],
    ] as const) {
      server.releases.splice(0, 1, { tag: 'v1.2.0', assets: of(text, file) });
      expect(await install()).toBe('robot');
    }
    const two = [
      ...of(`${sum}  ${name}\n`, 'SHA256SUMS'),
      { name: `${name}.sha256`, bytes: '0'.repeat(64), digest: null },
    ];
    server.releases.splice(0, 1, { tag: 'v1.2.0', assets: two });
    await expect(order('1.2.0', config())).rejects.toMatchObject({ code: 'artifact_mismatch' });
    server.releases.splice(0, 1, { tag: 'v1.2.0', assets: of(`${'0'.repeat(64)}  ${name}\n`, 'SHA256SUMS') });
    await expect(install()).rejects.toMatchObject({ code: 'artifact_mismatch' });
  });

  it('refuses what nothing vouches for, and says what to publish', async () => {
    server.releases.push({ tag: 'v1.2.0', assets: [{ name, bytes: await archive('robot'), digest: null }] });
    const error = await install().catch((e: Error) => e);
    expect(error).toMatchObject({
      code: 'artifact_unverified',
      data: { reason: expect.stringMatching(/SHA256SUMS.*\.minisig/) },
    });
    expect(server.requests.filter(({ role }) => role === 'storage')).toEqual([]);
  });

  it('goes from mirror to mirror to the origin; a mirror is believed in nothing', async () => {
    const bytes = await put();
    const path = join(folder, 'mirror', server.repo, 'releases/download/v1.2.0');
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, name), bytes);
    const good = `${mirror.url}{path}`;
    const askedOrigin = () => server.requests.some(({ path: p }) => p.includes(name));
    expect(await install('1.2.0', config({ mirrors: good }))).toBe('robot v1.2.0');
    expect(askedOrigin()).toBe(false);
    for (const habit of [
      { html: true },
      { status: { code: 404, times: 9 } },
      { bytes: Buffer.alloc(bytes.length, 7) },
      { stallAt: { bytes: 10, times: 9 } },
    ]) {
      Object.assign(mirror.habits, habit);
      const before = mirror.requests.length;
      expect(await install('1.2.0', config({ mirrors: [good] }))).toBe('robot v1.2.0');
      expect(mirror.requests.length).toBeGreaterThan(before);
      for (const key of Object.keys(habit)) delete (mirror.habits as Record<string, unknown>)[key];
    }
  });

  it('lists each address with its reason where none has the file', async () => {
    const bytes = await put();
    mirror.habits.html = true;
    const assets = server.releases[0]?.assets as ServedAsset[];
    assets.splice(0, 1, { name, bytes, sent: 'short' });
    const error = await install('1.2.0', config({ mirrors: [mirror.url, await nobody()] })).catch((e: Error) => e);
    expect(error).toMatchObject({ code: 'download_failed' });
    const { reason } = (error as unknown as { data: { reason: string } }).data;
    expect(reason).toMatch(
      /127\.0\.0\.1:\d+: the server sent a web page.*; 127\.0\.0\.1:\d+: .*refused the connection.*; 127\.0\.0\.1:\d+: it has 5 bytes/,
    );
    expect(nothingInstalled()).toBe(true);
  });

  describe('signed', () => {
    let key: string;
    const sign = (bytes: Buffer, comment: string | undefined, ...flags: string[]): string => {
      const file = join(folder, 'to-sign');
      writeFileSync(file, bytes);
      const args = comment === undefined ? [] : ['-t', comment];
      execFileSync('minisign', ['-S', '-s', join(folder, 'k'), '-m', file, ...args, ...flags], { stdio: 'pipe' });
      return readFileSync(`${file}.minisig`, 'utf8');
    };
    beforeEach(() => {
      execFileSync('minisign', ['-G', '-W', '-f', '-s', join(folder, 'k'), '-p', join(folder, 'k.pub')], {
        stdio: 'pipe',
      });
      key = readFileSync(join(folder, 'k.pub'), 'utf8').split('\n')[1] ?? '';
    });
    const release = (bytes: Buffer, signature?: string, digest: string | null = null) => {
      const minisig = signature === undefined ? [] : [{ name: `${name}.minisig`, bytes: signature }];
      server.releases.splice(0, 1, { tag: 'v1.2.0', assets: [{ name, bytes, digest }, ...minisig] });
    };
    const comment = 'app=robot version=1.2.0 platform=linux-x64';
    const trusting = (more: object = {}) => config({}, { keys: [key], ...more });

    it('by a key of the device’s file is enough without a digest', async () => {
      const bytes = await archive('robot');
      release(bytes, sign(bytes, comment));
      expect(await install('1.2.0', trusting())).toBe('robot');
      release(bytes, sign(bytes, 'app=robot version=1.2.0 platform=any'));
      expect(await install('1.2.0', trusting({ trust: 'signed' }))).toBe('robot');
    });

    it('is taken from where the order says, where the file names the key and no source', async () => {
      const bytes = await archive('robot');
      const free = AppSchema.parse({ run: './run', keys: [key] });
      const from = async () => {
        const of = trusting({ source: source({ tags: 'v*' }) });
        const told = orderedSource(of.source);
        return { ...(await order('1.2.0', of)), ...(told ? { source: told } : {}) };
      };
      release(bytes, sign(bytes, comment));
      await start().acquire(context(await from(), free));
      expect(readFileSync(join(folder, 'slot/run'), 'utf8')).toBe('robot');
      // With the digest of the API and no signature, whoever rules the repository would rule the device.
      rmSync(join(folder, 'slot'), { recursive: true });
      release(bytes, undefined, `sha256:${sha256(bytes)}`);
      await expect(start().acquire(context(await from(), free))).rejects.toMatchObject({ code: 'artifact_unverified' });
      release(bytes, sign(bytes, 'app=other version=1.2.0 platform=linux-x64'));
      await expect(start().acquire(context(await from(), free))).rejects.toMatchObject({ code: 'artifact_unverified' });
      expect(nothingInstalled()).toBe(true);
    });

    it('by the key that took over, and by the old one no more', async () => {
      const bytes = await archive('robot');
      const old = sign(bytes, comment);
      const newKey = ['-s', join(folder, 'k2'), '-p', join(folder, 'k2.pub')];
      execFileSync('minisign', ['-G', '-W', '-f', ...newKey], { stdio: 'pipe' });
      const to = readFileSync(join(folder, 'k2.pub'), 'utf8').split('\n')[1] ?? '';
      const statement = rotationText({ rotate: 'robot', from: key, to, revoke: true, date: '2026-11-20T08:00:00Z' });
      const rotation = { statement, signature: sign(Buffer.from(statement), undefined) };
      await createRotationFile(join(folder, 'rotations.json')).accept('robot', rotation);
      release(bytes, old);
      await expect(install('1.2.0', trusting())).rejects.toMatchObject({ code: 'artifact_unverified' });
      renameSync(join(folder, 'k2'), join(folder, 'k'));
      release(bytes, sign(bytes, comment));
      expect(await install('1.2.0', trusting())).toBe('robot');
    });

    it('refuses none, another key’s, other bytes, and a comment that does not say of what it is', async () => {
      const bytes = await archive('robot');
      const refused = async (signature: string | undefined, reason: RegExp, of = trusting()) => {
        release(bytes, signature);
        await expect(install('1.2.0', of)).rejects.toMatchObject({
          code: 'artifact_unverified',
          data: { reason: expect.stringMatching(reason) },
        });
        expect(nothingInstalled()).toBe(true);
      };
      const right = sign(bytes, comment);
      await refused(
        undefined,
        /there is no .*\.minisig beside it; sign it: minisign -S -t 'app=robot version=1\.2\.0 platform=linux-x64'/,
      );
      await refused(sign(bytes, undefined), /does not say app, version, platform/);
      await refused(sign(bytes, 'app=other version=1.2.0 platform=linux-x64'), /is for app=other/);
      await refused(sign(bytes, 'app=robot version=9.9.9 platform=linux-x64'), /version=9\.9\.9/);
      await refused(sign(bytes, 'app=robot version=1.2.0 platform=linux-arm64'), /platform=linux-arm64/);
      await refused(right.replace('version=1.2.0', 'version=1.2.0 x'), /trusted comment .* was changed/);
      await refused(sign(Buffer.from('other'), comment), /what was signed was changed/);
      await refused('no signature', /four lines/);
      await refused(right, /names no key/, config({}, { trust: 'signed' }));
      execFileSync('minisign', ['-G', '-W', '-f', '-s', join(folder, 'k'), '-p', join(folder, 'k2.pub')], {
        stdio: 'pipe',
      });
      await refused(sign(bytes, comment), /is not trusted here/);
    });
  });
});

describe('github', () => {
  beforeEach(async () => {
    server = await serveForge('github');
  });

  it('replaces one executable with a raw file, and refuses what the API and a checksum disagree about', async () => {
    const bytes = '#!/bin/sh\necho 1.2.0\n';
    const put = (sum: string) =>
      server.releases.splice(0, 1, {
        tag: 'v1.2.0',
        assets: [
          { name: 'robot-linux-x64', bytes },
          { name: 'SHA256SUMS', bytes: `${sum}  robot-linux-x64\n` },
        ],
      });
    put(sha256(bytes));
    const of = config({}, { binary: join(folder, 'robot'), run: undefined });
    const executable = join(folder, 'new-robot');
    await start().acquire(context(await order('1.2.0', of), of, { executable }));
    expect(readFileSync(executable, 'utf8')).toBe(bytes);
    put('0'.repeat(64));
    await expect(start().confirm(context(await order('1.2.0', of), of))).rejects.toMatchObject({
      code: 'artifact_mismatch',
      data: { reason: expect.stringMatching(/the API and a file with checksums beside it disagree/) },
    });
  });

  it('takes another address of the API where the first does not answer, without its token', async () => {
    server.releases.push({ tag: 'v1.2.0', assets: [{ name: 'robot.tar.gz', bytes: await archive('robot') }] });
    writeFileSync(join(folder, 'token'), TOKEN);
    const of = config({ api: [await nobody(), server.api], tokenFile: join(folder, 'token') });
    expect(await install('1.2.0', of)).toBe('robot');
    expect(server.requests.some(({ authorized }) => authorized)).toBe(false);
    server.habits.html = true;
    await expect(order('1.2.0', of)).rejects.toMatchObject({
      code: 'source_unreachable',
      retryable: true,
      data: {
        reason: expect.stringMatching(
          /127\.0\.0\.1:\d+: .*refused the connection; 127\.0\.0\.1:\d+: it answered with a web page/,
        ),
      },
    });
  });
});
