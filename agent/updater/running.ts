import { look } from '../health/probe.ts';
import { subjectOf } from '../health/subject.ts';
import type { JournalEntry } from '../journal.ts';
import type { Task } from './task.ts';

const LOOK_MS = 5_000;

/**
 * The slot that an update comes from, and its version. An executable that was put there by hand is no slot yet: it will be
 * one before anything is replaced, with the version that its health check reports.
 *
 * @param current as the installation knows it
 */
export async function whatRuns(
  task: Task,
  current: string | undefined,
  signal: AbortSignal,
): Promise<Pick<JournalEntry, 'from' | 'fromVersion'>> {
  const { slots, entry } = task;
  if (current === undefined) return { from: null, fromVersion: null };
  const record = slots.record(current);
  if (!record || !slots.binary?.isStranger()) return { from: current, fromVersion: record?.version ?? null };
  const told = await toldVersion(task, current, signal);
  // A restart needs no slot to go back to: it is what is there, before and after.
  if (told === undefined || entry.order.kind === 'restart')
    return { from: current, fromVersion: told ?? record.version };
  return { from: slots.nameFor(told, record.digest), fromVersion: told };
}

async function toldVersion(task: Task, slot: string, signal: AbortSignal): Promise<string | undefined> {
  const { app, driver, slots, deps, config } = task;
  const running = (await driver.status(app))?.running;
  if (!running) return undefined;
  const subject = subjectOf({ app, driver, slots, slot, startId: running.startId });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
  const answer = await look(deps.checks, subject, config.healthy, limit).catch(() => undefined);
  signal.throwIfAborted();
  // It becomes the name of a folder.
  const version = answer?.good === true ? answer.version : undefined;
  return version !== undefined && /^[0-9A-Za-z][0-9A-Za-z.+-]{0,99}$/.test(version) ? version : undefined;
}
