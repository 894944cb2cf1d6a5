import { type Log, reasonOf } from './log.ts';
import { monotonicMs } from './proc.ts';
import { isAlive } from './processes.ts';
import { type FoundProcess, scanProcesses } from './scan.ts';
import { delay } from './times.ts';

export interface Ending {
  readonly signal: NodeJS.Signals;
  /** Then SIGKILL. Milliseconds. */
  readonly graceMs: number;
  /** Resolves when the app itself has ended, where that is known without looking. */
  readonly ended?: Promise<unknown>;
  /** Called once the signal is out: what is done here takes none of the app's outage. */
  readonly afterSignal?: () => void;
  /** How long after SIGKILL it may take. */
  readonly survivorMs: number;
  readonly log: Log;
}

/** For how long pids that were no concern of ours are taken not to have been given to new processes. */
const STRANGERS_MS = 2_000;
/** How often it is looked for processes that were born after the signal. */
const LOOK_AGAIN_MS = 250;

/**
 * Ends every process of a start: group, session, and whatever carries its id elsewhere. Each gets the signal once.
 * @returns true when a look at all processes has found none; false where something outlived SIGKILL
 */
export async function endStart(startId: string, ending: Ending): Promise<boolean> {
  const began = monotonicMs();
  const asked = new Set<string>();
  let killing = false;
  let looked = began;
  let strangers: ReadonlySet<number> | undefined;
  let left: readonly FoundProcess[] = [];

  function look(): boolean {
    looked = monotonicMs();
    const scan = scanProcesses((id) => id === startId, looked - began < STRANGERS_MS ? strangers : undefined);
    strangers ??= scan.strangers;
    left = (scan.found.get(startId) ?? []).filter(({ pid }) => pid !== process.pid);
    return left.length > 0;
  }

  if (!look()) return true;
  askToEnd(left, ending, asked);
  ending.afterSignal?.();

  let told = ending.ended === undefined;
  const ended = ending.ended?.then(() => {
    told = true;
  });
  for (;;) {
    const pause = delay(monotonicMs() - began < 1_000 ? 2 : 20);
    await (told ? pause : Promise.race([ended, pause]));
    const now = monotonicMs();
    if (!left.some(isAlive)) {
      if (!look()) return true;
    } else if (now - looked >= LOOK_AGAIN_MS) {
      look();
    }
    if (now - began >= ending.graceMs) {
      if (!killing) {
        look();
        killing = true;
      }
      kill(left, now - began - ending.graceMs, ending.log);
      if (now - began >= ending.graceMs + ending.survivorMs) return !look();
    } else {
      askToEnd(left, ending, asked);
    }
  }
}

/** The stop signal, and SIGCONT for those that were stopped: one signal to the group, which no fork escapes. */
function askToEnd(processes: readonly FoundProcess[], ending: Ending, asked: Set<string>): void {
  const fresh = processes.filter((process) => !asked.has(`${process.pid} ${process.startTime}`));
  for (const process of fresh) asked.add(`${process.pid} ${process.startTime}`);
  const group = fresh.find((process) => process.wrapper)?.pid;
  for (const signal of [ending.signal, 'SIGCONT'] as const) {
    if (group !== undefined) send(-group, signal, ending.log);
    for (const process of fresh) {
      if (process.group !== group && !process.wrapper && isAlive(process)) send(process.pid, signal, ending.log);
    }
  }
}

/** SIGKILL to all but the shell, which then writes the exit status down; to it too where it is stuck. */
function kill(processes: readonly FoundProcess[], sinceMs: number, log: Log): void {
  const others = processes.filter((process) => !process.wrapper);
  for (const process of sinceMs > 500 || others.length === 0 ? processes : others) {
    if (isAlive(process)) send(process.pid, 'SIGKILL', log);
  }
}

function send(pid: number, signal: NodeJS.Signals, log: Log): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') log(`${signal} to ${pid}: ${reasonOf(error)}`);
  }
}
