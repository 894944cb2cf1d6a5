import { compareVersions, isPrerelease } from './version.ts';

/** One file of a release for one platform, or for every platform (`any`). */
export interface Artifact {
  /** `linux-x64`, `linux-arm64`, …, or `any`. Node's `process.platform`-`process.arch`. */
  readonly platform: string;
  /** Where it is, relative to the source (folder, feed) or as the source names it. */
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** One version of an app, as its source tells it. */
export interface Release {
  readonly version: string;
  readonly channel: string;
  /** What the release is known by: `sha512-…` (npm integrity) or `sha256-…` of its statement (folder, feed). */
  readonly digest: string;
  /** Milliseconds since 1970; `undefined` where the source does not say. */
  readonly publishedAt?: number | undefined;
  /** Plain text. */
  readonly notes?: string | undefined;
  /** Bytes to download, where known. */
  readonly size?: number | undefined;
  /** Empty for package releases: npm resolves the tree. */
  readonly artifacts: readonly Artifact[];
}

/** Everything a source offers, as read at one moment. */
export interface Offer {
  readonly releases: readonly Release[];
  /** channel → the version that the source says is newest there (npm dist-tags, a feed's channels). */
  readonly channels: Readonly<Record<string, string>>;
}

/** The default channel. */
export const STABLE = 'stable';

const NONE: ReadonlySet<string> = new Set();

/**
 * The newest release that an app on `channel` may have. The source's own pointer for the channel wins;
 * otherwise the highest version of that channel. Prereleases are eligible on their own channel only.
 *
 * @param except versions that don't count (skipped). Where the source points at one of them, it is the highest below
 *   it: what the source holds back stays held back.
 */
export function newestEligible(offer: Offer, channel: string, except = NONE): Release | undefined {
  const pointed = offer.releases.find((r) => r.version === offer.channels[channel]);
  if (pointed && !except.has(pointed.version)) return pointed;
  let best: Release | undefined;
  for (const release of offer.releases) {
    if (release.channel !== channel || except.has(release.version)) continue;
    if (channel === STABLE && isPrerelease(release.version)) continue;
    if (pointed && compareVersions(release.version, pointed.version) > 0) continue;
    if (!best || compareVersions(release.version, best.version) > 0) best = release;
  }
  return best;
}

/** The artifact for a platform: an exact match before `any`. */
export function artifactFor(release: Release, platform: string): Artifact | undefined {
  return release.artifacts.find((a) => a.platform === platform) ?? release.artifacts.find((a) => a.platform === 'any');
}
