import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import { FEED_FORMAT, hexSha256, type Index, type IndexEntry, statementDigest } from './feed-format.ts';
import { currentKeys, type RotationStore } from './key-rotation.ts';
import { type MinisignPublicKey, readPublicKey, readSignature, verifyMinisign } from './minisign.ts';

/**
 * The signatures of a feed. Each release's statement has one of its own; the index has a **head**, a short text that
 * repeats everything of it that is in no statement, with one. The head is inside the index, so that a reader never sees an
 * index beside the signature of another, whatever caches lie between; a reader that knows of no head passes over it.
 */

/** What is signed of an index. No statement of a release reads as one, nor the other way round. */
export const Head = z.object({
  format: z.literal(FEED_FORMAT),
  app: z.string(),
  number: z.number().int(),
  date: z.string(),
  expires: z.string(),
  channels: z.record(z.string(), z.string()),
  /** sha256 of {@link releaseList}. */
  releases: z.string(),
});

/** The exact text that is signed for an index. */
export function headOf(index: Index): string {
  const { app, number, date, expires, channels } = index;
  const releases = hexSha256(releaseList(index));
  return JSON.stringify({ format: FEED_FORMAT, app, number, date, expires, channels, releases });
}

/** `VERSION DATE DIGEST`, a line each, in the index's order. */
function releaseList(index: Index): string {
  return index.releases
    .map(({ version, date, statement }) => `${version} ${date} ${statementDigest(statement)}\n`)
    .join('');
}

/** An index whose signature is that of a trusted key. */
export interface TrustedIndex {
  /** Who signed the index: `RW…`. */
  readonly key: string;
  /**
   * The key that signed a release's statement.
   * @throws {FettleError} `artifact_unverified`
   */
  signerOf(entry: IndexEntry): string;
}

export interface FeedTrust {
  /** `describeSource`'s text. */
  readonly source: string;
  /** `RW…`, of this machine's own file. */
  readonly keys: readonly string[];
  readonly rotations: RotationStore;
}

/**
 * Checks the index's signature against the keys that are pinned, and those that took over from them.
 *
 * @throws {FettleError} `artifact_unverified` with the reason
 */
export async function verifyIndex(index: Index, trust: FeedTrust): Promise<TrustedIndex> {
  const unverified = (reason: string, cause?: unknown) =>
    new FettleError('artifact_unverified', { data: { app: index.app, source: trust.source, reason }, cause });
  const keys = await currentKeys(index.app, trust.keys, index.rotations ?? [], trust.rotations);
  if (index.head === undefined || index.signature === undefined) {
    throw unverified('its index is not signed');
  }
  const key = verifyText(index.head, index.signature, keys, (reason) => unverified(`the index: ${reason}`));
  // Word for word what was signed: everything else in the index is of a statement, or decides nothing.
  if (!sameHead(index)) throw unverified('its index was changed after it was signed');
  return {
    key,
    signerOf: (entry) => {
      if (entry.signature === undefined) throw unverified(`version ${entry.version} is not signed`);
      return verifyText(entry.statement, entry.signature, keys, (reason) =>
        unverified(`version ${entry.version}: ${reason}`),
      );
    },
  };
}

function sameHead(index: Index): boolean {
  try {
    const signed = Head.parse(JSON.parse(index.head ?? ''));
    const stated = Head.parse(JSON.parse(headOf(index)));
    return canonical(signed) === canonical(stated);
  } catch {
    return false;
  }
}

function canonical({ channels, ...head }: z.infer<typeof Head>): string {
  return JSON.stringify([Object.entries(head).sort(), Object.entries(channels).sort()]);
}

/** @returns the key that signed */
export function verifyText(
  text: string,
  signature: string,
  keys: readonly MinisignPublicKey[],
  fail: (reason: string) => Error,
): string {
  try {
    return verifyMinisign({ message: Buffer.from(text, 'utf8'), signature: readSignature(signature), keys }).key;
  } catch (error) {
    throw fail(error instanceof FettleError ? String(error.data.reason) : 'its signature could not be read');
  }
}

/** Did this key, or one of these, sign it? For whoever publishes: the answer is no error. */
export function isSignedText(text: string, signature: string | undefined, keys: readonly string[]): boolean {
  if (signature === undefined) return false;
  try {
    verifyText(text, signature, keys.map(readPublicKey), () => new Error());
    return true;
  } catch {
    return false;
  }
}
