import type { Source } from '../domain/app.ts';
import type { ErrorCode, ErrorData } from '../domain/errors.ts';
import type { Offer, Release } from '../domain/release.ts';
import type { Language, Route } from '../domain/reply.ts';
import type { SettingKey } from '../domain/setting-texts.ts';
import type { Auto, HubSettings } from '../domain/settings.ts';
import type { UpdateKind, UpdateState } from '../domain/update.ts';
import type { AppReport, BackupReport, Outcome, Problem, Progress, StrangeBackup } from '../protocol/messages.ts';
import type { Asker, Person } from './asker.ts';
import type { Devices } from './devices-services.ts';
import type { Approvals, People } from './people-services.ts';
import type { DeviceTools } from './tools-services.ts';

export type { Asker, Person } from './asker.ts';

/**
 * What commands need of the rest of the hub: the whole list, so that a command can be tested with a small
 * stand-in and never reaches around a layer. Wired in `src/main.ts`.
 */
export interface Services {
  /** As of the last reading of the configuration. Cheap: the parser reads it for each message. */
  settings(): Settings;
  /**
   * Asks the app's source now; parallel askers share one request.
   *
   * @throws {FettleError} `no_source` · `source_unreachable {source, reason, nextAt}` · `source_invalid` ·
   *   `source_expired` · `source_rolled_back`
   */
  check(app: string, signal: AbortSignal): Promise<Checked>;
  /** What the last check found, from the store alone. */
  known(app: string): Promise<Known>;
  /**
   * Makes an update; with `force`, the same one that waits for the app's own lock goes on instead (`forced`). Safe to repeat: a second call for one `eventId` answers with the first one's id.
   *
   * @throws {FettleError} `in_progress {app, id, who, startedAt, state}` · `unknown_version {app, version, newest}` ·
   *   `already_latest {app, version}` · `already_running_version {app, version}` · `downgrade_refused {app, from, to}` ·
   *   `no_last_good {app}` · `release_blocked {app, version}` · `release_skipped {app, version}` ·
   *   `pinned {app, version, who}` · `not_installed {app}` · `no_source {app}` · `unknown_backup {app, backup?, known}` ·
   *   what {@link Services.check} throws. A device that is offline is no error: the update waits for it.
   */
  request(order: UpdateRequest, signal: AbortSignal): Promise<{ readonly id: string; readonly forced?: true }>;
  /** What {@link Services.request} would do, and the same refusals. Changes nothing. */
  plan(order: UpdateRequest, signal: AbortSignal): Promise<Plan>;
  /**
   * The backups of an app, or of all, newest first; asked of the device now.
   *
   * @throws {FettleError} `device_offline` · `capability_denied`
   */
  backups(app: string | undefined, signal: AbortSignal): Promise<BackupsView>;
  /**
   * Asks for an update's end. `accepted` is false where it is too late; `state` is where it stands.
   *
   * @param id without one: the only update that can be meant
   * @throws {FettleError} `nothing_to_cancel` · `unknown_update {id}` · `bad_arguments` where several fit
   */
  cancel(id: string | undefined, who: Person): Promise<CancelResult>;
  /**
   * An update does not wait for the app's own lock any more (`force`), or goes on waiting with its deadline anew (`hold`).
   * `accepted` is false where it is too late, or where it does not wait. Audited; safe to repeat.
   *
   * @throws {FettleError} `unknown_update {id}` · `device_offline` · `agent_too_old`
   */
  insist(id: string, on: 'force' | 'hold', asker: Asker): Promise<CancelResult>;
  /**
   * A release is announced once more, a day from now, unless it was installed, skipped, pinned or superseded.
   *
   * @param version as typed; without one, the newest that could be announced
   * @throws {FettleError} `unknown_version {app, version, newest}` · `already_running_version` · `already_latest` ·
   *   `not_installed`
   */
  later(app: string, version: string | undefined): Promise<{ readonly version: string; readonly at: number }>;
  readonly updates: {
    /** Under way, oldest first. */
    active(app?: string): Promise<readonly UpdateView[]>;
    /** Ended ones, newest first. */
    history(app: string | undefined, limit: number): Promise<readonly UpdateView[]>;
    find(id: string): Promise<UpdateView | undefined>;
  };
  /** What `/settings` shows and changes. */
  readonly preferences: Preferences;
  /** Hands-off updates, held versions, skipped releases. */
  readonly choices: Choices;
  readonly people: People;
  /** Updates that wait for somebody's word. */
  readonly approvals: Approvals;
  /** What devices' own files let people have run. */
  readonly tools: DeviceTools;
  devices(): Promise<readonly DeviceView[]>;
  /** Who may connect as which device. */
  readonly fleet: Devices;
  adapters(): readonly AdapterView[];
  /** Answers of the last day that could not be given, and why, of a platform; those of a chat that is well again are not. */
  lostAnswers(platform: string): Promise<readonly { readonly times: number; readonly reason: string }[]>;
  /**
   * The end of an app's log, or of what was logged during an update; redacted.
   *
   * @throws {FettleError} `device_offline` · `no_log` · `not_installed`
   */
  readLog(of: LogQuery, signal: AbortSignal): Promise<string>;
}

export interface Settings {
  /** In the order of the configuration. May hold `hub` and `agent`. */
  readonly apps: readonly AppSetting[];
  readonly defaultApp?: string | undefined;
  /** Fettle's own. */
  readonly version: string;
}

export interface AppSetting {
  readonly name: string;
  readonly source?: Source | undefined;
  readonly channel: string;
}

export interface Checked {
  /** Newest release that the app may have; absent where the source has none on its channel. */
  readonly newest?: Release | undefined;
  readonly offer: OfferView;
  /** Milliseconds since 1970. */
  readonly checkedAt: number;
}

export interface Known {
  readonly newest?: Release | undefined;
  /** Empty where the source was never read. */
  readonly offer: OfferView;
  readonly checkedAt?: number | undefined;
  /** Why the last check failed. */
  readonly problem?: { readonly code: ErrorCode; readonly data: ErrorData } | undefined;
  readonly nextAt?: number | undefined;
}

export interface OfferView extends Offer {
  /** What a person should know about it: nobody vouches for it any more (`source_expired`). */
  readonly warning?: { readonly code: ErrorCode; readonly data: ErrorData } | undefined;
}

/** Where a setting's value comes from; the first that says something counts. */
export type SettingOrigin = 'chat' | 'file' | 'default';

export interface SettingView {
  readonly key: SettingKey;
  /** As `/settings KEY VALUE` takes it. */
  readonly value: string;
  readonly origin: SettingOrigin;
  /** Of a value that was set in a chat. */
  readonly changed?: { readonly byName: string; readonly at: number } | undefined;
  /** What counts without the chat. */
  readonly otherwise: { readonly value: string; readonly origin: Exclude<SettingOrigin, 'chat'> };
}

export interface SettingChange {
  readonly before: string;
  readonly after: string;
}

export interface Preferences {
  current(): HubSettings;
  /** In the order in which people read them. */
  list(): readonly SettingView[];
  /**
   * @param text the value as typed
   * @throws {FettleError} `bad_setting {key, value, expected}`, and nothing is changed
   */
  set(key: SettingKey, text: string, asker: Asker): Promise<SettingChange>;
  /** Back to the file's value, or the default. */
  reset(key: SettingKey, asker: Asker): Promise<SettingChange>;
}

/** What somebody said about one app. */
export interface ChoiceView {
  readonly auto: Auto;
  /** The version that is held. */
  readonly pinned?: string | undefined;
  readonly pinnedBy?: string | undefined;
  /** In no order. */
  readonly skipped: readonly string[];
}

/** @throws {FettleError} `unknown_app` from each */
export interface Choices {
  of(app: string): Promise<ChoiceView>;
  /** @throws {FettleError} `no_source` for anything but off */
  setAuto(app: string, auto: Auto, asker: Asker): Promise<{ readonly before: Auto }>;
  /**
   * Holds a version; without one, that which runs.
   *
   * @throws {FettleError} `unknown_version {app, version, newest}` · `not_installed {app}`
   */
  pin(
    app: string,
    version: string | undefined,
    asker: Asker,
    signal: AbortSignal,
  ): Promise<{ readonly version: string; readonly before?: string | undefined }>;
  /** Answers what was held. */
  unpin(app: string, asker: Asker): Promise<{ readonly before?: string | undefined }>;
  /**
   * Skips a release for good; without a version, the newest eligible one that is newer than what runs.
   *
   * @throws {FettleError} `unknown_version` · `already_latest` · `release_skipped` where the only newer one is already ·
   *   `already_running_version`
   */
  skip(
    app: string,
    version: string | undefined,
    asker: Asker,
    signal: AbortSignal,
  ): Promise<{ readonly version: string; readonly already: boolean }>;
}

export interface UpdateRequest {
  /** `update` becomes `install` where the app is not there yet. */
  readonly kind: Exclude<UpdateKind, 'install'>;
  readonly app: string;
  /** As typed. Without one: the newest eligible. */
  readonly version?: string | undefined;
  readonly force: boolean;
  readonly withData: boolean;
  /** Which backup a `restore` puts back. */
  readonly backup?: number | undefined;
  readonly who: Person;
  readonly route: Route;
  readonly eventId: string;
  readonly language: Language;
}

/** A step of a plan. `update now --dry-run` has a text for each. */
export const PLAN_STEPS = [
  /** {mode: `confirm` or `second`} somebody has to approve it first */
  'approve',
  /** {device} it is offline; the update waits. */
  'wait_for_device',
  /** {source, size?} */
  'fetch',
  /** {digest}, or {backup} for a restore */
  'verify',
  /** {paths}; {off} true where the setting says that no backup is made */
  'back_up',
  /** {app, grace?: milliseconds} */
  'stop',
  /** {from?, to} */
  'switch',
  /** {paths, backup?} a backup is put back (`--with-data`, a restore) */
  'restore_data',
  /** {app, version} */
  'start',
  /** {for?: milliseconds, checks?, address?} */
  'probe',
  /** {version} becomes last-good */
  'commit',
  /** {version, backup?, off?} what happens when anything fails */
  'go_back',
] as const;
export type PlanStepCode = (typeof PLAN_STEPS)[number];

export interface Plan {
  readonly kind: UpdateKind;
  readonly app: string;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Which backup is put back. */
  readonly backup?: number | undefined;
  /** Bytes to download. */
  readonly size?: number | undefined;
  /** `describeSource`'s text. */
  readonly source?: string | undefined;
  readonly steps: readonly { readonly code: PlanStepCode; readonly data: ErrorData }[];
}

export interface BackupsView {
  readonly backups: readonly BackupView[];
  /** What lies among them and can't be put back. */
  readonly strange: readonly (StrangeBackup & { readonly app: string })[];
}

/** A backup, as the device tells it. */
export interface BackupView extends BackupReport {
  readonly app: string;
}

export interface CancelResult {
  readonly id: string;
  readonly app: string;
  readonly accepted: boolean;
  readonly state: UpdateState;
}

/** An update as commands and cards see it. */
export interface UpdateView {
  readonly id: string;
  readonly app: string;
  /** Its name where it has one. */
  readonly device: string;
  readonly kind: UpdateKind;
  readonly state: UpdateState;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Which backup a `restore` puts back. */
  readonly backup?: number | undefined;
  /** `platform:person`, or `fettle`. */
  readonly requestedBy: string;
  readonly requestedByName: string;
  readonly requestedAt: number;
  readonly stateAt: number;
  readonly endedAt?: number | undefined;
  /** Of an `announced` one: when its grace is over. */
  readonly beginsAt?: number | undefined;
  readonly progress?: Progress | undefined;
  /** What is being waited for; or why it did not begin. */
  readonly note?: Problem | undefined;
  readonly cancelRequested: boolean;
  /** Absent while it runs, and where it ended without the device (`timed-out`). */
  readonly outcome?: Outcome | undefined;
}

export interface DeviceView {
  readonly id: string;
  readonly name: string;
  readonly connected: boolean;
  readonly lastSeenAt: number;
  readonly apps: readonly AppReport[];
}

/** A chat adapter's connection, as `/update status` tells it. */
export interface AdapterView {
  readonly platform: string;
  readonly state: 'connected' | 'connecting' | 'unattended' | 'failed' | 'stopped';
  readonly since: number;
  readonly lastError?: string | undefined;
  /** Why it is not connected, for people. */
  readonly problem?: { readonly code: ErrorCode; readonly data: ErrorData } | undefined;
  /** It comes with the hub and needs no configuration: the terminal. */
  readonly own?: boolean | undefined;
}

export type LogQuery =
  | { readonly app: string; readonly lines: number }
  | { readonly update: string; readonly lines: number };
