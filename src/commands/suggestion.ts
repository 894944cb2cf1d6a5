import { newestEligible, type Release } from '../domain/release.ts';
import { compareVersions } from '../domain/version.ts';
import type { ChoiceView, DeviceView, Known } from './services.ts';

/** What there is to say about an app's newest release, given what somebody said about the app. */
export interface Suggestion {
  /** The newest that is not skipped; may be older than what runs. */
  readonly release?: Release | undefined;
  /** The newest is skipped, and newer than what runs: its version. */
  readonly skipped?: string | undefined;
  /** {@link Suggestion.release} failed here before. */
  readonly blocked: boolean;
  /** {@link Suggestion.release} is newer than what runs (or nothing does). */
  readonly newer: boolean;
}

export function suggest(
  app: { readonly name: string; readonly channel: string },
  known: Pick<Known, 'newest' | 'offer'>,
  choice: ChoiceView,
  devices: readonly DeviceView[],
): Suggestion {
  const { newest, offer } = known;
  const runs = runningVersions(app.name, devices);
  const isNewer = (version: string) => runs.length === 0 || runs.some((one) => compareVersions(version, one) > 0);
  const isSkipped = newest !== undefined && choice.skipped.includes(newest.version) && isNewer(newest.version);
  const release = isSkipped ? newestEligible(offer, app.channel, new Set(choice.skipped)) : newest;
  const blocked = devices.some((device) =>
    device.apps.some((report) => report.app === app.name && release && report.blocked.includes(release.version)),
  );
  const newer = release !== undefined && isNewer(release.version);
  return { release, skipped: isSkipped ? newest.version : undefined, blocked, newer };
}

/** What runs on each device that has the app, oldest first. */
export function runningVersions(app: string, devices: readonly DeviceView[]): readonly string[] {
  const reports = devices.flatMap((device) => device.apps.filter((report) => report.app === app));
  return reports.flatMap((report) => report.version ?? []).sort(compareVersions);
}
