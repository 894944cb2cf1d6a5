import { setTimeout as delay } from 'node:timers/promises';
import { FettleError } from '../../src/domain/errors.ts';
import { isFinal, stateOf } from '../../src/domain/update.ts';
import type { Problem } from '../../src/protocol/messages.ts';
import { deadlineOf } from './deadlines.ts';
import { readTail } from './log-tail.ts';
import { type DeviceState, isDeviceState, STATE_WORK } from './states.ts';
import { fence, outcomeOf, problemOf, type Task } from './task.ts';

/** How often the old version is started before a person is needed; the keeper goes on trying after that. */
const MAX_RESTARTS = 3;
/** How often going back is tried. */
const MAX_REVERTS = 3;
/** Work that does not even notice its deadline is left behind after this. */
const DEAF_MS = 10_000;
const LOG_LINES = 30;
const LOG_BYTES = 6_000;
/** After redaction, which may lengthen it. What the protocol takes. */
const LOG_CHARACTERS = 8_000;

/**
 * Takes an update from the state that the journal has to a final one. Never throws for what an update does;
 * returns early, with the journal as it is, when `shutdown` fires: the next start goes on from there.
 */
export async function runUpdate(task: Task, shutdown: AbortSignal): Promise<void> {
  while (!isFinal(task.entry.state) && !shutdown.aborted) {
    const { state } = task.entry;
    if (!isDeviceState(state)) throw new FettleError('internal', { data: { reason: `no work for state ${state}` } });
    try {
      // Outside its deadline: how long others take is not this update's fault.
      if (state === 'fetching') await turnOf(task, shutdown);
      await withDeadline(task, state, shutdown);
    } catch (error) {
      if (shutdown.aborted) return;
      await fail(task, state, error, shutdown);
    }
  }
}

/** Waits until fewer updates are under way on this device; a cancel ends it. */
async function turnOf({ deps, app, entry, cancelSignal }: Task, shutdown: AbortSignal): Promise<void> {
  await deps.bound.enter(app, {
    signal: AbortSignal.any([shutdown, cancelSignal]),
    onWait: (other) => deps.onReport(entry, undefined, { code: 'busy', data: { app, other }, retryable: true }),
  });
}

async function withDeadline(task: Task, state: DeviceState, shutdown: AbortSignal): Promise<void> {
  const limit = deadlineOf(task.config, state, task.entry.order);
  const deadline = new AbortController();
  const late = new FettleError('deadline_passed', {
    data: { app: task.app, state, seconds: limit / 1_000 },
    retryable: true,
  });
  const timer = setTimeout(() => deadline.abort(late), limit);
  const may = stateOf(state).phase === 'safe' && state !== 'discarding';
  const signal = AbortSignal.any([deadline.signal, shutdown, ...(may ? [task.cancelSignal] : [])]);
  const deaf = new AbortController();
  // Work that is left behind must not wake up later and change what has gone on without it.
  const fenced = fence(task);
  try {
    await Promise.race([
      (task.self?.works[state] ?? STATE_WORK[state].work)(fenced.task, signal),
      delay(limit + DEAF_MS, undefined, { signal: deaf.signal }).then(() => {
        throw late;
      }),
    ]);
  } catch (error) {
    // What a library throws when it is aborted says less than why it was.
    const failedByItself = error instanceof FettleError && error.code !== 'internal';
    throw deadline.signal.aborted && !failedByItself ? late : error;
  } finally {
    fenced.close();
    clearTimeout(timer);
    deaf.abort();
  }
}

/** One failure of a state's work, by the table. */
async function fail(task: Task, state: DeviceState, error: unknown, shutdown: AbortSignal): Promise<void> {
  const { entry, deps, app } = task;
  const cancelled = entry.cancelled && stateOf(state).phase === 'safe';
  const problem = entry.problem ?? (cancelled ? null : problemOf(error, app));
  deps.log(
    `${entry.order.update} ${app}: ${state} failed: ${problem?.code ?? 'cancelled'} ${deps.redact(app, String(error))}`,
  );
  const logTail = cameToRun(state) ? await tailOf(task) : null;
  try {
    advance(task, state, problem, logTail);
  } catch (writing) {
    // The journal can't be written: give back the ballast and try for as long as it takes; the app's state is as
    // the journal says, and the next start would find the same.
    deps.ballast.drop();
    deps.log(`${entry.order.update} ${app}: the journal can't be written: ${String(writing)}`);
    await delay(1_000, undefined, { signal: shutdown }).catch(() => undefined);
  }
}

const cameToRun = (state: DeviceState) => state === 'starting' || state === 'probing';

/** What the app printed last. */
async function tailOf({ driver, deps, app }: Task): Promise<string | null> {
  const text =
    (await driver.tail?.(app, LOG_LINES).catch(() => '')) ?? readTail(deps.layout.appLog(app), LOG_LINES, LOG_BYTES);
  return deps.redact(app, text).slice(-LOG_CHARACTERS) || null;
}

function advance(task: Task, state: DeviceState, problem: Problem | null, logTail: string | null): void {
  const { entry } = task;
  const { onFailure } = STATE_WORK[state];
  switch (onFailure) {
    case 'retry':
      // What is there is whole at each point, so going back is tried again before a person is needed.
      if (entry.attempts + 1 < MAX_REVERTS) task.enter('reverting', { attempts: entry.attempts + 1, problem });
      else finish(task, 'rollback-failed', problem);
      return;
    case 'discarding':
      task.enter('discarding', { problem });
      return;
    case 'reverting':
      task.enter('reverting', { problem, logTail, restored: [] });
      return;
    case 'onward':
      if (state === 'committing') task.enter('succeeded');
      else finish(task, entry.cancelled && problem === null ? 'cancelled' : 'failed', problem);
      return;
    case 'again': {
      const attempts = entry.attempts + 1;
      if (attempts < MAX_RESTARTS) task.enter('restarting', { attempts, problem });
      else finish(task, 'rollback-failed', problem);
      return;
    }
  }
}

function finish(task: Task, state: 'failed' | 'cancelled' | 'rollback-failed', problem: Problem | null): void {
  const entry = { ...task.entry, problem };
  task.enter(state, { problem, outcome: outcomeOf(entry, state, task.deps.clock.now()) });
}
