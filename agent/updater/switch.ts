import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { seal } from '../backup/create.ts';
import { restore } from '../backup/restore.ts';
import { pruneBackups } from '../backup/retention.ts';
import { look, probe } from '../health/probe.ts';
import type { JournalEntry } from '../journal.ts';
import { asideBefore } from './aside.ts';
import { isOwnFault } from './blocked.ts';
import { backupRequest, logGaps, orWithoutBackup } from './data.ts';
import { holdFor } from './deadlines.ts';
import { bringDumpBack, putDumpBack } from './dump.ts';
import { coversAll, placeData, planPlacing, putBack } from './older-data.ts';
import { slotOf } from './prepare.ts';
import { outcomeOf, type Task } from './task.ts';

/** Failures of `waiting` after which the sealed slot stays. */
const WRONG_MOMENT: readonly string[] = ['locked_by_app', 'busy'];
/** The old version counts as back after this long without an end. */
const SETTLED_MS = 1_000;

/**
 * `stopping`: a hold is left with the keeper, then the old version is ended and verified gone. One that replaces itself
 * goes on serving, unless other data is put in its place.
 */
export async function stopping(task: Task, signal: AbortSignal): Promise<void> {
  const { driver, app, config, entry } = task;
  await driver.hold(app, entry.from, holdFor(config, entry.order));
  if (entry.from !== null && (await driver.status(app))?.running) await driver.drain?.(app, config, signal);
  signal.throwIfAborted();
  const lastGoodAnswerAt = await goodAnswerNow(task, signal);
  if (!goesOn(task)) await driver.stop(app, config);
  task.enter('swapping', { lastGoodAnswerAt });
}

/** When the old version answered well for the last time before it is touched. */
async function goodAnswerNow(task: Task, signal: AbortSignal): Promise<number | null> {
  const { driver, app, config, entry, deps } = task;
  if (entry.from === null || entry.baseline !== 'healthy') return null;
  const kept = await driver.status(app);
  if (!kept?.running) return null;
  const subject = task.subject(entry.from, kept.running.startId);
  const answer = await look(deps.checks, subject, config.healthy, signal);
  return answer.good ? deps.clock.now() : null;
}

/** Does the app run through the switch, because a start while it runs replaces it? */
function goesOn({ driver, entry }: Task): boolean {
  const { kind, withData } = entry.order;
  return driver.replaces === true && (kind === 'update' || kind === 'install' || (kind === 'rollback' && !withData));
}

/** `swapping`: the backup is completed and sealed, then `current` changes by one rename. */
export async function swapping(task: Task, signal: AbortSignal): Promise<void> {
  const { slots, entry, config } = task;
  if (entry.from !== null) slots.collectKept(entry.from, config.keep);
  const { backup } = entry;
  if (backup !== null) {
    await orWithoutBackup(task, signal, async () => logGaps(task, await seal(backupRequest(task, backup), signal)));
  }
  signal.throwIfAborted();
  if (entry.to !== entry.from) slots.activate(slotOf(task));
  const placing = planPlacing(task);
  task.enter('starting', { startedNew: true, ...(placing ? { placing, ...replaced(task) } : {}) });
}

/** `starting`: the new version is started; where older data is to be put in place, that comes first. */
export async function starting(task: Task, signal: AbortSignal): Promise<void> {
  const { entry, driver, app, config } = task;
  if (entry.placing) {
    // Taken up again after the device was off: a service manager may have started it meanwhile.
    if ((await driver.status(app))?.running) await driver.stop(app, config);
    await placeData(task, entry.placing, signal);
  }
  signal.throwIfAborted();
  // It served until now.
  await driver.prepare?.(app, task.config);
  const later = goesOn(task) ? await goodAnswerNow(task, signal) : null;
  await driver.start(app);
  task.enter('probing', { restored: [], ...(later === null ? {} : { lastGoodAnswerAt: later }) });
}

/** `probing`: proof of version, and health over the whole probe period. */
export async function probing(task: Task, signal: AbortSignal): Promise<void> {
  const { entry, driver, app, config, deps } = task;
  // Taken up again after a crash: what runs goes on; what ended with the device is started once more.
  const running = entry.attempts > 0 ? await driver.start(app) : (await driver.status(app))?.running;
  if (!running) {
    const exit = (await driver.status(app))?.lastExit?.code;
    const reason = exit === null || exit === undefined ? 'it ended at once' : `it ended at once with status ${exit}`;
    throw new FettleError('crashed', { data: { app, reason } });
  }
  const { proof, firstGoodAt } = await probe(
    deps.checks,
    {
      subject: task.subject(slotOf(task), running.startId),
      health: config.healthy,
      version: entry.toVersion,
      periodMs: config.healthy.for,
      onGood: (done, total) => task.progress({ unit: 'checks', done, total }),
    },
    deps.clock,
    signal,
  );
  const outageMs = entry.lastGoodAnswerAt === null ? null : Math.max(0, firstGoodAt - entry.lastGoodAnswerAt);
  const proven = { ...entry, proof, outageMs };
  // State and outcome in one write: from here on the update has succeeded, whatever happens.
  task.enter('committing', { proof, outageMs, outcome: outcomeOf(proven, 'succeeded', deps.clock.now()) });
}

/** `committing`: the keeper takes over, last-good moves on, what is old goes. Failures here change nothing. */
export async function committing(task: Task): Promise<void> {
  const { entry, driver, app, config, slots, deps, folder } = task;
  const to = slotOf(task);
  if (slots.current() !== to) {
    // The keeper went back because this agent was away; but the new version had proven itself.
    await driver.stop(app, config);
    slots.activate(to);
    await driver.start(app);
  }
  await driver.release(app);
  if (entry.from !== null && entry.from !== entry.to) slots.setLastGood(entry.from);
  if (entry.from === null) slots.setLastGood(slotOf(task));
  const { release } = entry.order;
  if (release) deps.blocked.clear(app, release.digest);
  slots.prune([slotOf(task), ...(task.self?.needed() ?? [])]);
  const retention = { now: deps.clock.now(), days: deps.retentionDays(), running: slotOf(task) };
  pruneBackups(folder.backups, app, retention, deps.log);
  rmSync(join(folder.dir, 'replaced'), { recursive: true, force: true });
  rmSync(folder.tmp, { recursive: true, force: true });
  task.enter('succeeded');
}

/** `reverting`: the new version is ended, the switch undone, and, where it may have run, the data brought back. */
export async function reverting(task: Task, signal: AbortSignal): Promise<void> {
  const { entry, driver, app, slots, config, deps } = task;
  deps.ballast.drop();
  await driver.hold(app, entry.from, holdFor(config, entry.order));
  const dataComes = entry.startedNew && !task.self && (entry.backup !== null || Boolean(entry.placing));
  if (!goesOn(task) || dataComes || entry.from === null) await driver.stop(app, config);
  signal.throwIfAborted();
  if (entry.from === null) {
    task.slots.deactivate();
    await driver.forget(app);
    task.enter('discarding');
    return;
  }
  if (entry.to !== null && entry.to !== entry.from) slots.collectKept(entry.to, config.keep);
  if (entry.to !== entry.from) slots.activate(entry.from);
  // The hub goes on with the database that there is: it must not forget what it has said and heard meanwhile.
  let used = false;
  const onLinked = () => {
    used = true;
  };
  const dataLeft = entry.startedNew && !task.self && !(await dataIsBack(task, signal, onLinked));
  task.enter('restarting', { attempts: 0, ...(dataLeft ? { dataLeft } : {}) });
  // Not before: an interrupted revert needs it again. Not later: the app is about to write into its files.
  if (used) rmSync(join(task.folder.backups, String(entry.backup)), { recursive: true, force: true });
}

/** `restarting`: the old version is started. */
export async function restarting(task: Task): Promise<void> {
  const { driver, app, config } = task;
  await driver.prepare?.(app, config);
  // What did not get well by replacing itself is started afresh.
  if (driver.replaces && task.entry.attempts > 0) await driver.stop(app, config);
  try {
    await driver.start(app);
  } catch (error) {
    // What failed may not even replace itself any more.
    if (!driver.replaces) throw error;
    await driver.stop(app, config);
    await driver.start(app);
  }
  task.enter('reprobing', { attempts: task.entry.attempts });
}

/** `reprobing`: the old version is at least as well as it was before. */
export async function reprobing(task: Task, signal: AbortSignal): Promise<void> {
  const { entry, driver, app, config, deps } = task;
  const running = await driver.start(app);
  const wasWell = entry.baseline === 'healthy';
  const { firstGoodAt } = await probe(
    deps.checks,
    {
      subject: task.subject(entry.from ?? '', running.startId),
      health: wasWell ? config.healthy : processOnly(config.healthy),
      version: entry.fromVersion,
      // Long enough to see it end at once, as where another program holds its port.
      periodMs: SETTLED_MS,
    },
    deps.clock,
    signal,
  );
  const outageMs = entry.lastGoodAnswerAt === null ? null : Math.max(0, firstGoodAt - entry.lastGoodAnswerAt);
  const code = entry.problem?.code ?? 'internal';
  const { release } = entry.order;
  if (release && isOwnFault(entry.order.kind, code)) deps.blocked.block(app, release, code, deps.clock.now());
  giveBackSpace(task);
  const ended = { ...entry, outageMs };
  task.enter('rolled-back', { outageMs, outcome: outcomeOf(ended, 'rolled-back', deps.clock.now()) });
}

/** After going back: a backup that was never sealed goes; so does the release, where a full disk may be what ailed it. */
function giveBackSpace({ entry, slots, folder, deps, self }: Task): void {
  try {
    if (entry.backup !== null)
      rmSync(join(folder.backups, `${entry.backup}.unfinished`), { recursive: true, force: true });
    const needed = [entry.from, slots.lastGood(), slots.current(), ...(self?.needed() ?? [])];
    if (entry.problem?.retryable && entry.to !== null && !needed.includes(entry.to)) slots.remove(entry.to);
  } catch (error) {
    deps.log(`${entry.order.update}: what is left over goes later: ${String(error)}`);
  }
}

/** `discarding`: what was fetched goes, the space is given back. */
export async function discarding(task: Task): Promise<void> {
  const { entry, app, slots, folder, deps } = task;
  const needed = [entry.from, slots.lastGood(), slots.current(), ...(task.self?.needed() ?? [])];
  const { code = '', retryable = false } = entry.problem ?? {};
  // Only the moment was wrong: the next attempt finds what was fetched.
  const keepsSlot = !entry.cancelled && WRONG_MOMENT.includes(code);
  // What was downloaded is worth keeping for the next attempt, unless a person cancelled or it was bad.
  const goesOn = !entry.cancelled && retryable && code === 'download_failed' && slots.binary !== undefined;
  if (entry.to !== null && !needed.includes(entry.to) && !goesOn && !keepsSlot) slots.remove(entry.to);
  if (entry.backup !== null)
    rmSync(join(folder.backups, `${entry.backup}.unfinished`), { recursive: true, force: true });
  if (entry.cancelled || !retryable) rmSync(folder.tmp, { recursive: true, force: true });
  const { release } = entry.order;
  const ran = entry.startedNew || code === 'rehearsal_failed';
  if (ran && release && isOwnFault(entry.order.kind, code)) deps.blocked.block(app, release, code, deps.clock.now());
  const state = entry.cancelled && entry.problem === null ? 'cancelled' : 'failed';
  task.enter(state, { outcome: outcomeOf(entry, state, deps.clock.now()) });
}

/** Without a backup, what is replaced is told to people: it is the only copy. */
function replaced(task: Task): Pick<JournalEntry, 'setAside'> {
  return { setAside: task.entry.backup === null ? asideBefore(task) : null };
}

/** Brings back what can be brought back. False where data stays as what failed left it. */
async function dataIsBack(task: Task, signal: AbortSignal, onLinked: () => void): Promise<boolean> {
  const { backup, placing, order } = task.entry;
  // It runs what ran before. A backup that it made is for people.
  if (order.kind === 'restart') return true;
  if (placing && (backup === null || coversAll(task, placing))) {
    putBack(task, placing);
    if (placing.fed) await putDumpBack(task, signal);
    return coversAll(task, placing);
  }
  if (backup !== null) await bringDataBack(task, signal, onLinked);
  // An app that keeps nothing has nothing that could be left.
  return backup !== null || (task.config.keep.length === 0 && task.config.backup.command === undefined);
}

async function bringDataBack(task: Task, signal: AbortSignal, onLinked: () => void): Promise<void> {
  const { entry, folder } = task;
  if (entry.backup === null) return;
  const setAside = join('failed', entry.order.update);
  task.note({ setAside });
  makeFolder(join(folder.dir, setAside));
  const backup = join(folder.backups, String(entry.backup));
  const manifest = await restore(
    {
      shared: folder.shared,
      backup,
      setAside: join(folder.dir, setAside),
      work: join(folder.tmp, 'restoring'),
      done: entry.restored,
      onDone: (path) => task.note({ restored: [...task.entry.restored, path] }),
      onLinked,
    },
    signal,
  );
  await bringDumpBack(task, manifest, signal);
}

function processOnly(health: Task['config']['healthy']): Task['config']['healthy'] {
  const { every, timeout, for: period } = health;
  return { every, timeout, for: period, checks: 1 };
}
