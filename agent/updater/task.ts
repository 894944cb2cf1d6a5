import type { AppConfig } from '../../config/agent-schema.ts';
import type { AppFolder, HomeLayout } from '../../config/home.ts';
import type { SelfApp } from '../../src/domain/app.ts';
import { cutText } from '../../src/domain/cut-text.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/id.ts';
import { canFollow, isCancellable, stateOf, type UpdateState } from '../../src/domain/update.ts';
import type { Outcome, Problem, Progress } from '../../src/protocol/messages.ts';
import type { Acquirer } from '../acquire/index.ts';
import type { Check, Subject } from '../health/contract.ts';
import { type Around, subjectOf } from '../health/subject.ts';
import { withData } from '../install/index.ts';
import type { Slots } from '../install/slots.ts';
import type { Journal, JournalEntry } from '../journal.ts';
import type { RestartDriver } from '../restart/contract.ts';
import type { Ballast } from './ballast.ts';
import type { BlockedReleases } from './blocked.ts';
import type { Bound } from './bound.ts';
import type { Gate } from './gate.ts';

/** Values of problems are shown in chats and must fit in a message; an app may answer anything. */
const MAX_VALUE = 1_000;

/** What the updater needs of the rest of the agent. */
export interface UpdaterDeps {
  readonly layout: HomeLayout;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly checks: readonly Check[];
  readonly acquirer: Acquirer;
  readonly blocked: BlockedReleases;
  readonly ballast: Ballast;
  readonly gate: Gate;
  /** What checks, locks and rehearsals need to know of the device. */
  readonly around: Around;
  readonly bound: Bound;
  /** Free bytes of the file system that a folder is on. */
  readonly freeSpace: (folder: string) => number;
  /** Takes secrets out of text that leaves the device. */
  readonly redact: (app: string, text: string) => string;
  /** Something that the hub should know. Never throws, never waits. */
  readonly onReport: (entry: JournalEntry, progress?: Progress, note?: Problem) => void;
  readonly log: (line: string) => void;
  /** Days that backups are kept, as it counts now. */
  readonly retentionDays: () => number;
  /** PATH, HOME, LANG, TZ of this machine: what commands of an app's are run with, beside its own variables. */
  readonly environment: Readonly<Record<string, string>>;
}

/** What is different where the app that is updated is Fettle itself. Everything else is as for any app. */
export interface SelfParts {
  readonly app: SelfApp;
  readonly folder: AppFolder;
  readonly checks: readonly Check[];
  /** Work of its own for some states: the agent can't stop itself and go on. */
  readonly works: Readonly<Partial<Record<UpdateState, (task: Task, signal: AbortSignal) => Promise<void>>>>;
  /**
   * Makes a fetched release one that can be started: finds the program in it, and a Node.js to run it.
   * @throws {FettleError} `artifact_invalid {reason}`
   */
  finish(task: Task): void;
  /**
   * Has the candidate look at a copy of what it will find. It opens no chat and answers nobody.
   * @throws {FettleError} `rehearsal_failed {reason}`
   */
  rehearse(task: Task, signal: AbortSignal): Promise<void>;
  /** Slots that something else than `current` and `last-good` needs. */
  needed(): readonly string[];
}

/** What belongs to the app of an update. */
export interface TaskParts {
  readonly config: AppConfig;
  readonly slots: Slots;
  readonly driver: RestartDriver;
  readonly self?: SelfParts | undefined;
}

/** One update under way. The entry is what the journal has; every change of it is a durable write. */
export interface Task {
  readonly deps: UpdaterDeps;
  readonly app: string;
  readonly config: AppConfig;
  readonly folder: AppFolder;
  readonly slots: Slots;
  readonly driver: RestartDriver;
  readonly entry: JournalEntry;
  /** Where the app is Fettle itself: what is different then. */
  readonly self?: SelfParts | undefined;
  /** Aborts the current state's work where it may be cancelled. */
  readonly cancelSignal: AbortSignal;
  /** One start of the app, as the checks see it. @param slot that it must run from */
  subject(slot: string, startId: string): Subject;
  /** Changes the entry without leaving its state; durable when it returns. */
  note(patch: Partial<JournalEntry>): void;
  /** Enters a state; durable when it returns, before any of its work. */
  enter(state: UpdateState, patch?: Partial<JournalEntry>): void;
  progress(progress: Progress): void;
  /** Tells what it waits for; `undefined` until then, and with each new state. */
  readonly waitsFor: Problem | undefined;
  waitFor(note: Problem): void;
  /** Passes the app's own lock from now on. False where it is too late. Durable when it returns true. */
  force(): boolean;
  /** Goes on waiting for the app, with the deadline anew. False where it does not wait. */
  hold(): boolean;
  /** Aborts at the next {@link Task.force} or {@link Task.hold}. */
  nudged(): AbortSignal;
  /** Asks for the end; false where it is too late. Durable when it returns true. */
  cancel(): boolean;
}

export function createTask(given: UpdaterDeps, parts: TaskParts, first: JournalEntry): Task {
  const deps = parts.self ? { ...given, checks: parts.self.checks } : given;
  let entry = first;
  const cancelling = new AbortController();
  if (entry.cancelled) cancelling.abort();
  const app = entry.order.app;
  const write = (next: JournalEntry) => {
    deps.journal.write(next);
    entry = next;
  };
  let waitsFor: Problem | undefined;
  let nudge = new AbortController();
  const nudgeNow = () => {
    const before = nudge;
    nudge = new AbortController();
    before.abort();
  };
  return {
    deps,
    ...parts,
    app,
    folder: parts.self?.folder ?? withData(deps.layout.app(app), parts.config),
    get entry() {
      return entry;
    },
    cancelSignal: cancelling.signal,
    subject: (slot, startId) => subjectOf({ ...parts, app, slot, startId, around: deps.around }),
    note: (patch) => write({ ...entry, ...patch, seq: nextSeq(entry) }),
    enter(state, patch = {}) {
      // A cancel that was accepted is honoured here: nothing goes from untouched to touched after it.
      const tooLate = stateOf(state).phase !== 'switching' || stateOf(entry.state).phase !== 'safe';
      const next = entry.cancelled && !tooLate ? 'discarding' : state;
      if (next !== entry.state && !canFollow(entry.state, next)) {
        throw new FettleError('internal', { data: { reason: `${entry.state} is not followed by ${next}` } });
      }
      const attempts = next === entry.state ? entry.attempts : 0;
      write({ ...entry, attempts, ...patch, state: next, enteredAt: deps.clock.now(), seq: nextSeq(entry) });
      waitsFor = undefined;
      deps.log(`${entry.order.update} ${app}: ${next}`);
      deps.onReport(entry);
    },
    progress: (progress) => deps.onReport(entry, progress),
    get waitsFor() {
      return waitsFor;
    },
    waitFor(note) {
      waitsFor = note;
      deps.onReport(entry, undefined, note);
    },
    force() {
      if (!isCancellable(entry.state)) return false;
      if (!entry.forced) write({ ...entry, forced: true, seq: nextSeq(entry) });
      nudgeNow();
      return true;
    },
    hold() {
      if (entry.state !== 'waiting' || waitsFor?.code !== 'locked_by_app') return false;
      nudgeNow();
      return true;
    },
    nudged: () => nudge.signal,
    cancel() {
      if (entry.cancelled) return true;
      if (!isCancellable(entry.state)) return false;
      write({ ...entry, cancelled: true, seq: nextSeq(entry) });
      cancelling.abort();
      return true;
    },
  };
}

/** Reports between two writes count up from the written number, so that a restart always reports higher ones. */
function nextSeq(entry: JournalEntry): number {
  return entry.seq + 1_000;
}

/** A view of a task for one state's work: once closed, it changes nothing any more. */
export function fence(task: Task): { readonly task: Task; close(): void } {
  let open = true;
  const check = () => {
    if (!open) throw new FettleError('deadline_passed', { data: { app: task.app, state: task.entry.state } });
  };
  const view: Task = Object.create(task, {
    enter: {
      value: (...args: Parameters<Task['enter']>) => {
        check();
        task.enter(...args);
      },
    },
    note: {
      value: (...args: Parameters<Task['note']>) => {
        check();
        task.note(...args);
      },
    },
  });
  return {
    task: view,
    close: () => {
      open = false;
    },
  };
}

/** What went wrong, as journal and hub carry it. Foreign errors become ours here. */
export function problemOf(error: unknown, app: string): Problem {
  const known = toFettleError(error, 'internal', { app });
  const data: Problem['data'] = {};
  for (const [key, value] of Object.entries({ app, ...known.data })) {
    if (typeof value === 'string') data[key] = cutText(value, MAX_VALUE);
    else if (value !== undefined) data[key] = typeof value === 'object' ? [...value] : value;
  }
  return { code: known.code, data, retryable: known.retryable };
}

/** The outcome of an entry that ends in `state`. */
export function outcomeOf(entry: JournalEntry, state: Outcome['state'], now: number): Outcome {
  const running = state === 'succeeded' ? entry.toVersion : state === 'rollback-failed' ? null : entry.fromVersion;
  return {
    update: entry.order.update,
    app: entry.order.app,
    kind: entry.order.kind,
    state,
    ...(entry.fromVersion === null ? {} : { from: entry.fromVersion }),
    ...(entry.toVersion === null ? {} : { to: entry.toVersion }),
    ...(running === null ? {} : { running }),
    ...(entry.outageMs === null ? {} : { outageMs: entry.outageMs }),
    ...(entry.proof === null ? {} : { proof: entry.proof }),
    ...(entry.problem === null ? {} : { problem: entry.problem }),
    ...(entry.logTail === null ? {} : { logTail: entry.logTail }),
    ...(entry.backup === null ? {} : { backup: entry.backup }),
    ...(entry.setAside === null ? {} : { setAside: entry.setAside }),
    dataRestored:
      state === 'succeeded' ? entry.order.kind === 'rollback' && entry.order.withData : entry.restored.length > 0,
    ...(entry.dataLeft ? { dataLeft: true as const } : {}),
    ...(entry.backupProblem ? { backupProblem: entry.backupProblem } : {}),
    ...(entry.dataProblem ? { dataProblem: entry.dataProblem } : {}),
    ...(entry.chosen === undefined ? {} : { restored: entry.chosen }),
    startedAt: entry.startedAt,
    endedAt: now,
  };
}
