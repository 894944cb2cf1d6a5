import type { Source } from './app.ts';

/** What a device demands of an app's releases before it takes one. Decided by the device's own file. Pure. */

/**
 * `signed`: by a key that the file names. `source`: the device reads at the origin itself what the release is, and
 * compares; whoever rules the origin is believed. `none`: the same, and nobody vouches for it: said in each card.
 */
export const TRUST_LEVELS = ['signed', 'source', 'none'] as const;
export type TrustLevel = (typeof TRUST_LEVELS)[number];

/** A minisign public key, as configuration names it. */
export const PUBLIC_KEY = /^RW[QRST][A-Za-z0-9+/]{53}$/;

export interface Trusting {
  readonly source?: Source | undefined;
  readonly trust?: TrustLevel | undefined;
  readonly keys: readonly string[];
  /** Of `git`: whose signature commits must have. */
  readonly signedBy?: readonly unknown[] | undefined;
}

/** Sources of artifacts, each with a signature; packages and commits have ways of their own. */
export function isSignable(kind: Source['kind']): boolean {
  return kind !== 'npm' && kind !== 'git';
}

/**
 * What is written, else `signed` where there are keys and for whatever comes from an address, else `source`. Commits that
 * somebody must have signed are `signed`, whatever else is written.
 */
export function trustOf({ source, trust, keys, signedBy }: Trusting): TrustLevel {
  if (source?.kind === 'git' && signedBy !== undefined) return 'signed';
  return trust ?? (keys.length > 0 || source?.kind === 'feed' ? 'signed' : 'source');
}

/** What is wrong with an app's trust, by key; in words that follow "expected". */
export function trustProblem(app: Trusting): { readonly key: 'trust' | 'keys'; readonly expected: string } | undefined {
  const { source, trust, keys, signedBy } = app;
  if (keys.length > 0 && trust !== undefined && trust !== 'signed') {
    return {
      key: 'trust',
      expected: `no \`keys\` beside \`trust: ${trust}\`: with keys, releases are taken signed only`,
    };
  }
  if (source && !isSignable(source.kind)) {
    const way = source.kind === 'npm' ? "a package has its registry's signature" : 'commits have `refs` and `signedBy`';
    if (keys.length > 0) return { key: 'keys', expected: `none for a source \`${source.kind}\`: ${way}` };
    if (trust === 'signed' && signedBy === undefined)
      return { key: 'trust', expected: `\`source\` or \`none\` for \`${source.kind}\`: ${way}` };
    return undefined;
  }
  if ((source ? trustOf(app) : trust) === 'signed' && keys.length === 0) {
    return { key: 'keys', expected: KEYS_NEEDED };
  }
  return undefined;
}

const KEYS_NEEDED =
  "the publisher's public key (`keys: [RWQ…]`, made by `fettle keygen`), or `trust: source` to believe whoever serves the feed";
