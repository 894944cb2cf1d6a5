import type { Source } from '../domain/app.ts';
import type { Offer, Release } from '../domain/release.ts';

/** What every kind of source can do. One file a kind; `index.ts` lists them. */

export type SourceKind = Source['kind'];
export type SourceOf<K extends SourceKind> = Extract<Source, { kind: K }>;

/** A source's whole answer. */
export interface SourceAnswer {
  readonly offer: Offer;
  /** What makes the next read conditional. */
  readonly etag?: string | undefined;
  /** Past this nobody vouches for the answer. */
  readonly expiresAt?: number | undefined;
}

export interface ReleaseSource<K extends SourceKind = SourceKind> {
  readonly kind: K;
  /**
   * Asks the source: one upstream request, conditional where `etag` is given.
   * Digests of the offer's releases may be empty: see {@link ReleaseSource.resolve}.
   *
   * @throws {FettleError} `source_unreachable`, `source_invalid`, `source_rolled_back`, `artifact_unverified`
   */
  read(
    source: SourceOf<K>,
    options: {
      readonly app: string;
      /** Of this machine's file: what no such key signed is not offered. Each device looks for itself. */
      readonly keys?: readonly string[] | undefined;
      readonly etag?: string | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<SourceAnswer | 'unchanged'>;
  /**
   * Completes one release of an offer: afterwards it has a digest.
   * @throws {FettleError} as {@link ReleaseSource.read}
   */
  resolve(source: SourceOf<K>, release: Release, options: { readonly signal: AbortSignal }): Promise<Release>;
}

/** One of each kind: a kind without its source does not compile. */
export type ReleaseSources = { readonly [K in SourceKind]: ReleaseSource<K> };

/** The source of a kind. */
export function sourceOfKind(sources: ReleaseSources, kind: SourceKind): ReleaseSource {
  return sources[kind] as ReleaseSource;
}
