import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { monotonicMs } from './proc.ts';
import { isAlive } from './processes.ts';
import { type FoundProcess, findByStartId } from './scan.ts';
import { delay } from './times.ts';

/** One start of an app, own child or adopted. */
export interface Run {
  readonly startId: string;
  /** Of the shell above the app; where somebody killed that, of the oldest process left. */
  readonly pid: number;
  readonly slot: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Monotonic milliseconds from which on this keeper knows it to live. */
  readonly since: number;
  /** When the app has ended, with its exit status; what it left behind may live on. Never rejects. */
  readonly ended: Promise<number | null>;
  /** Is the kernel telling us at once? */
  readonly own: boolean;
  /** Where its exit status is written down. */
  readonly exitFile: string;
}

type Facts = Pick<Run, 'startId' | 'slot' | 'at' | 'exitFile'> & { readonly pollMs: number };

/** A child of this keeper. */
export function ownRun(child: ChildProcess & { readonly pid: number }, facts: Facts): Run {
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', (code, signal) => {
      // The shell ends by itself only after the app. A signal has ended the shell alone: the app may well go on.
      if (signal === null) resolve(code);
      else resolve(watch(findByStartId(facts.startId), facts));
    });
  });
  return { ...facts, pid: child.pid, since: monotonicMs(), ended, own: true };
}

/** Processes of a start that an earlier keeper made. */
export function adoptedRun(processes: readonly FoundProcess[], facts: Facts): Run {
  const shell = processes.find((process) => process.wrapper) ?? oldest(processes);
  return { ...facts, pid: shell?.pid ?? 0, since: monotonicMs(), ended: watch(processes, facts), own: false };
}

/** What a program that replaces itself has handed over to, where it has. Its exit status is that of the one before. */
export function heirOf(ended: Run, spec: { readonly handsOver?: true }, pollMs: number): Run | null {
  if (!spec.handsOver) return null;
  const left = findByStartId(ended.startId).filter((process) => !process.wrapper && !process.unborn);
  if (left.length === 0) return null;
  forgetExit(ended.exitFile);
  return adoptedRun(left, { ...ended, pollMs });
}

/** The exit status that the shell wrote down; null where it did not, or could not finish. */
export function readExit(exitFile: string): number | null {
  try {
    const text = readFileSync(exitFile, 'latin1');
    return /^\d{1,3}\n$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}

/** Removes a status that was written down. A disk that is read-only is no reason not to start an app. */
export function forgetExit(exitFile: string): void {
  try {
    rmSync(exitFile, { force: true });
  } catch {
    // A later keeper may take the app for ended: it then ends what it finds, and starts it again.
  }
}

/** Looks again and again until the app has ended: its shell is gone, or nothing of it is left. */
async function watch(found: readonly FoundProcess[], facts: Facts): Promise<number | null> {
  let processes = found;
  for (;;) {
    const status = readExit(facts.exitFile);
    if (status !== null) return status;
    const shell = processes.find((process) => process.wrapper);
    if (shell ? !isAlive(shell) : !processes.some(isAlive)) {
      processes = findByStartId(facts.startId);
      if (processes.length === 0) return readExit(facts.exitFile);
      if (processes.some((process) => process.wrapper)) continue;
    }
    await delay(facts.pollMs);
  }
}

function oldest(processes: readonly FoundProcess[]): FoundProcess | undefined {
  return processes.toSorted((a, b) => a.startTime - b.startTime)[0];
}
