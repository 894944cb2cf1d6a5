import type { Language } from './reply.ts';

/** What people may set in a chat (`/settings`, `/update auto`), as the rest of the hub reads it. Pure. */

/**
 * Hands-off updates of one app. `minor` leaves major versions to a person; before 1.0.0 the second number counts as
 * the major one, as npm's `^` has it.
 */
export const AUTO = ['off', 'on', 'minor'] as const;
export type Auto = (typeof AUTO)[number];

/** When sources are asked: at an interval (milliseconds), or by a cron expression in {@link HubSettings.timezone}. */
export type CheckTimes = { readonly every: number } | { readonly cron: string };

/** Days that backups are kept where nobody said otherwise. */
export const RETENTION_DAYS = 14;

/** All settings, with their values as they count now. */
export interface HubSettings {
  readonly interval: CheckTimes;
  /** IANA name; for cron expressions, quiet hours and the digest. */
  readonly timezone: string;
  /** What is told unasked: all, failures only, nothing. */
  readonly notify: 'all' | 'failures' | 'off';
  /** Between the notice of an automatic update and its begin, milliseconds. 0: at once. */
  readonly grace: number;
  /** Minutes of the day; `to` may be before `from` (over midnight). Nothing new is announced or begun meanwhile. */
  readonly quiet: { readonly from: number; readonly to: number } | null;
  /** Minute of the day at which new releases are told in one message; null: each as it is found. */
  readonly digest: number | null;
  /** Days that backups are kept. 0: only the newest, and that of the running release. */
  readonly retention: number;
  /** Is data backed up before a switch? */
  readonly backup: boolean;
  readonly language: Language;
  /** The app that is meant where a command names none. */
  readonly defaultApp: string | null;
}

/** The settings as they count now, and word of their changes. */
export interface SettingsReader {
  current(): HubSettings;
  /** Called after a change, with the new values. Answers how to end it. */
  onChange(listener: (settings: HubSettings) => void): () => void;
}
