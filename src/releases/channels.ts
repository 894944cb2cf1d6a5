import { STABLE } from '../domain/release.ts';
import { isPrerelease } from '../domain/version.ts';

/** Channels of sources that have none of their own: told by versions. */

/** Of prereleases whose version has no word. */
const PRERELEASE = 'prerelease';

/** `1.2.3-beta.1` is on the channel `beta`. `flagged`: the source calls it a prerelease, whatever its version says. */
export function channelOf(version: string, flagged = false): string {
  if (!isPrerelease(version)) return flagged ? PRERELEASE : STABLE;
  const word = /-([A-Za-z][A-Za-z]*)/.exec(version)?.[1]?.toLowerCase().slice(0, 40);
  return word === undefined || word === STABLE ? PRERELEASE : word;
}

/**
 * The newest of each channel; who takes prereleases goes on to the release that they led to.
 * @param releases newest first
 */
export function channelsOf(
  releases: readonly { readonly version: string; readonly channel: string }[],
): Record<string, string> {
  const channels: Record<string, string> = {};
  for (const name of new Set(releases.map(({ channel }) => channel))) {
    const newest = releases.find(({ channel }) => channel === name || channel === STABLE);
    if (newest) channels[name] = newest.version;
  }
  return channels;
}
