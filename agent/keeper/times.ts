/** Durations and sizes of the keeper, in one place. Milliseconds and bytes; tests make them shorter. */
export interface KeeperTimes {
  /** Wait before the first restart after a crash; doubles with each. */
  readonly restart: number;
  /** The same for the agent and the hub: without them nobody could help. */
  readonly quickRestart: number;
  readonly longestRestart: number;
  /** An app that lived this long was well: its next crash is a first one. */
  readonly steady: number;
  /** How often adopted processes are looked at (the kernel tells only parents). */
  readonly poll: number;
  /** How long a process may go on after SIGKILL before an alarm. */
  readonly survivor: number;
  /** A command that runs to its end is ended when it takes longer. */
  readonly once: number;
  /** A keeper that has served this long is a good one: the start script's counter is cleared. */
  readonly served: number;
  readonly rotateEvery: number;
  readonly rotateBytes: number;
}

export const KEEPER_TIMES: KeeperTimes = {
  restart: 1_000,
  quickRestart: 200,
  longestRestart: 60_000,
  steady: 60_000,
  poll: 200,
  survivor: 5_000,
  once: 10 * 60_000,
  served: 10_000,
  rotateEvery: 30_000,
  rotateBytes: 10 * 1024 * 1024,
};

/** Starts without `commit` after which the agent, the hub and the keeper go back to last-good. */
export const UNCOMMITTED_STARTS = 3;

/** Wait before restart number `failures` (from 1 on). Never gives up. */
export function restartDelay(failures: number, quick: boolean, times: KeeperTimes): number {
  if (quick && failures <= 1) return times.quickRestart;
  const doublings = Math.min(30, Math.max(0, failures - (quick ? 2 : 1)));
  return Math.min(times.longestRestart, times.restart * 2 ** doublings);
}

/** A timer that does not keep the process alive. */
export function after(ms: number, action: () => void): NodeJS.Timeout {
  return setTimeout(action, Math.min(ms, 0x7fffffff)).unref();
}

/** Waits without keeping the process alive. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => after(ms, resolve));
}
