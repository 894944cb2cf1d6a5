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
import { type AcquireContext, type Acquirer, createAcquirer } from '../../agent/acquire/index.ts';
import { type AppConfig, AppSchema } from '../../config/agent-schema.ts';
import { publish } from '../../src/cli/publish.ts';
import { createGitOrigin } from '../../src/origin/git.ts';
import { createRotationFile } from '../../src/origin/key-rotation.ts';
import { cleanNpmEnvironment, createNpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import { createSeenFile } from '../../src/origin/seen.ts';
import type { OrderedRelease, Progress } from '../../src/protocol/messages.ts';
import { writeArchive } from '../support/artifact.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { npmCli, type Registry, startRegistry } from '../support/registry.ts';

/** The acquirer as the updater uses it: feed, folder and npm, all real. */

const clock = { now: () => Date.parse('2026-11-21T08:00:00Z'), monotonic: () => performance.now() };
let folder: string;
let server: FeedServer;
let registry: Registry;
let acquirer: Acquirer;
let reports: Progress[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-acquire-'));
  server = await serveFolder(join(folder, 'feed'));
  registry = await startRegistry();
  reports = [];
  acquirer = start();
});
afterEach(async () => {
  await server.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As an agent that starts. */
function start(platform = 'linux-x64'): Acquirer {
  const npm = {
    node: process.execPath,
    npmCli,
    cache: join(folder, 'npm-cache'),
    npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: { npm_config_registry: registry.url }, from: [] }),
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
    platform,
    stallMs: 500,
  });
}

async function put(version: string, platforms = ['any']): Promise<OrderedRelease> {
  const files = [];
  for (const platform of platforms) {
    const path = join(folder, platform, `site-${version}.tar.gz`);
    mkdirSync(join(path, '..'), { recursive: true });
    await writeArchive(path, [
      { name: 'run', content: `${platform} ${version}`, mode: 0o755 },
      { name: 'filler', content: Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i) % 251)) },
    ]);
    files.push({ platform, path });
  }
  const { digest } = await publish({ folder: join(folder, 'feed'), app: 'site', version, files, clock });
  return { version, channel: 'stable', digest };
}

const config = (source: string, more: object = {}): AppConfig => AppSchema.parse({ source, run: 'node x.js', ...more });
const feedConfig = (more: object = {}) => config(`feed ${server.url}`, { trust: 'source', ...more });
const folderConfig = () => config(`folder ${join(folder, 'feed')}`);

function context(release: OrderedRelease, more: Partial<AcquireContext> = {}): AcquireContext {
  return {
    app: 'site',
    config: feedConfig(),
    release,
    slot: join(folder, 'slot'),
    tmp: join(folder, 'tmp'),
    cache: join(folder, 'cache'),
    buildLog: join(folder, 'build.log'),
    signal: new AbortController().signal,
    progress: (p) => reports.push(p),
    ...more,
  };
}

const ran = () => readFileSync(join(folder, 'slot/run'), 'utf8');

describe.each([
  ['feed', feedConfig],
  ['folder', folderConfig],
])('from a %s', (kind, makeConfig) => {
  const ctx = (release: OrderedRelease, more: Partial<AcquireContext> = {}) =>
    context(release, { config: makeConfig(), ...more });

  it('confirms and fills the slot with this platform’s files', async () => {
    const release = await put('1.0.0', ['linux-arm64', 'linux-x64']);
    const confirmed = await acquirer.confirm(ctx(release));
    expect(confirmed.artifacts.map((a) => a.platform)).toEqual(['linux-x64']);
    expect(confirmed.size).toBe(confirmed.artifacts[0]?.size);
    await acquirer.acquire(ctx(release));
    expect(ran()).toBe('linux-x64 1.0.0');
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
    expect(reports.at(-1)).toMatchObject({ unit: 'bytes', done: confirmed.size, total: confirmed.size });
    if (kind === 'feed') expect(server.requests.filter((r) => r.path === '/index.json')).toHaveLength(1);
  });

  it('refuses another digest than the source names itself, and a version that it lacks', async () => {
    const release = await put('1.0.0');
    const lie = { ...release, digest: `sha256-${'0'.repeat(64)}` };
    await expect(acquirer.confirm(ctx(lie))).rejects.toMatchObject({ code: 'artifact_unverified', retryable: false });
    await expect(acquirer.acquire(ctx(lie))).rejects.toMatchObject({ code: 'artifact_unverified' });
    await expect(acquirer.confirm(ctx({ ...release, version: '9.9.9' }))).rejects.toMatchObject({
      code: 'artifact_unverified',
    });
    expect(existsSync(join(folder, 'slot'))).toBe(false);
  });

  it('names the platforms that there are where this one is not among them', async () => {
    const release = await put('1.0.0', ['linux-arm64', 'darwin-arm64']);
    await expect(acquirer.confirm(ctx(release))).rejects.toMatchObject({
      code: 'artifact_wrong_platform',
      data: { for: ['linux-arm64', 'darwin-arm64'], here: 'linux-x64' },
    });
  });

  it('refuses an index with a lower number than it has seen, also after a restart', async () => {
    const index = join(folder, 'feed/index.json');
    await put('1.0.0');
    const old = readFileSync(index);
    const release = await put('1.1.0');
    await acquirer.confirm(ctx(release));
    writeFileSync(index, old);
    await expect(start().confirm(ctx(release))).rejects.toMatchObject({ code: 'source_rolled_back' });
  });

  it('refuses artifacts that were exchanged behind the index', async () => {
    const release = await put('1.0.0');
    await writeArchive(join(folder, 'feed/releases/1.0.0/site-1.0.0.tar.gz'), [{ name: 'run', content: 'evil' }]);
    await expect(acquirer.acquire(ctx(release))).rejects.toMatchObject({ code: 'artifact_mismatch' });
    expect(readdirSync(join(folder, 'slot'))).toEqual([]);
  });

  it('empties the slot of what an earlier try left', async () => {
    const release = await put('1.0.0');
    mkdirSync(join(folder, 'slot/half'), { recursive: true });
    writeFileSync(join(folder, 'slot/run'), 'half');
    await acquirer.acquire(ctx(release));
    expect(readdirSync(join(folder, 'slot')).sort()).toEqual(['filler', 'run']);
  });

  it('keeps to the device’s limits', async () => {
    const release = await put('1.0.0');
    const small = { ...makeConfig(), maxDownload: 100 };
    await expect(acquirer.confirm(ctx(release, { config: small }))).rejects.toMatchObject({
      code: 'artifact_invalid',
      data: { reason: expect.stringMatching(/maxDownload/) },
    });
    const tight = { ...makeConfig(), maxUnpacked: 1_000 };
    await expect(acquirer.acquire(ctx(release, { config: tight }))).rejects.toMatchObject({
      code: 'artifact_invalid',
      data: { reason: expect.stringMatching(/maxUnpacked/) },
    });
  });
});

it('resumes a download after a restart of the agent', async () => {
  const release = await put('1.0.0');
  const { size = 0 } = await acquirer.confirm(context(release));
  const controller = new AbortController();
  const cut = Math.floor(size / 3);
  server.habits.stallAt = { bytes: cut, times: 2 };
  const pending = acquirer.acquire(context(release, { signal: controller.signal }));
  // Index, artifact until it stalls, artifact again: by then the first third is in the part.
  await expect.poll(() => server.requests.length, { timeout: 10_000 }).toBe(3);
  controller.abort();
  await expect(pending).rejects.toMatchObject({ code: 'cancelled' });
  await start().acquire(context(release));
  expect(ran()).toBe('any 1.0.0');
  expect(server.requests.at(-1)).toMatchObject({ status: 206 });
  expect(Number(/\d+/.exec(server.requests.at(-1)?.range ?? '')?.[0])).toBeGreaterThanOrEqual(cut);
});

describe('from npm', () => {
  const npmConfig = (more: object = {}) => config('npm tiny', more);
  const ordered = (version: string): OrderedRelease => ({
    version,
    channel: 'stable',
    digest: registry.integrity('tiny', version),
  });
  beforeEach(() => {
    registry.publish({ name: 'tiny', version: '1.0.0' }, { name: 'tiny', version: '1.1.0' });
  });

  it('asks the registry itself, once, and installs', async () => {
    const ctx = context(ordered('1.1.0'), { config: npmConfig() });
    expect(await acquirer.confirm(ctx)).toMatchObject({ version: '1.1.0', digest: ctx.release.digest, size: 1_234 });
    expect(registry.requests).toHaveLength(1);
    await acquirer.acquire(ctx);
    const manifest = readFileSync(join(folder, 'slot/node_modules/tiny/package.json'), 'utf8');
    expect(JSON.parse(manifest).version).toBe('1.1.0');
  });

  it('refuses what the registry does not name so', async () => {
    const lie = { ...ordered('1.0.0'), digest: ordered('1.1.0').digest };
    await expect(acquirer.confirm(context(lie, { config: npmConfig() }))).rejects.toMatchObject({
      code: 'artifact_unverified',
    });
  });

  it('asks anew: what the registry said some time ago is not enough', async () => {
    const ctx = context(ordered('1.0.0'), { config: npmConfig() });
    await acquirer.confirm(ctx);
    registry.misbehave('wrong-integrity');
    await expect(acquirer.confirm(ctx)).rejects.toMatchObject({ code: 'artifact_unverified' });
    registry.misbehave('error-500');
    await expect(acquirer.confirm(ctx)).rejects.toMatchObject({ code: 'source_unreachable', retryable: true });
  });
});

it('says so where an app has no source', async () => {
  const ctx = context(await put('1.0.0'), { config: AppSchema.parse({ run: 'x' }) });
  await expect(acquirer.confirm(ctx)).rejects.toMatchObject({ code: 'no_source' });
});

describe('one executable', () => {
  const executable = () => join(folder, 'opt', '.robot.fettle-1.0.0-12345678');
  const binary = (source: string, more: object = {}) =>
    config(source, { binary: '/opt/robot', trust: 'source', ...more });
  const taken = (release: OrderedRelease, made: AppConfig) =>
    acquirer.acquire(context(release, { config: made, executable: executable() }));
  beforeEach(() => mkdirSync(join(folder, 'opt')));

  it('is taken out of an archive, where `file` says it is', async () => {
    const release = await put('1.0.0');
    await expect(taken(release, binary(`feed ${server.url}`))).rejects.toMatchObject({
      code: 'artifact_invalid',
      data: { reason: expect.stringMatching(/no file robot; `file:`/) },
    });
    await taken(release, binary(`feed ${server.url}`, { file: 'run' }));
    expect(readFileSync(executable(), 'utf8')).toBe('any 1.0.0');
    expect(readdirSync(join(folder, 'opt'))).toHaveLength(1);
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
    expect(existsSync(join(folder, 'slot'))).toBe(false);
  });

  it('is taken out of an npm package', async () => {
    registry.publish({ name: 'robot', version: '1.0.0', files: { 'bin/robot': '#!/bin/sh\n' } });
    const release = { version: '1.0.0', channel: 'stable', digest: registry.integrity('robot', '1.0.0') };
    await taken(release, binary('npm robot', { file: 'bin/robot' }));
    expect(readFileSync(executable(), 'utf8')).toBe('#!/bin/sh\n');
    expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  });

  it('is a raw artifact as it is; nothing else may be raw', async () => {
    const path = join(folder, 'robot');
    writeFileSync(path, '#!/bin/sh\necho 1\n');
    const files = [{ platform: 'any', path }];
    const { digest } = await publish({ folder: join(folder, 'feed'), app: 'site', version: '1.0.0', files, clock });
    const release = { version: '1.0.0', channel: 'stable', digest };
    await taken(release, binary(`feed ${server.url}`));
    expect(readFileSync(executable())).toEqual(readFileSync(path));
    expect(statSync(executable()).mode & 0o777).toBe(0o600);
    await expect(acquirer.acquire(context(release))).rejects.toMatchObject({ code: 'artifact_invalid' });
    writeFileSync(path, '<html>');
    const other = publish({ folder: join(folder, 'feed'), app: 'site', version: '1.1.0', files, clock });
    await expect(other).rejects.toMatchObject({
      code: 'publish_refused',
      data: { reason: expect.stringMatching(/web page/) },
    });
  });
});
