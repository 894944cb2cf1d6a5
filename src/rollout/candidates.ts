import { newestEligible, type Offer, type Release } from '../domain/release.ts';
import type { Auto } from '../domain/settings.ts';
import { compareVersions, sameMajor } from '../domain/version.ts';

/** Which release is news for an app, and which one it takes by itself. Pure. */

/** Everything that decides it. */
export interface Situation {
  readonly auto: Auto;
  readonly pinned: boolean;
  /** Canonical version that runs. */
  readonly running: string;
  readonly offer: Offer;
  readonly channel: string;
  /** Nobody vouches for the offer any more. */
  readonly expired: boolean;
  /** For good, by a person. */
  readonly skipped: readonly string[];
  /** Failed on this device by their own fault. */
  readonly blocked: readonly string[];
  /**
   * Left to people: somebody cancelled the automatic update to it, went back from it, or it failed too often. Only
   * what is newer is taken automatically after that.
   */
  readonly left: readonly string[];
}

export interface Candidates {
  /** A person may want it. Absent where it is the same one that comes by itself. */
  readonly announce?: Release | undefined;
  /** It may be taken without asking. */
  readonly auto?: Release | undefined;
}

/**
 * Nothing for a pinned app. Otherwise the newest release that the channel allows, that is newer than what runs and
 * neither skipped nor blocked: taken by itself with `on`; with `minor` the newest one of the same major version, and a
 * newer major one is for a person. An expired offer is only told.
 */
export function candidatesOf(now: Situation): Candidates {
  if (now.pinned) return {};
  const eligible = eligibleReleases(now);
  const newest = newestOf(eligible);
  if (now.auto === 'off' || now.expired) return { announce: newest };
  const inReach = (version: string) => now.auto === 'on' || sameMajor(version, now.running);
  const passed = now.left.filter(inReach);
  const auto = newestOf(
    eligible.filter(({ version }) => inReach(version) && passed.every((left) => compareVersions(version, left) > 0)),
  );
  return { auto, announce: newest?.version === auto?.version ? undefined : newest };
}

/** Newer than what runs, not above what the source points to, not ruled out here. */
function eligibleReleases({ offer, channel, running, skipped, blocked }: Situation): readonly Release[] {
  const top = newestEligible(offer, channel);
  if (!top) return [];
  return offer.releases.filter(
    (release) =>
      (release.version === top.version || onChannel(release, channel)) &&
      compareVersions(release.version, top.version) <= 0 &&
      compareVersions(release.version, running) > 0 &&
      !skipped.includes(release.version) &&
      !blocked.includes(release.version),
  );
}

/** Would the channel have allowed it by itself? */
function onChannel(release: Release, channel: string): boolean {
  return newestEligible({ releases: [release], channels: {} }, channel) !== undefined;
}

function newestOf(releases: readonly Release[]): Release | undefined {
  let best: Release | undefined;
  for (const release of releases) if (!best || compareVersions(release.version, best.version) > 0) best = release;
  return best;
}

/** Releases that an update would jump over. */
export function countBetween(offer: Offer, channel: string, from: string, to: string): number {
  return offer.releases.filter(
    (release) =>
      onChannel(release, channel) &&
      compareVersions(release.version, from) > 0 &&
      compareVersions(release.version, to) < 0,
  ).length;
}
