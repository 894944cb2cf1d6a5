import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Acquirer, createAcquirer } from '../../agent/acquire/index.ts';
import { type AppConfig, AppSchema } from '../../config/agent-schema.ts';
import { publish } from '../../src/cli/publish.ts';
import { rotate } from '../../src/cli/signing/rotate.ts';
import { signIndex } from '../../src/cli/signing/sign-feed.ts';
import { Index, type IndexEntry, statementDigest } from '../../src/origin/feed-format.ts';
import { createGitOrigin } from '../../src/origin/git.ts';
import { rotationText } from '../../src/origin/key-rotation.ts';
import { generateMinisignKey, type MinisignSecretKey } from '../../src/origin/minisign-secret.ts';
import { cleanNpmEnvironment, createNpmOrigin } from '../../src/origin/npm.ts';
import { createRotationFile } from '../../src/origin/rotation-file.ts';
import { createSeenFile } from '../../src/origin/seen.ts';
import { createFeedSource } from '../../src/releases/feed.ts';
import { writeArchive } from '../support/artifact.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { npmCli } from '../support/registry.ts';

/** A device that pins a key, before a feed's server and a hub that lie. */

const clock = { now: () => Date.parse('2026-11-21T08:00:00Z'), monotonic: () => performance.now() };
const KEY = generateMinisignKey();
let folder: string;
let feed: string;
let server: FeedServer;
let acquirer: Acquirer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-signed-'));
  feed = join(folder, 'feed');
  server = await serveFolder(feed);
  acquirer = start();
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As an agent that starts, on the same device. */
function start(): Acquirer {
  const env = cleanNpmEnvironment(process.env, process.execPath);
  const npm = { node: process.execPath, npmCli, cache: join(folder, 'npm'), npmrc: join(folder, 'npmrc'), env };
  return createAcquirer({
    npm: createNpmOrigin(npm),
    git: createGitOrigin({ folder: join(folder, 'git'), env }),
    package: { ...npm, clock },
    seen: createSeenFile(join(folder, 'seen.json')),
    rotations: createRotationFile(join(folder, 'rotations.json')),
    clock,
    fetch,
    platform: 'linux-x64',
  });
}

async function put(version: string, key: MinisignSecretKey | undefined = KEY, app = 'site', to = feed) {
  const path = join(folder, `${app}-${version}.tgz`);
  await writeArchive(path, [{ name: 'run', content: `${app} ${version}`, mode: 0o755 }]);
  const { digest } = await publish({ folder: to, app, version, files: [{ platform: 'any', path }], clock, key });
  return { version, channel: 'stable', digest };
}

const config = (keys = [KEY.publicKey.text], source = `feed ${server.url}`): AppConfig =>
  AppSchema.parse({ source, keys, run: 'node x.js' });
type Ordered = Awaited<ReturnType<typeof put>>;
const confirm = (release: Ordered, use = config(), app = 'site') =>
  acquirer.confirm({ app, config: use, release, signal: new AbortController().signal });

/** What the server says from now on. */
function serve(change: (index: Index) => Index, path = feed): void {
  const file = join(path, 'index.json');
  const index = Index.parse(JSON.parse(readFileSync(file, 'utf8')));
  writeFileSync(file, JSON.stringify(change(index)));
}
const entryOf = (index: Index, version: string) => index.releases.find((one) => one.version === version) as IndexEntry;
/** Without the key, an attacker's own index. */
const unsigned = ({ head: _head, signature: _signature, ...index }: Index): Index => index;

async function refused(work: Promise<unknown>, code: string, reason: RegExp): Promise<void> {
  await expect(work).rejects.toMatchObject({ code, data: { reason: expect.stringMatching(reason) } });
  // Before anything is downloaded.
  expect(server.requests.map(({ path }) => path).filter((path) => !path.startsWith('/index.json'))).toEqual([]);
}

describe('a device that pins a key', () => {
  it('takes what the key signed, from an address and from a folder', async () => {
    const one = await put('1.0.0');
    await expect(confirm(one)).resolves.toMatchObject({ version: '1.0.0', digest: one.digest });
    await expect(confirm(one, config(undefined, `folder ${feed}`))).resolves.toMatchObject({ version: '1.0.0' });
  });

  it('refuses a feed that is not signed, and one of another key', async () => {
    const none = await put('1.0.0', undefined);
    rmSync(feed, { recursive: true });
    const path = join(folder, 'site-1.0.0.tgz');
    await publish({ folder: feed, app: 'site', version: '1.0.0', files: [{ platform: 'any', path }], clock });
    await refused(confirm(none), 'artifact_unverified', /index is not signed/);
    rmSync(feed, { recursive: true });
    await refused(confirm(await put('1.0.0', generateMinisignKey())), 'artifact_unverified', /not trusted here/);
  });

  it('refuses an index that was changed: number, expiry, channel, a release left out', async () => {
    const one = await put('1.0.0');
    await put('1.1.0');
    const changes: readonly ((index: Index) => Index)[] = [
      (index) => ({ ...index, number: index.number + 1 }),
      (index) => ({ ...index, expires: '2036-01-01T00:00:00Z' }),
      (index) => ({ ...index, channels: { stable: '1.0.0' } }),
      (index) => ({ ...index, channels: { stable: '1.0.0' }, releases: [entryOf(index, '1.0.0')] }),
      (index) => ({ ...index, releases: index.releases.map((r) => ({ ...r, date: '2030-01-01T00:00:00Z' })) }),
    ];
    const whole = readFileSync(join(feed, 'index.json'), 'utf8');
    for (const change of changes) {
      serve(change);
      await refused(confirm(one), 'artifact_unverified', /index was changed/);
      writeFileSync(join(feed, 'index.json'), whole);
    }
    await expect(confirm(one)).resolves.toBeDefined();
  });

  it("refuses another app's release, and 1.0.0 as 9.9.0, whoever says so", async () => {
    const one = await put('1.0.0');
    const other = await put('1.0.0', KEY, 'other', join(folder, 'other'));
    // The hub lies.
    await refused(confirm({ ...one, digest: other.digest }), 'artifact_unverified', /another digest/);
    await refused(confirm({ ...one, version: '9.9.0' }), 'artifact_unverified', /does not have this version/);
    // The server lies: a whole feed of the other app, by the same publisher; its statement; the older under a new name.
    const theirs = Index.parse(JSON.parse(readFileSync(join(folder, 'other', 'index.json'), 'utf8')));
    const ours = readFileSync(join(feed, 'index.json'), 'utf8');
    serve(() => theirs);
    await refused(confirm(other), 'source_invalid', /a feed of other, not of site/);
    serve(() => ({ ...theirs, app: 'site' }));
    await refused(confirm(other), 'artifact_unverified', /disagree about its app/);
    writeFileSync(join(feed, 'index.json'), ours);
    serve((index) => {
      const entry = { ...entryOf(index, '1.0.0'), version: '9.9.0' };
      return { ...index, channels: { stable: '9.9.0' }, releases: [entry] };
    });
    await refused(confirm({ ...one, version: '9.9.0' }), 'artifact_unverified', /disagree about its version/);
  });

  it('refuses a statement that was changed, has no signature, or has that of something else', async () => {
    await put('1.0.0');
    const two = await put('1.1.0');
    const whole = readFileSync(join(feed, 'index.json'), 'utf8');
    const change = (by: (entry: IndexEntry, index: Index) => Partial<IndexEntry>) => {
      writeFileSync(join(feed, 'index.json'), whole);
      // Even where the index itself is signed again: a signature of a release is its own.
      serve((index) => {
        const releases = index.releases.map((r) => (r.version === '1.1.0' ? { ...r, ...by(r, index) } : r));
        return signIndex({ ...index, releases }, KEY);
      });
    };
    change((entry) => ({ statement: entry.statement.replace(/"size":\d+/, '"size":7') }));
    serve((index) => index);
    const changed = statementDigest(
      entryOf(Index.parse(JSON.parse(readFileSync(join(feed, 'index.json'), 'utf8'))), '1.1.0').statement,
    );
    await refused(confirm({ ...two, digest: changed }), 'artifact_unverified', /what was signed was changed/);
    change(() => ({ signature: undefined }));
    await refused(confirm(two), 'artifact_unverified', /version 1.1.0 is not signed/);
    change((_entry, index) => ({ signature: entryOf(index, '1.0.0').signature }));
    await refused(confirm(two), 'artifact_unverified', /was changed/);
    change((_entry, index) => ({ signature: index.signature }));
    await refused(confirm(two), 'artifact_unverified', /was changed/);
  });

  it('refuses an index that is older than one it has seen; one that nobody signed does not count as seen', async () => {
    const one = await put('1.0.0');
    const old = readFileSync(join(feed, 'index.json'), 'utf8');
    const two = await put('1.1.0');
    const whole = readFileSync(join(feed, 'index.json'), 'utf8');
    serve((index) => unsigned({ ...index, number: 1_000_000 }));
    await refused(confirm(two), 'artifact_unverified', /not signed/);
    writeFileSync(join(feed, 'index.json'), whole);
    await expect(confirm(two)).resolves.toBeDefined();
    writeFileSync(join(feed, 'index.json'), old);
    acquirer = start();
    await refused(confirm(one), 'source_rolled_back', /number 1, but number 2 has been seen/);
  });

  it('takes an index past its expiry: a person decides that', async () => {
    const one = await put('1.0.0');
    serve((index) => signIndex({ ...index, expires: '2020-01-01T00:00:00Z' }, KEY));
    await expect(confirm(one)).resolves.toBeDefined();
  });
});

describe('a new key', () => {
  const NEW = generateMinisignKey();

  it('counts where the old one said so: on disk, for this app alone', async () => {
    await put('1.0.0');
    await rotate({ folder: feed, from: KEY, to: NEW, revoke: false, clock });
    const two = await put('1.1.0', NEW);
    await expect(confirm(two)).resolves.toBeDefined();
    // The statement of the rotation may go from the feed again.
    serve((index) => ({ ...index, rotations: [] }));
    acquirer = start();
    await expect(confirm(two)).resolves.toBeDefined();
    const other = await put('1.0.0', NEW, 'other', join(folder, 'other'));
    const use = config(undefined, `folder ${join(folder, 'other')}`);
    await refused(confirm(other, use, 'other'), 'artifact_unverified', /not trusted here/);
    // Whoever pins neither takes nothing from either.
    await refused(confirm(two, config([generateMinisignKey().publicKey.text])), 'artifact_unverified', /not trusted/);
  });

  it('is not handed a feed by one that never had it, nor one that is not there', async () => {
    await put('1.0.0');
    const index = readFileSync(join(feed, 'index.json'), 'utf8');
    const swapped = rotate({ folder: feed, from: NEW, to: KEY, revoke: false, clock });
    await expect(swapped).rejects.toMatchObject({
      code: 'publish_refused',
      data: { reason: expect.stringContaining('right way round') },
    });
    expect(readFileSync(join(feed, 'index.json'), 'utf8')).toBe(index);
    const missing = join(folder, 'no-feed');
    const nowhere = rotate({ folder: missing, from: KEY, to: NEW, revoke: false, clock });
    await expect(nowhere).rejects.toMatchObject({ code: 'publish_refused' });
    expect(existsSync(missing)).toBe(false);
  });

  it('revokes the old one, which then can neither sign nor hand over', async () => {
    await put('1.0.0');
    await rotate({ folder: feed, from: KEY, to: NEW, revoke: true, clock });
    const two = await put('1.1.0', NEW);
    await expect(confirm(two)).resolves.toBeDefined();
    // A thief of the old key, on the feed's server: signs all, and names a key of its own.
    const thief = generateMinisignKey();
    const own = KEY.publicKey.text;
    const statement = rotationText({ rotate: 'site', from: own, to: thief.publicKey.text, revoke: true, date: 'now' });
    const rotation = { statement, signature: KEY.sign(Buffer.from(statement), '') };
    for (const key of [KEY, thief]) {
      rmSync(feed, { recursive: true });
      const bad = await put('2.0.0', key);
      serve((index) => signIndex({ ...index, number: 100, rotations: [rotation] }, key));
      acquirer = start();
      await refused(confirm(bad), 'artifact_unverified', /not trusted here/);
    }
  });

  it('does not count by its own word, by a forged one, or for another app', async () => {
    await put('1.0.0');
    const own = KEY.publicKey.text;
    const text = (app: string) =>
      rotationText({ rotate: app, from: own, to: NEW.publicKey.text, revoke: false, date: 'now' });
    const sign = (key: MinisignSecretKey, statement: string) => ({
      statement,
      signature: key.sign(Buffer.from(statement), ''),
    });
    rmSync(feed, { recursive: true });
    const bad = await put('2.0.0', NEW);
    for (const rotation of [
      sign(NEW, text('site')),
      sign(KEY, text('other')),
      { ...sign(KEY, text('other')), statement: text('site') },
    ]) {
      serve((index) => signIndex({ ...index, rotations: [rotation] }, NEW));
      await refused(confirm(bad), 'artifact_unverified', /not trusted here/);
    }
  });
});

describe('a device that leaves it to the order where releases are', () => {
  const free = (keys = [KEY.publicKey.text]): AppConfig => AppSchema.parse({ keys, run: 'node x.js' });
  const from = (release: Ordered, address = server.url) => ({ ...release, source: { kind: 'feed', address } });

  it('knows an old index by who signed it, at any address, whatever keys come to the file beside', async () => {
    const next = generateMinisignKey();
    const one = await put('1.0.0');
    const copy = join(folder, 'copy');
    mkdirSync(copy);
    writeFileSync(join(copy, 'index.json'), readFileSync(join(feed, 'index.json')));
    await put('1.1.0');
    await rotate({ folder: feed, from: KEY, to: next, revoke: false, clock });
    const two = await put('1.2.0', next);
    const elsewhere = await serveFolder(copy);
    try {
      await expect(confirm(from(one, elsewhere.url), free())).resolves.toBeDefined();
      await expect(confirm(from(two), free())).resolves.toMatchObject({ version: '1.2.0' });
      for (const more of [[], [generateMinisignKey().publicKey.text], [next.publicKey.text]]) {
        acquirer = start();
        const use = free([KEY.publicKey.text, ...more]);
        await refused(confirm(from(one, elsewhere.url), use), 'source_rolled_back', /number 1, but number 4 has been/);
      }
      // Who named the new key alone starts from there as well.
      await expect(confirm(from(two), free([next.publicKey.text]))).resolves.toBeDefined();
      const seen = createSeenFile(join(folder, 'seen.json'));
      await expect(seen.highest(`signed site by ${next.publicKey.text}`)).resolves.toBe(4);
    } finally {
      await elsewhere.close();
    }
  });

  it('asks where its own file says, where that says anything', async () => {
    const one = await put('1.0.0');
    const elsewhere = await serveFolder(join(folder, 'nothing'));
    try {
      await expect(confirm(from(one, elsewhere.url))).resolves.toBeDefined();
      expect(elsewhere.requests).toEqual([]);
      await expect(confirm(one, free())).rejects.toMatchObject({ code: 'no_source' });
      const loose = AppSchema.parse({ run: 'node x.js' });
      await expect(confirm(from(one), loose)).rejects.toMatchObject({ code: 'no_source' });
    } finally {
      await elsewhere.close();
    }
  });
});

it('the hub offers what its own keys signed, and says why it offers nothing', async () => {
  const source = createFeedSource({
    seen: createSeenFile(join(folder, 'hub-seen.json')),
    rotations: createRotationFile(join(folder, 'hub-rotations.json')),
    fetch,
  });
  const read = (keys: readonly string[], etag?: string) =>
    source.read({ kind: 'feed', url: server.url }, { app: 'site', keys, etag, signal: new AbortController().signal });
  mkdirSync(feed, { recursive: true });
  const path = join(folder, 'site-0.9.0.tgz');
  await writeArchive(path, [{ name: 'run', content: 'before there was a key', mode: 0o755 }]);
  await publish({ folder: feed, app: 'site', version: '0.9.0', files: [{ platform: 'any', path }], clock });
  await expect(read([KEY.publicKey.text])).rejects.toMatchObject({ code: 'artifact_unverified' });
  // An answer that was taken when there were no keys is not good enough once there are some.
  const before = await read([]);
  const etag = before === 'unchanged' ? undefined : before.etag;
  await expect(read([], etag)).resolves.toBe('unchanged');
  await expect(read([KEY.publicKey.text], etag)).rejects.toMatchObject({ code: 'artifact_unverified' });
  await put('1.0.0');
  const signed = await read([KEY.publicKey.text]);
  await expect(read([KEY.publicKey.text], signed === 'unchanged' ? undefined : signed.etag)).resolves.toBe('unchanged');
  await expect(read([KEY.publicKey.text])).resolves.toMatchObject({ offer: { releases: [{ version: '1.0.0' }] } });
  await expect(read([generateMinisignKey().publicKey.text])).rejects.toMatchObject({ code: 'artifact_unverified' });
  // What devices are given when they join: by address, and by who signed; of what nobody signed by address alone.
  expect(JSON.parse(readFileSync(join(folder, 'hub-seen.json'), 'utf8'))).toEqual({
    [`feed ${server.url}/ for site`]: 2,
    [`signed site by ${KEY.publicKey.text}`]: 2,
  });
});
