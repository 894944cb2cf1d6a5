import type { ErrorData } from '../../domain/errors.ts';

/** Why an announced automatic update did not begin. A text for each in every language. */
export const WITHDRAWN = [
  /** A person began something else with the app. */
  'taken-over',
  'off',
  'pinned',
  'skipped',
  'blocked',
  /** Cancelled before, or left to people. */
  'left',
  'quiet',
  /** The release is not offered any more, or is another one now. */
  'gone',
  /** Something newer came meanwhile. */
  'superseded',
  /** The app runs another version by now, or is not there. */
  'changed',
  /** Nobody vouches for the source's index any more. */
  'expired',
  /** Somebody said no. */
  'rejected',
  /** Nobody approved it in time. */
  'unapproved',
] as const;
export type Withdrawn = (typeof WITHDRAWN)[number];

/** Why an announced update did not begin; `undefined` where somebody cancelled it, or it was none. */
export function withdrawnFor(update: {
  readonly note?: { readonly data: ErrorData } | undefined;
}): Withdrawn | undefined {
  return WITHDRAWN.find((known) => known === update.note?.data.reason);
}

/** Wording of what nobody asked for: news, automatic updates, warnings. */
export interface NoticeTexts {
  readonly available: (app: string, version: string) => string;
  readonly fieldVersion: string;
  readonly fieldSize: string;
  readonly fieldPublished: string;
  readonly fieldBetween: string;
  /** Rows that a digest has no room for. */
  readonly more: (count: number) => string;
  readonly update: string;
  readonly later: string;
  readonly skip: string;
  /** `grace` as people say it; `undefined`: it begins now. */
  readonly begins: (app: string, version: string, grace: string | undefined) => string;
  readonly withdrawnTitle: (app: string, version: string | undefined) => string;
  readonly withdrawn: Readonly<Record<Withdrawn, string>>;
  /** A person cancelled it. */
  readonly declined: (version: string | undefined) => string;
  readonly digestTitle: (count: number) => string;
  readonly columns: readonly [app: string, running: string, newest: string];
  readonly updateApp: (app: string, version: string) => string;
  readonly expiresTitle: (app: string, past: boolean) => string;
  readonly expires: (source: string, when: string, past: boolean) => string;
  readonly expiresNext: string;
  readonly crashesTitle: (app: string, version: string | undefined) => string;
  /** `when` is a time. */
  readonly crashes: (app: string, times: number, when: string, device: string) => string;
  /** A chat is not connected. */
  readonly awayTitle: (platform: string) => string;
  readonly away: (when: string) => string;
  /** It hears, and may not answer. */
  readonly dumbTitle: (platform: string) => string;
  readonly dumb: (when: string) => string;
  readonly awayTimes: (times: number) => string;
  readonly backTitle: (platform: string) => string;
  readonly back: (away: string) => string;
  /** An answer can't be given where `who` asked. */
  readonly lost: (who: string, platform: string, reason: string) => string;
  readonly lostNext: string;
  readonly status: string;
  readonly rollBackTo: (version: string) => string;
  readonly logs: string;
  /** Somebody did it on the device itself. */
  readonly onDevice: (who: string, device: string) => string;
  /** After an automatic update that failed: it is tried again after `wait`. */
  readonly triesAgain: (wait: string) => string;
  /** After the last try. */
  readonly leftToYou: (tries: number) => string;
}
