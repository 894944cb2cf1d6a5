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
/** How often it is looked for more processes while all are killed. */
const LOOK_AGAIN_MS = 250;

/**
 * Ends every process of a start: group, session, and whatever carries its id elsewhere. Each gets the signal once.
 * @returns true when a look at all processes has found none; false where something outlived SIGKILL
 */
export async function endStart(startId: string, ending: Ending): Promise<boolean> {
  const began = monotonicMs();
  const asked = new Set<string>();
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
  let unborn = left.every(isShell);
  let killing = false;
  for (;;) {
    const pause = delay(monotonicMs() - began < 1_000 ? 2 : 20);
    await (told ? pause : Promise.race([ended, pause]));
    const late = monotonicMs() - began - ending.graceMs;
    const allGone = !left.some(isAlive);
    const again = killing ? monotonicMs() - looked >= LOOK_AGAIN_MS : late >= 0 || unborn;
    if ((allGone || again) && !look()) return true;
    if (late >= 0) {
      killing = true;
      kill(left, late, ending.log);
      if (late >= ending.survivorMs) return !look();
    } else if (allGone || unborn) {
      // Left behind, or born after the signal because the stop came right after the start. What an app starts in
      // order to end well is left to it.
      askToEnd(left, ending, asked);
      unborn = left.every(isShell);
    }
  }
}

/** Has the app not begun? Its shell has a copy of itself at most, and that may lose the signal. */
function isShell(process: FoundProcess): boolean {
  return process.wrapper || process.unborn;
}

/** The stop signal, and SIGCONT for those that were stopped: one signal to the group, which no fork escapes. */
function askToEnd(processes: readonly FoundProcess[], ending: Ending, asked: Set<string>): void {
  const fresh = processes.filter((process) => !asked.has(`${process.pid} ${process.startTime}`));
  for (const process of fresh) if (!process.unborn) asked.add(`${process.pid} ${process.startTime}`);
  const group = fresh.find((process) => process.wrapper)?.pid;
  for (const signal of [ending.signal, 'SIGCONT'] as const) {
    if (group !== undefined) send(-group, signal, ending.log);
    for (const process of fresh) {
      if (process.group !== group && !isShell(process) && isAlive(process)) send(process.pid, signal, ending.log);
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
