import { describeSource, type Source } from '../domain/app.ts';
import type { Offer } from '../domain/release.ts';
import { hexSha256, type ReadIndex } from '../origin/feed-format.ts';
import type { FeedTrust } from '../origin/feed-signature.ts';
import type { RotationStore } from '../origin/key-rotation.ts';
import { checkNumber, type SeenNumbers, signedNumberKeys } from '../origin/seen.ts';
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
  const { offer, key } = keys.length === 0 ? { ...read, key: undefined } : await signedOffer(read, trust);
  await checkNumber(seen, sourceKey(source, app), shown, read.index);
  // Devices that leave it to orders where releases are know a number by who signed. They start from what is here.
  if (key !== undefined && source.kind === 'feed') {
    for (const name of signedNumberKeys(app, [...keys, key])) await seen.saw(name, read.index.number);
  }
  return { offer, etag: noteEtag(read.etag, keys), expiresAt: Date.parse(read.index.expires) };
}

/** An answer that was judged by other keys is no answer: its ETag is kept with the keys. */
function noteEtag(etag: string | undefined, keys: readonly string[]): string | undefined {
  return etag === undefined ? undefined : `${markOf(keys)}${etag}`;
}

/** The ETag that the feed knows, of one that {@link feedAnswer} gave; `undefined` where the keys have changed. */
export function etagFor(noted: string | undefined, keys: readonly string[] = []): string | undefined {
  const [mark = ''] = /^[0-9a-f]{12} /.exec(noted ?? '') ?? [];
  return noted !== undefined && mark === markOf(keys) ? noted.slice(mark.length) : undefined;
}

function markOf(keys: readonly string[]): string {
  return keys.length === 0 ? '' : `${hexSha256(keys.join(' ')).slice(0, 12)} `;
}

/** The releases that a trusted key signed. That the newest of a channel is none of them is an error, which says why. */
async function signedOffer({ index, offer }: ReadIndex, trust: FeedTrust): Promise<{ offer: Offer; key: string }> {
  const { verifyIndex } = await import('../origin/feed-signature.ts');
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
  const releases = offer.releases.filter(({ version }) => signed.has(version));
  return { offer: { ...offer, releases }, key: trusted.key };
}
