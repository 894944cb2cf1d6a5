import { createHash } from 'node:crypto';
import { type Offer, type Release, STABLE } from '../domain/release.ts';
import { isPrerelease, newestFirst, readVersion } from '../domain/version.ts';
import type { NpmOrigin, NpmVersions } from '../origin/npm.ts';
import type { ReleaseSource } from './release-source.ts';

/** Packages of an npm registry. Dist-tags are channels; the tag `latest` is called `stable`. */
export function createNpmSource(deps: { readonly origin: NpmOrigin }): ReleaseSource<'npm'> {
  return {
    kind: 'npm',
    read: async (source, { etag, signal }) => {
      const answer = await deps.origin.versions(source.package, { signal });
      // npm asks conditionally and keeps the 304 to itself; the answer's own hash says whether anything is new.
      const hash = createHash('sha256').update(JSON.stringify(answer)).digest('hex');
      return hash === etag ? 'unchanged' : { offer: offerOf(answer), etag: hash };
    },
    resolve: async (source, release, { signal }) => {
      const found = await deps.origin.release(source.package, release.version, { signal });
      return { ...release, digest: found.integrity, size: found.unpackedSize };
    },
  };
}

/** Channel of versions that are prereleases and that no tag points to. Nobody gets these unasked. */
const UNTAGGED = 'prerelease';

function offerOf(answer: NpmVersions): Offer {
  const valid = answer.versions.filter((version) => readVersion(version) === version);
  const versions = new Set(valid);
  const channels: Record<string, string> = {};
  const channelOf = new Map<string, string>();
  for (const [tag, version] of Object.entries(answer.tags)) {
    // A tag that is itself called `stable` would be two meanings for one channel; `latest` is npm's own default.
    if (tag === STABLE || !versions.has(version)) continue;
    const channel = tag === 'latest' ? STABLE : tag;
    channels[channel] = version;
    if (channel === STABLE || !channelOf.has(version)) channelOf.set(version, channel);
  }
  const releases = newestFirst(valid).map((version): Release => {
    const time = Date.parse(answer.times[version] ?? '');
    return {
      version,
      channel: channelOf.get(version) ?? (isPrerelease(version) ? UNTAGGED : STABLE),
      digest: '',
      publishedAt: Number.isNaN(time) ? undefined : time,
      artifacts: [],
    };
  });
  return { releases, channels };
}
