import type { DEVICE_CODES, ErrorCode, ErrorData, ORIGIN_CODES } from '../../domain/errors.ts';
import type { Language } from '../../domain/reply.ts';
import type { Trusted } from '../../domain/trust-text.ts';
import type { FinalState, UpdateKind, UpdateState } from '../../domain/update.ts';
import type { NoticeTexts } from './notices.ts';
import type { PeopleTexts } from './people.ts';

/** The message catalogue: one file a language, each whole. What is missing does not compile. */

/** A problem in words: what happened to what, and what to do next. */
export interface ProblemText {
  readonly text: string;
  readonly next?: string | undefined;
}

/** Codes of what is wrong with a chat: texts in files of their own. */
export type ChatCode = Extract<ErrorCode, `chat_${string}` | 'button_unknown' | 'event_too_old'>;

export type DeviceCode = (typeof DEVICE_CODES)[number];
export type OriginCode = (typeof ORIGIN_CODES)[number];

/** `now` (milliseconds since 1970) makes times relative; without it they are given as they are. */
export type ProblemWriter = (data: ErrorData, now?: number) => ProblemText;

/** What a card or a line about an update is made from. Any richer view fits. */
export interface UpdateLike {
  readonly id: string;
  readonly app: string;
  /** The device's name, where there are others. */
  readonly on?: string | undefined;
  readonly kind: UpdateKind;
  readonly state: UpdateState;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Which backup a `restore` puts back. */
  readonly backup?: number | undefined;
  readonly requestedAt: number;
  readonly endedAt?: number | undefined;
  readonly cancelRequested?: boolean | undefined;
  readonly progress?:
    | {
        readonly unit: 'bytes' | 'files' | 'checks';
        readonly done: number;
        readonly total?: number | undefined;
        readonly rate?: number | undefined;
        readonly left?: number | undefined;
        readonly text?: string | undefined;
      }
    | undefined;
  readonly note?: { readonly code: string; readonly data: ErrorData } | undefined;
  readonly outcome?: OutcomeLike | undefined;
  /** What its device demands of the app's releases. */
  readonly trust?: Trusted | undefined;
}

/** How an update ended, as the agent told it or the hub found. */
export interface OutcomeLike {
  readonly state: FinalState;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly running?: string | undefined;
  readonly outageMs?: number | undefined;
  readonly proof?: 'reported' | 'slot' | undefined;
  readonly problem?: { readonly code: string; readonly data: ErrorData } | undefined;
  readonly logTail?: string | undefined;
  readonly backup?: number | undefined;
  readonly setAside?: string | undefined;
  readonly dataRestored?: boolean | undefined;
  /** The new version ran, was rolled back, and its data stays as it left it. */
  readonly dataLeft?: boolean | undefined;
  readonly backupProblem?: { readonly code: string; readonly data: ErrorData } | undefined;
  readonly dataProblem?: { readonly code: string; readonly data: ErrorData } | undefined;
  /** Which backup a `restore` put back, or tried to. */
  readonly restored?: RestoredLike | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** A backup as a `restore` names it. */
export interface RestoredLike {
  readonly seq: number;
  readonly at: number;
  /** What ran when it was made, and what was switched to. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** A restore made it, of this backup. */
  readonly restores?: number | undefined;
  /** Paths in it that are no longer backed up. */
  readonly skipped?: readonly string[] | undefined;
  /** Paths that are backed up now and are not in it. */
  readonly absent?: readonly string[] | undefined;
}

export interface Messages {
  readonly language: Language;
  bytes(bytes: number): string;
  /** Bytes a second. */
  rate(bytes: number): string;
  /** `0.9 s`, `2 min 5 s`. */
  duration(ms: number): string;
  relative(at: number, now: number): string;
  state(state: UpdateState): string;
  health(health: 'healthy' | 'ill' | 'stopped' | 'unknown'): string;
  /** How an update ended (or where it stands), in one line. */
  outcome(update: UpdateLike): string;
  problem(code: string, data: ErrorData, now?: number): ProblemText;

  /** A text for every code. */
  readonly problems: Readonly<Record<ErrorCode, ProblemWriter>>;
  readonly cards: CardTexts;
  readonly notices: NoticeTexts;
  readonly people: PeopleTexts;
  readonly router: RouterTexts;
}

/** Wording of progress and final cards. */
export interface CardTexts {
  readonly cancel: string;
  /** Of an update that waits for the app's lock. */
  readonly force: string;
  readonly hold: string;
  readonly tryAgain: string;
  readonly rollBack: string;
  readonly showLog: string;
  readonly restart: string;
  /** What was saved, and under which name. */
  readonly savedAs: (backup: string) => string;
  readonly restartTitle: (app: string) => string;
  readonly rollbackTitle: (app: string, to: string | undefined) => string;
  /** What is being done in a state, for the progress line. */
  readonly doing: Readonly<Record<UpdateState, string>>;
  /** Where a restore does something else. */
  readonly doingRestore: Readonly<Partial<Record<UpdateState, string>>>;
  readonly cancelling: string;
  readonly of: (done: string, total: string) => string;
  readonly files: (done: number, total: number | undefined) => string;
  readonly checks: (done: number, total: number | undefined) => string;
  readonly left: (seconds: number) => string;

  readonly backOnline: (app: string, version: string | undefined, outage: string | undefined) => string;
  readonly installed: (app: string, version: string | undefined) => string;
  readonly restarted: (app: string, version: string | undefined, outage: string | undefined) => string;
  readonly wentBack: (app: string, version: string | undefined, outage: string | undefined) => string;
  readonly rolledBack: (app: string, tried: string | undefined) => string;
  readonly serving: (app: string, version: string | undefined) => string;
  readonly outage: (outage: string) => string;
  readonly dataRestored: string;
  readonly dataKept: string;
  readonly databaseKept: string;
  readonly dataLeft: string;
  /** It went on without a backup. `why` is a whole sentence. */
  readonly noBackup: (why: string) => string;
  /** Part of the data could not be brought back. */
  readonly dataNotBack: (why: string) => string;
  readonly setAside: (where: string) => string;
  readonly restoreTitle: (app: string, backup: string) => string;
  /** `made` is relative. */
  readonly restored: (app: string, backup: string, about: string | undefined, outage: string | undefined) => string;
  /** When and before what a backup was made. */
  readonly backupMade: (backup: RestoredLike, app: string, made: string) => string;
  readonly restoreUndone: (app: string, backup: string) => string;
  readonly dataFromBefore: string;
  readonly wrongDataAside: (where: string) => string;
  readonly beforeIsBackup: (backup: string) => string;
  readonly beforeIsAside: (where: string) => string;
  readonly notInBackup: (paths: readonly string[]) => string;
  readonly notKeptNow: (paths: readonly string[]) => string;
  readonly notUpdated: (app: string, to: string | undefined, kind: UpdateKind) => string;
  readonly notInstalled: (app: string, to: string | undefined) => string;
  readonly untouched: (app: string, version: string | undefined) => string;
  readonly cancelled: (app: string, to: string | undefined, kind: UpdateKind) => string;
  readonly timedOut: (app: string, to: string | undefined, kind: UpdateKind) => string;
  readonly timedOutWhy: string;
  readonly rollbackFailed: (app: string) => string;
  readonly notServing: (app: string) => string;
  readonly rescue: (app: string) => string;
  readonly fieldWhat: string;
  readonly fieldProof: string;
  readonly fieldTrust: string;
  readonly fieldTook: string;
  readonly fieldBackup: string;
  readonly proofReported: string;
  readonly proofSlot: string;
  readonly logOf: (app: string) => string;
}

/** What the router says by itself. */
export interface RouterTexts {
  /** To somebody who has no role. */
  readonly stranger: string;
  readonly strangerTitle: string;
}
