import { look } from '../health/probe.ts';
import type { JournalEntry } from '../journal.ts';
import type { Task } from './task.ts';

/** An app that hangs is what one wants to update: it is ill, and not waited for longer. */
const LOOK_MS = 10_000;

/** How the app is now, before anything is touched: it is not held to more when it is brought back. */
export async function baselineOf(
  task: Task,
  slot: string | undefined,
  signal: AbortSignal,
): Promise<JournalEntry['baseline']> {
  const { app, driver } = task;
  const kept = await driver.status(app);
  if (!kept?.running || slot === undefined) return 'stopped';
  const subject = task.subject(slot, kept.running.startId);
  const answer = await look(
    task.deps.checks,
    subject,
    task.config.healthy,
    AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]),
  ).catch(() => {
    signal.throwIfAborted();
    return { good: false };
  });
  return answer.good ? 'healthy' : 'ill';
}
