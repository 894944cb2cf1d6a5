import { describeSource, type Source } from '../domain/app.ts';
import type { Offer } from '../domain/release.ts';
import type { ReadIndex } from '../origin/feed-format.ts';
import { verifyIndex } from '../origin/feed-signature.ts';
import type { RotationStore } from '../origin/key-rotation.ts';
import { checkNumber, type SeenNumbers } from '../origin/seen.ts';
import { sourceKey } from '../origin/source-key.ts';
import type { SourceAnswer } from './release-source.ts';

/** What the hub makes of a feed's index, wherever it read it. */

export interface FeedDeps {
  readonly seen: SeenNumbers;
  /** Which keys took over from those of the file. */
  readonly rotations: RotationStore;
}

/** @throws {FettleError} `source_rolled_back`; with keys `artifact_unverified` */
export async function feedAnswer(
  { seen, rotations }: FeedDeps,
  read: ReadIndex & { readonly etag?: string | undefined },
  {
    source,
    app,
    keys = [],
  }: { readonly source: Source; readonly app: string; readonly keys?: readonly string[] | undefined },
): Promise<SourceAnswer> {
  const shown = describeSource(source);
  const trust = { source: shown, keys, rotations };
  const offer = keys.length === 0 ? read.offer : await signedOffer(read, trust);
  await checkNumber(seen, sourceKey(source, app), shown, read.index);
  return { offer, etag: read.etag, expiresAt: Date.parse(read.index.expires) };
}

/** The releases that a trusted key signed. That the newest of a channel is none of them is an error, which says why. */
async function signedOffer({ index, offer }: ReadIndex, trust: Parameters<typeof verifyIndex>[1]): Promise<Offer> {
  const trusted = await verifyIndex(index, trust);
  const pointed = new Set(Object.values(offer.channels));
  const signed = new Set<string>();
  for (const entry of index.releases) {
    try {
      trusted.signerOf(entry);
      signed.add(entry.version);
    } catch (error) {
      if (pointed.has(entry.version)) throw error;
    }
  }
  return { ...offer, releases: offer.releases.filter(({ version }) => signed.has(version)) };
}
