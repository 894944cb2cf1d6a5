import { createHash } from 'node:crypto';
import { constants, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { inspectProgram } from '../../agent/install/program.ts';
import { NAME_PATTERN } from '../domain/app.ts';
import { FettleError, toFettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import { STABLE } from '../domain/release.ts';
import { compareVersions, isPrerelease, newestFirst, readVersion } from '../domain/version.ts';
import { makeFolder, syncFolder, writeDurably } from '../files/durable.ts';
import {
  ARCHIVE_ENDINGS,
  archiveEnding,
  artifactPath,
  FEED_FORMAT,
  FILE_NAME,
  hexSha256,
  INDEX_FILE,
  type Index,
  PLATFORM,
  readIndex,
  type Statement,
  statementDigest,
} from '../origin/feed-format.ts';
import type { MinisignSecretKey } from '../origin/minisign-secret.ts';
import { countUnsigned, refuseForeignKey, signIndex } from './signing/sign-feed.ts';

/** `fettle publish`: puts a release into a folder that any web server can serve. */

export interface PublishOptions {
  readonly folder: string;
  readonly app: string;
  readonly version: string;
  /** One file a platform; `any` where one serves all. */
  readonly files: readonly { readonly platform: string; readonly path: string }[];
  readonly channel?: string | undefined;
  readonly notes?: string | undefined;
  /** Days until the index has to be published anew. */
  readonly expiresDays?: number | undefined;
  /** Signs the statement and the index. A feed that is signed is not published to without its key. */
  readonly key?: MinisignSecretKey | undefined;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  /** How long to wait for another publisher, milliseconds. */
  readonly lockMs?: number | undefined;
}

export interface Published {
  readonly folder: string;
  readonly app: string;
  readonly version: string;
  readonly channel: string;
  readonly digest: string;
  /** Of the index. */
  readonly number: number;
  readonly expires: string;
  /** False: this version was there already, byte for byte; only the index's date was renewed. */
  readonly fresh: boolean;
  /** The version that the channel points to now: an older one does not take over. */
  readonly newest: string;
  /** Who signed it: `RW…`. */
  readonly signedBy?: string | undefined;
  /** Older releases in the feed that this key did not sign: who trusts it alone does not take them. */
  readonly unsigned: number;
  readonly artifacts: readonly { readonly platform: string; readonly file: string; readonly size: number }[];
}

const DAY = 86_400_000;

/**
 * Artifacts first, each durable, the index last and in one rename: a reader, or a power cut, sees the old index or the
 * new one, and what an index names is there. Publishers wait for each other. The same version with the same bytes
 * renews the index's date; with other bytes it is refused, because devices may have it already.
 *
 * @throws {FettleError} `publish_refused` {reason}; `no_space`, `io_failed`
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const wanted = validate(options);
  try {
    makeFolder(options.folder, 0o755);
  } catch (error) {
    throw toFettleError(error, 'publish_refused', { app: options.app, version: options.version });
  }
  const unlock = await lockFeed(options);
  try {
    return await publishLocked(options, wanted);
  } catch (error) {
    // Of whoever reads a feed, that is about an address in a configuration.
    if (error instanceof FettleError && error.code === 'source_invalid')
      throw refused(`${options.folder} can't be published into: ${String(error.data.reason)}`);
    throw toFettleError(error, 'publish_refused', { app: options.app, version: options.version });
  } finally {
    unlock();
  }
}

/** What was done, a line each, for the terminal. */
export function describePublished(published: Published): string[] {
  const { app, version, channel, newest } = published;
  return [
    published.fresh ? `Published ${app} ${version} (${channel}).` : `${app} ${version} was published already; renewed.`,
    ...published.artifacts.map((a) => `  ${a.platform}  ${artifactPath(version, a.file)}  ${a.size} bytes`),
    `Digest ${published.digest}`,
    published.signedBy === undefined
      ? 'Not signed: devices take it only where their file says `trust: source`. `fettle keygen` makes a key; then --key.'
      : `Signed with key ${published.signedBy}`,
    ...(published.signedBy !== undefined && published.unsigned > 0
      ? [`${published.unsigned} older release(s) are not signed with it. Publish them again, with --key, to sign them.`]
      : []),
    `Index number ${published.number}, valid until ${published.expires.slice(0, 10)}.`,
    ...(newest === version ? [] : [`Channel ${channel} stays at ${newest}, which is newer.`]),
  ];
}

/** Endings of packages and archives that no device unpacks. */
const PACKED = /\.(tar\.\w+|gz|bz2|xz|zst|7z|rar|deb|rpm|apk|jar|exe|msi|dmg)$/i;

interface Wanted {
  readonly version: string;
  readonly channel: string;
  readonly notes: string;
  readonly expiresDays: number;
  readonly files: readonly { readonly platform: string; readonly path: string; readonly file: string }[];
}

function refused(reason: string): FettleError {
  return new FettleError('publish_refused', { data: { reason } });
}

function validate(options: PublishOptions): Wanted {
  const version = readVersion(options.version);
  if (version === undefined) throw refused(`${options.version} is no version such as 1.2.3`);
  if (!NAME_PATTERN.test(options.app)) throw refused(`“${options.app}” is no name of an app`);
  const channel = options.channel ?? STABLE;
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(channel)) throw refused(`${channel} is no name of a channel`);
  if (channel === STABLE && isPrerelease(version)) {
    throw refused(`${version} is a prerelease; publish it on a channel of its own, such as beta`);
  }
  const notes = options.notes ?? '';
  if (notes.length > 20_000) throw refused('the notes are longer than 20,000 characters');
  const expiresDays = options.expiresDays ?? 90;
  if (!(expiresDays >= 1 && expiresDays <= 3_650)) throw refused('an index may be valid from 1 to 3650 days');
  if (options.files.length === 0) throw refused('a release needs at least one file');
  const platforms = new Set<string>();
  for (const { platform, path } of options.files) {
    const name = basename(path);
    if (!PLATFORM.test(platform)) throw refused(`${platform} is no platform such as linux-x64, or any`);
    if (platforms.has(platform)) throw refused(`there are two files for ${platform}`);
    platforms.add(platform);
    if (archiveEnding(name) === undefined && PACKED.test(name)) {
      throw refused(`${name} is none of ${ARCHIVE_ENDINGS.join(', ')}, and no executable`);
    }
    if (!FILE_NAME.test(name)) throw refused(`${name} has characters that an address would have to escape`);
  }
  return { version, channel, notes, expiresDays, files: named(options.files) };
}

/** Files of different folders may have one name (`dist/x64/app.tgz`, `dist/arm64/app.tgz`): then the platform leads. */
function named(files: PublishOptions['files']): Wanted['files'] {
  const paths = new Map<string, Set<string>>();
  for (const { path } of files) {
    const name = basename(path);
    paths.set(name, (paths.get(name) ?? new Set()).add(path));
  }
  return files.map(({ platform, path }) => {
    const name = basename(path);
    return { platform, path, file: (paths.get(name)?.size ?? 0) > 1 ? `${platform}-${name}` : name };
  });
}

async function publishLocked(options: PublishOptions, wanted: Wanted): Promise<Published> {
  const { app, folder } = options;
  const { version, channel, notes } = wanted;
  const old = readFeedFolder(folder, app);
  const before = old?.releases.find((release) => release.version === version);
  refuseForeignKey(old, options.key);

  const artifacts: Statement['artifacts'] = {};
  for (const { platform, path, file } of wanted.files) {
    artifacts[platform] = { file, ...(await measure(path)) };
    if (archiveEnding(file) === undefined) await refuseNoProgram(platform, path);
  }
  const statement: Statement = { app, version, channel, notes: hexSha256(notes), artifacts };
  const text = `${JSON.stringify(statement)}\n`;
  if (before && before.statement !== text) {
    throw refused(`version ${version} is published already, with other content; give the new one a higher version`);
  }

  const releaseFolder = join(folder, 'releases', version);
  makeFolder(releaseFolder, 0o755);
  for (const { platform, path, file } of wanted.files) {
    const expected = artifacts[platform];
    const place = join(releaseFolder, file);
    if (before && existsSync(place) && (await measure(place)).sha256 === expected?.sha256) continue;
    await copyDurably(path, place, expected?.sha256 ?? '');
  }
  const statementFile = join(releaseFolder, 'statement.json');
  writeDurably(statementFile, text, 0o644);
  const signature = options.key?.sign(Buffer.from(text), `app=${app} version=${version} channel=${channel}`);
  if (signature !== undefined) writeDurably(`${statementFile}.minisig`, signature, 0o644);

  const now = options.clock.now();
  const first = before ?? { version, channel, date: isoSeconds(now), notes, statement: text };
  const entry = signature === undefined ? first : { ...first, signature };
  const others = (old?.releases ?? []).filter((release) => release.version !== version);
  const releases = [...others, entry];
  const order = new Map(newestFirst(releases.map((r) => r.version)).map((v, place) => [v, place]));
  releases.sort((a, b) => (order.get(a.version) ?? 0) - (order.get(b.version) ?? 0));
  const pointed = old?.channels[channel];
  const newest = pointed !== undefined && compareVersions(pointed, version) > 0 ? pointed : version;
  const unsigned: Index = {
    format: FEED_FORMAT,
    app,
    number: (old?.number ?? 0) + 1,
    date: isoSeconds(now),
    expires: isoSeconds(now + wanted.expiresDays * DAY),
    channels: { ...old?.channels, [channel]: newest },
    releases,
    ...(old?.rotations ? { rotations: old.rotations } : {}),
  };
  const index = options.key ? signIndex(unsigned, options.key) : unsigned;
  const indexText = `${JSON.stringify(index, null, 2)}\n`;
  // What no reader would take must not replace what readers take.
  readIndex(indexText, { source: `folder ${folder}`, app });
  writeDurably(join(folder, INDEX_FILE), indexText, 0o644);
  return {
    ...{ folder, app, version, channel, newest, number: index.number, expires: index.expires },
    digest: statementDigest(text),
    fresh: before === undefined,
    signedBy: options.key?.publicKey.text,
    unsigned: options.key ? countUnsigned(index, options.key.publicKey.text) : 0,
    artifacts: Object.entries(artifacts).map(([platform, a]) => ({ platform, file: a.file, size: a.size })),
  };
}

export function readFeedFolder(folder: string, app: string): Index | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, INDEX_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return readIndex(text, { source: `folder ${folder}`, app }).index;
}

const isoSeconds = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

async function measure(path: string): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  await eachChunk(path, async (chunk) => {
    hash.update(chunk);
    size += chunk.length;
  });
  if (size === 0) throw refused(`${basename(path)} is empty`);
  return { sha256: hash.digest('hex'), size };
}

/** What is no archive is one executable; a device would refuse anything else. */
async function refuseNoProgram(platform: string, path: string): Promise<void> {
  const [system, arch = ''] = platform.split('-');
  // Of other systems' programs only those here can tell.
  if (system !== 'linux' && system !== 'any') return;
  const found = await inspectProgram(realpathSync(path), { arch, interpreters: false });
  if (found.kind !== 'other') return;
  if (found.for === undefined) throw refused(`${basename(path)} is no archive, and ${found.wrong}`);
  if (system === 'linux') throw refused(`${basename(path)} is published for ${platform}, but is for ${found.for}`);
}

async function copyDurably(from: string, to: string, sha256: string): Promise<void> {
  const temporary = `${to}.new`;
  rmSync(temporary, { force: true });
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const hash = createHash('sha256');
  try {
    const target = await open(temporary, flags, 0o644);
    try {
      await eachChunk(from, async (chunk) => {
        hash.update(chunk);
        for (let at = 0; at < chunk.length; ) at += (await target.write(chunk, at)).bytesWritten;
      });
      await target.sync();
    } finally {
      await target.close();
    }
    if (hash.digest('hex') !== sha256) throw refused(`${basename(from)} changed while it was published`);
    renameSync(temporary, to);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(join(to, '..'));
}

async function eachChunk(path: string, take: (chunk: Buffer) => Promise<void>): Promise<void> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw refused(`there is no file ${path}`);
    throw error;
  }
  try {
    if (!(await file.stat()).isFile()) throw refused(`${path} is no file`);
    const buffer = Buffer.allocUnsafe(1_000_000);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      await take(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/**
 * One publisher at a time: an exclusive transaction on an SQLite file. The kernel lets go of it when its holder dies,
 * so it is never stale, and it holds between two publishers in one process too.
 */
export async function lockFeed(options: Pick<PublishOptions, 'clock' | 'folder' | 'lockMs'>): Promise<() => void> {
  const { clock, folder } = options;
  mkdirSync(folder, { recursive: true });
  const until = clock.monotonic() + (options.lockMs ?? 60_000);
  const held = new BetterSqlite3(join(folder, '.publish-lock'), { timeout: 0 });
  for (;;) {
    try {
      held.exec('BEGIN EXCLUSIVE');
      return () => held.close();
    } catch (error) {
      const busy = /^SQLITE_BUSY/.test((error as NodeJS.ErrnoException).code ?? '');
      if (!busy || clock.monotonic() > until) {
        held.close();
        throw busy ? refused('somebody else is publishing into this folder') : toFettleError(error, 'publish_refused');
      }
      await sleep(25);
    }
  }
}
