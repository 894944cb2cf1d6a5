import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { isSelf } from '../../src/domain/app.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { isFinal, stateOf } from '../../src/domain/update.ts';
import type { Check } from '../health/contract.ts';
import type { Around } from '../health/subject.ts';
import type { Slots } from '../install/slots.ts';
import { type Journal, type JournalEntry, openJournal } from '../journal.ts';
import type { RestartDriver } from '../restart/contract.ts';
import { keeperSlots } from '../self/index.ts';
import { createBallast } from '../updater/ballast.ts';
import { openBlocked } from '../updater/blocked.ts';
import { createBound } from '../updater/bound.ts';
import { createGate } from '../updater/gate.ts';
import { mayHaveRun, resume } from '../updater/recover.ts';
import { runUpdate } from '../updater/run.ts';
import { createTask, type SelfParts, type UpdaterDeps } from '../updater/task.ts';
import type { RescueOptions } from './contract.ts';
import type { KnownApp } from './known-app.ts';

const INTERRUPTED = { code: 'interrupted', data: {}, retryable: true } as const;

/** The update of an app that the journal has, not yet ended. */
export function interruptedUpdate(journal: Journal, app: string): JournalEntry | undefined {
  return journal.list().findLast((entry) => entry.order.app === app && !isFinal(entry.state));
}

/** The journal as it is, for who may read it alone. */
export function peekJournal(folder: string): Journal {
  return openJournal(folder);
}

export interface GoBack {
  readonly options: RescueOptions;
  readonly known: KnownApp;
  readonly journal: Journal;
  readonly slots: Slots;
  readonly driver: RestartDriver;
  readonly checks: readonly Check[];
  readonly around: Around;
  /** No keeper lives: this process does its work. */
  readonly alone: boolean;
}

/**
 * Ends an interrupted update as the agent would, by the same table and the same journal, so that its outcome is told
 * later: back to the version before, with the data where the new one may have run. Call it with the agent's lock held.
 *
 * What differs from the agent's own recovery: an interrupted start is not tried again, since who calls for rescue wants
 * the old version. A first installation and a rollback go on, because what they lead to is what a rescue would choose.
 *
 * @returns the entry in its final state; as it is where the signal ended it early
 */
export async function endInterrupted(context: GoBack, entry: JournalEntry): Promise<JournalEntry> {
  const { options, known, slots, driver, journal } = context;
  const deps = updaterDeps(context);
  // Where the data of one executable is, its configuration alone says: without that, none is put anywhere.
  const keepData = options.keepData || (!known.configured && slots.binary !== undefined);
  const { state, patch } = nextOf(entry, keepData, mayHaveRun(entry, driver.kind, slots.current()));
  const first: JournalEntry = { ...entry, ...patch, state, seq: entry.seq + 1_000 };
  try {
    journal.write(first);
  } catch {
    // A full disk: the ballast is what there is room in.
    deps.ballast.drop();
    journal.write(first);
  }
  options.say({ step: 'going-back', state, to: state === 'reverting' ? entry.fromVersion : null });
  const task = createTask(deps, { config: known.config, slots, driver, self: selfParts(context) }, first);
  await runUpdate(task, options.signal);
  return task.entry;
}

/** The hub keeps its database, also here. */
export function selfParts({ known, options, checks }: GoBack): SelfParts | undefined {
  const { app } = known;
  if (!isSelf(app)) return undefined;
  const nothing = async () => undefined;
  return {
    app,
    folder: options.layout.app(app),
    checks,
    works: {},
    finish: () => undefined,
    rehearse: nothing,
    needed: () => (app === 'agent' ? keeperSlots(options.layout) : []),
  };
}

function nextOf(
  entry: JournalEntry,
  keepData: boolean,
  ran: boolean,
): Pick<JournalEntry, 'state'> & { patch: Partial<JournalEntry> } {
  const resumed = resume(entry, { fellBack: false, mayHaveRun: ran });
  const kept = keepData ? { startedNew: false } : ran ? { startedNew: true } : {};
  const back = entry.from !== null && entry.order.kind !== 'rollback';
  switch (stateOf(entry.state).phase) {
    case 'safe':
      // The app was not touched; but what the update knows of it is out of date after a rescue.
      return { state: 'discarding', patch: { resumes: entry.resumes + 1, problem: entry.problem ?? INTERRUPTED } };
    case 'switching': {
      if (entry.state === 'committing' || !back) return resumed;
      const problem = entry.problem ?? INTERRUPTED;
      return { state: 'reverting', patch: { resumes: entry.resumes + 1, problem, restored: [], ...kept } };
    }
    case 'reverting':
    case 'final':
      return { state: resumed.state, patch: { ...resumed.patch, ...kept } };
  }
}

function definedIn(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
}

/** What the updater needs, in a process that fetches nothing and removes no backup. */
export function updaterDeps({ options, known, journal, checks, around }: GoBack): UpdaterDeps {
  const { layout, clock, log, say } = options;
  const never = () => Promise.reject(new FettleError('internal', { data: { reason: 'a rescue fetches nothing' } }));
  let last = '';
  return {
    layout,
    journal,
    clock,
    checks,
    log,
    acquirer: { confirm: never, acquire: never, trust: never },
    blocked: openBlocked(join(layout.agent.dir, 'blocked.json')),
    ballast: createBallast(join(layout.agent.dir, 'ballast')),
    gate: createGate(),
    around,
    bound: createBound(1),
    // A rescue removes no backup.
    retentionDays: () => Number.POSITIVE_INFINITY,
    environment: definedIn(options.environment),
    freeSpace: (folder) => {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    },
    redact: (_app, text) => known.redact(text),
    onReport: ({ state, fromVersion }) => {
      if (state !== last && !isFinal(state)) say({ step: 'going-back', state, to: fromVersion });
      last = state;
    },
  };
}
