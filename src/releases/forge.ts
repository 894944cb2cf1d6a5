import { describeSource } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import type { ForgeSource } from '../domain/forge.ts';
import type { Release } from '../domain/release.ts';
import type { ForgeDeps } from '../origin/forge-api.ts';
import { forgeDigest, withDigests } from '../origin/forge-digests.ts';
import { type ForgeRelease, listReleases, releaseOf } from '../origin/forge-releases.ts';
import { channelOf, channelsOf } from './channels.ts';
import type { ReleaseSource } from './release-source.ts';

/** Releases on GitHub, or on a server that speaks Gitea's API. */
export function createForgeSource<K extends ForgeSource['kind']>(
  kind: K,
  deps: ForgeDeps,
): Pick<ReleaseSource<K>, 'kind' | 'read' | 'resolve'> {
  /** A stored mark → a newer one of the same content: GitHub's ETag changes with each download that it counts. */
  const newer = new Map<string, string>();
  return {
    kind,
    read: async (source, { etag, signal }) => {
      const mark = etag === undefined ? undefined : (newer.get(etag) ?? etag);
      const found = await listReleases(deps, source, { mark, signal });
      if (found.releases === undefined) {
        if (etag !== undefined && found.mark !== etag) newer.set(etag, found.mark);
        return 'unchanged';
      }
      if (etag !== undefined) newer.delete(etag);
      const releases = found.releases.map(toRelease);
      return { offer: { releases, channels: channelsOf(releases) }, etag: found.mark };
    },
    resolve: async (source, release, { signal }) => {
      const found = await releaseOf(deps, source, release.version, { signal });
      if (!found) {
        const reason = `it does not have version ${release.version} any more`;
        throw new FettleError('source_invalid', { data: { source: describeSource(source), reason } });
      }
      return { ...release, digest: forgeDigest(source, await withDigests(deps, source, found, { signal })) };
    },
  };
}

function toRelease(release: ForgeRelease): Release {
  const { version, prerelease, publishedAt, notes } = release;
  return {
    version,
    channel: channelOf(version, prerelease),
    digest: '',
    publishedAt,
    notes: notes === '' ? undefined : notes,
    artifacts: [],
  };
}
