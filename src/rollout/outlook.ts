import type { Kysely } from 'kysely';
import type { AppReport } from '../protocol/messages.ts';
import type { CheckedApp, ReleaseChecker } from '../releases/index.ts';
import { type AppChoice, readAppChoice, skippedVersions } from '../store/app-settings.ts';
import type { DeviceWithApps } from '../store/devices.ts';
import { declinedVersions } from '../store/notices.ts';
import type { Database } from '../store/schema.ts';
import { automaticEnds, installedBefore } from '../store/updates.ts';
import { type Attempts, attemptsOf, givenUp } from './attempts.ts';
import { type Candidates, candidatesOf } from './candidates.ts';

/** What the store says of one app on one device: everything that decides what is announced and what comes by itself. */

export type OfferKnown = NonNullable<Awaited<ReturnType<ReleaseChecker['known']>>>;

export interface Outlook {
  readonly app: CheckedApp;
  readonly device: DeviceWithApps;
  readonly report: AppReport;
  /** What runs. */
  readonly running: string;
  readonly choice: AppChoice;
  readonly known: OfferKnown;
  readonly skipped: readonly string[];
  readonly left: readonly string[];
  readonly candidates: Candidates;
  /** Of the release that may come by itself. */
  readonly attempts: Attempts;
}

/** `undefined` where nothing is installed or nothing is known of releases. */
export async function outlookOf(
  deps: { readonly db: Kysely<Database>; readonly checker: Pick<ReleaseChecker, 'known'> },
  app: CheckedApp,
  device: DeviceWithApps,
): Promise<Outlook | undefined> {
  const { db, checker } = deps;
  const report = device.apps.find((one) => one.app === app.name);
  if (report?.version === undefined) return undefined;
  const known = await checker.known(app);
  if (!known) return undefined;
  const [choice, skipped, declined, installed, ended] = await Promise.all([
    readAppChoice(db, app.name),
    skippedVersions(db, app.name),
    declinedVersions(db, app.name),
    installedBefore(db, app.name, device.id),
    automaticEnds(db, app.name, device.id),
  ]);
  const running = report.version;
  const { blocked } = report;
  // What ran here and runs no more was left by somebody, or by the device: to take it again would undo that. What is
  // blocked is ruled out anyway, and holds up nothing that is older.
  const left = [...declined, ...installed, ...givenUp(ended).filter((version) => !blocked.includes(version))];
  const candidates = candidatesOf({
    auto: choice.auto,
    pinned: choice.pinned !== undefined,
    running,
    offer: known.offer,
    channel: app.channel,
    expired: known.offer.warning !== undefined,
    skipped,
    blocked,
    left,
  });
  const attempts = attemptsOf(ended, candidates.auto?.version ?? '');
  return { app, device, report, running, choice, known, skipped, left, candidates, attempts };
}
