import { look } from '../health/probe.ts';
import type { JournalEntry } from '../journal.ts';
import type { Task } from './task.ts';

/** How the app is now, before anything is touched: it is not held to more when it is brought back. */
export async function baselineOf(
  task: Task,
  slot: string | undefined,
  signal: AbortSignal,
): Promise<JournalEntry['baseline']> {
  const kept = await task.driver.status(task.app);
  if (!kept?.running || slot === undefined) return 'stopped';
  const subject = { app: task.app, startId: kept.running.startId, slot: task.slots.path(slot) };
  const answer = await look(task.deps.checks, subject, task.config.healthy, signal);
  return answer.good ? 'healthy' : 'ill';
}
