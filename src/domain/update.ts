/**
 * An update's life: one table, whose keys are the states. Pure.
 *
 * Invariants: the hub's own states come before and after the device's; a final state is never left;
 * a state is on disk before its work begins, so a crash is answered by looking at the state alone.
 */

/** Who does the work of a state: the hub (before the order was taken) or the device's agent. */
export type Owner = 'hub' | 'device';

/**
 * What a state means for the app:
 * `safe` the running version has not been touched and the update may be cancelled;
 * `switching` the app is being stopped, swapped, started or proven;
 * `reverting` the old version is being brought back;
 * `final` over.
 */
export type Phase = 'safe' | 'switching' | 'reverting' | 'final';

interface StateRow {
  readonly owner: Owner;
  readonly phase: Phase;
  /** States that may follow. */
  readonly next: readonly string[];
  /** Default deadline in milliseconds; `null` for final states. An app's configuration may change some. */
  readonly deadlineMs: number | null;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

const TABLE = {
  requested: row('hub', 'safe', MINUTE, ['approving', 'queued', 'failed', 'cancelled', 'timed-out']),
  // Automatic and told; it begins when its grace is over. The update itself carries the time.
  announced: row('hub', 'safe', 30 * SECOND, ['queued', 'failed', 'cancelled', 'timed-out']),
  // Somebody's word is waited for. See `approval.ts`.
  approving: row('hub', 'safe', DAY, ['queued', 'failed', 'cancelled', 'timed-out']),
  queued: row('hub', 'safe', 7 * DAY, ['sent', 'failed', 'cancelled', 'timed-out']),
  sent: row('hub', 'safe', 5 * MINUTE, ['queued', 'received', 'failed', 'cancelled', 'timed-out']),

  received: row('device', 'safe', 30 * SECOND, ['fetching', 'staged', 'waiting', 'discarding']),
  fetching: row('device', 'safe', 30 * MINUTE, ['staged', 'discarding']),
  staged: row('device', 'safe', 5 * MINUTE, ['rehearsing', 'waiting', 'discarding']),
  rehearsing: row('device', 'safe', 5 * MINUTE, ['waiting', 'discarding']),
  waiting: row('device', 'safe', 60 * MINUTE, ['stopping', 'discarding']),
  stopping: row('device', 'switching', MINUTE, ['swapping', 'reverting']),
  swapping: row('device', 'switching', 5 * MINUTE, ['starting', 'reverting']),
  starting: row('device', 'switching', MINUTE, ['probing', 'reverting']),
  probing: row('device', 'switching', 2 * MINUTE, ['committing', 'reverting']),
  committing: row('device', 'switching', MINUTE, ['succeeded']),
  reverting: row('device', 'reverting', 10 * MINUTE, ['restarting', 'discarding', 'rollback-failed']),
  restarting: row('device', 'reverting', MINUTE, ['reprobing', 'restarting', 'rollback-failed']),
  reprobing: row('device', 'reverting', MINUTE, ['rolled-back', 'restarting', 'rollback-failed']),
  discarding: row('device', 'safe', 5 * MINUTE, ['failed', 'cancelled']),

  succeeded: row('device', 'final', null, []),
  failed: row('device', 'final', null, []),
  cancelled: row('device', 'final', null, []),
  'rolled-back': row('device', 'final', null, []),
  'rollback-failed': row('device', 'final', null, []),
  'timed-out': row('hub', 'final', null, []),
} as const satisfies Record<string, StateRow>;

function row<const N extends readonly string[]>(owner: Owner, phase: Phase, deadlineMs: number | null, next: N) {
  return { owner, phase, deadlineMs, next };
}

/** Every state an update can be in. */
export type UpdateState = keyof typeof TABLE;

/** States in which an update is over. */
export type FinalState = 'succeeded' | 'failed' | 'cancelled' | 'rolled-back' | 'rollback-failed' | 'timed-out';

/** All states, in the order in which a person would tell them. */
export const UPDATE_STATES = Object.keys(TABLE) as readonly UpdateState[];

/** Is `value` the name of a state that this version knows? (A newer agent may know more.) */
export function isUpdateState(value: string): value is UpdateState {
  return Object.hasOwn(TABLE, value);
}

/** The row of a state. */
export function stateOf(state: UpdateState): StateRow {
  return TABLE[state];
}

/** May an update go from one state to the other? Staying is not a transition. */
export function canFollow(from: UpdateState, to: UpdateState): boolean {
  return stateOf(from).next.includes(to);
}

/** Is the update over? */
export function isFinal(state: UpdateState): state is FinalState {
  return stateOf(state).phase === 'final';
}

/** May a person still cancel? True exactly while the running version has not been touched. */
export function isCancellable(state: UpdateState): boolean {
  return stateOf(state).phase === 'safe' && state !== 'discarding';
}

/**
 * What is done to an app.
 * `install` is the first installation: there is nothing to go back to.
 * `restore` puts a backup's data back; the release stays.
 */
export const UPDATE_KINDS = ['install', 'update', 'rollback', 'restart', 'restore'] as const;
export type UpdateKind = (typeof UPDATE_KINDS)[number];
