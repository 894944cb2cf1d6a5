import { createHash } from 'node:crypto';
import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import type { Artifact, Offer, Release } from '../domain/release.ts';
import { readVersion } from '../domain/version.ts';

/**
 * A release feed: a folder of static files that any web server or bucket can serve, made by `fettle publish`.
 *
 * ```
 * index.json                     what there is; the only file that changes
 * releases/1.1.0/statement.json  what a release consists of, byte for byte as in the index
 * releases/1.1.0/app-1.1.0.tgz   its artifacts
 * ```
 *
 * Everything hangs on the statement: it names app, version, channel, the notes' digest and each artifact's sha256
 * and size. Its own sha256 is the release's digest, which an order carries and a device compares with what it reads
 * itself. It is kept as text, because a signature is over bytes.
 */

/** `fettle-feed/MAJOR`. A reader refuses another major; within one, unknown keys are passed over. */
export const FEED_FORMAT = 'fettle-feed/1';
const MAJOR = '1';

/** The index's name inside the folder. */
export const INDEX_FILE = 'index.json';

/** An index may have at most so many bytes (some 5,000 releases). */
export const MAX_INDEX_BYTES = 8_000_000;

/** Endings of what an artifact may be. */
export const ARCHIVE_ENDINGS = ['.tar.gz', '.tgz', '.tar.zst', '.tar', '.zip'] as const;
export type ArchiveEnding = (typeof ARCHIVE_ENDINGS)[number];

/** How an artifact is packed, by its name; `undefined` where it is nothing that Fettle unpacks. */
export function archiveEnding(file: string): ArchiveEnding | undefined {
  return ARCHIVE_ENDINGS.find((ending) => file.toLowerCase().endsWith(ending) && file.length > ending.length);
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected a sha256 in lower-case hex');
const version = z.string().refine((text) => readVersion(text) === text, 'expected a version such as 1.2.3');
const channel = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'expected a channel such as stable');
const date = z.iso.datetime('expected a date such as 2026-11-21T08:00:00Z');

/** A plain file name: no folder, nothing hidden, nothing that a URL would have to escape. */
export const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._+@~-]{0,199}$/;

/** `linux-x64`, `darwin-arm64` (Node's `process.platform`-`process.arch`), or `any`. */
export const PLATFORM = /^(any|[a-z0-9]{2,20}-[a-z0-9_]{2,20})$/;

/** One artifact. Its place is `releases/VERSION/FILE`. */
export const StatementArtifact = z.object({
  file: z.string().regex(FILE_NAME, 'expected a file name inside the release’s own folder'),
  sha256,
  size: z.number().int().positive(),
});

/** What a release consists of: the text that is hashed, and that a signature covers. */
export const Statement = z.object({
  app: z.string().min(1).max(40),
  version,
  channel,
  /** sha256 of the notes' text (UTF-8); of the empty text where there are none. */
  notes: sha256,
  artifacts: z
    .record(z.string().regex(PLATFORM, 'expected a platform such as linux-x64, or any'), StatementArtifact)
    .refine((artifacts) => Object.keys(artifacts).length > 0, 'expected at least one artifact'),
});
export type Statement = z.infer<typeof Statement>;

/** One release in the index. */
export const IndexEntry = z.object({
  version,
  channel,
  date,
  /** Plain text, may be empty. */
  notes: z.string().max(20_000),
  /** The exact text of `releases/VERSION/statement.json`. */
  statement: z.string().max(100_000),
  /** A minisign signature of that text, as minisign writes it. */
  signature: z.string().max(2_000).optional(),
});
export type IndexEntry = z.infer<typeof IndexEntry>;

/** A statement and the minisign signature of it. */
export const SignedText = z.object({ statement: z.string().max(4_000), signature: z.string().max(2_000) });
export type SignedText = z.infer<typeof SignedText>;

/** `index.json`. */
export const Index = z.object({
  format: z.string(),
  app: z.string().min(1).max(40),
  /** Rises by one with each change. A reader refuses a lower one than it has seen: an old index hides fixes. */
  number: z.number().int().nonnegative(),
  date,
  /** Past it nobody vouches for the index any more: automatic updates stop, a person is warned. */
  expires: date,
  /** Channel → its newest version. */
  channels: z.record(channel, version),
  /** Newest first. */
  releases: z.array(IndexEntry).max(5_000),
  /** What is signed of this index, as text (`feed-signature.ts`), and its signature. Both or neither. */
  head: z.string().max(20_000).optional(),
  signature: z.string().max(2_000).optional(),
  /** Which key took over from which, oldest first: statements of the old ones (`key-rotation.ts`). */
  rotations: z.array(SignedText).max(32).optional(),
});
export type Index = z.infer<typeof Index>;

/** An index that has been checked, and its releases as the rest of Fettle knows them. */
export interface ReadIndex {
  readonly index: Index;
  readonly offer: Offer;
}

/** `sha256-` and the hex digest of a statement's text: what a release of a feed is known by. */
export function statementDigest(statement: string): string {
  return `sha256-${hexSha256(statement)}`;
}

export function hexSha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** Where an artifact is, relative to the feed's folder. Cannot leave it: neither part may have a `/` or be `..`. */
export function artifactPath(releaseVersion: string, file: string): string {
  return `releases/${releaseVersion}/${file}`;
}

/**
 * Reads and checks the text of an index.
 *
 * @param expected.source `describeSource`'s text, for messages
 * @param expected.app the app that the configuration wants from this feed
 * @throws {FettleError} `source_invalid` with the reason: no JSON (a web page), another major format, another app,
 *   a version twice, a name that leaves the folder; `artifact_unverified`: a statement that disagrees with its entry
 *   or its notes
 */
export function readIndex(text: string, expected: { readonly source: string; readonly app: string }): ReadIndex {
  const invalid = (reason: string, cause?: unknown) =>
    new FettleError('source_invalid', { data: { source: expected.source, reason }, cause });
  const json = parseJson(text, (cause) =>
    /^\s*</.test(text)
      ? invalid('it answered with a web page instead of an index (is the address right, or is there a sign-in?)', cause)
      : invalid('its index is not JSON', cause),
  );
  const format = (json as { format?: unknown } | null)?.format;
  const major = /^fettle-feed\/(\d+)$/.exec(String(format))?.[1];
  if (major === undefined) throw invalid('its index is not that of a release feed (no "format": "fettle-feed/1")');
  if (major !== MAJOR) {
    throw invalid(`its index has the format fettle-feed/${major}; this Fettle reads ${FEED_FORMAT}: update Fettle`);
  }
  const index = parse(Index, json, (where, cause) => invalid(`its index is wrong at ${where}`, cause));
  if (index.app !== expected.app) {
    throw invalid(`it is a feed of ${index.app}, not of ${expected.app}`);
  }
  const seen = new Set<string>();
  const releases = index.releases.map((entry) => {
    if (seen.has(entry.version)) throw invalid(`its index names version ${entry.version} twice`);
    seen.add(entry.version);
    return readEntry(entry, expected, invalid);
  });
  for (const [name, pointed] of Object.entries(index.channels)) {
    if (!seen.has(pointed)) throw invalid(`its channel ${name} points to ${pointed}, which it does not have`);
  }
  return { index, offer: { releases, channels: index.channels } };
}

function readEntry(
  entry: IndexEntry,
  { app, source }: { readonly app: string; readonly source: string },
  invalid: (reason: string, cause?: unknown) => FettleError,
): Release {
  const wrong = `the statement of version ${entry.version}`;
  const json = parseJson(entry.statement, (cause) => invalid(`${wrong} is not JSON`, cause));
  const statement = parse(Statement, json, (where, cause) => invalid(`${wrong} is wrong at ${where}`, cause));
  for (const [what, stated, indexed] of [
    ['app', statement.app, app],
    ['version', statement.version, entry.version],
    ['channel', statement.channel, entry.channel],
    ['notes', statement.notes, hexSha256(entry.notes)],
  ] as const) {
    if (stated === indexed) continue;
    // One release passed off as another: not an address that was written wrong.
    const reason = `${wrong} and the index disagree about its ${what}`;
    throw new FettleError('artifact_unverified', { data: { app, source, version: entry.version, reason } });
  }
  const artifacts: Artifact[] = Object.entries(statement.artifacts).map(([platform, artifact]) => ({
    platform,
    path: artifactPath(entry.version, artifact.file),
    sha256: artifact.sha256,
    size: artifact.size,
  }));
  const sizes = new Set(artifacts.map((artifact) => artifact.size));
  return {
    version: entry.version,
    channel: entry.channel,
    digest: statementDigest(entry.statement),
    publishedAt: Date.parse(entry.date),
    notes: entry.notes === '' ? undefined : entry.notes,
    // What one device downloads; unknown where platforms differ.
    size: sizes.size === 1 ? artifacts[0]?.size : undefined,
    artifacts,
  };
}

function parseJson(text: string, fail: (cause: unknown) => FettleError): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw fail(error);
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, fail: (where: string, cause: unknown) => FettleError): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.map(String).join('.') || 'the top';
  throw fail(`${where} (${issue?.message ?? 'unknown'})`.slice(0, 200), result.error);
}
