import type { UpdateState } from '../../src/domain/update.ts';
import { fetching, received, rehearsing, staged, waiting } from './prepare.ts';
import {
  committing,
  discarding,
  probing,
  reprobing,
  restarting,
  reverting,
  starting,
  stopping,
  swapping,
} from './switch.ts';
import type { Task } from './task.ts';

/**
 * The table: for each state of the device its work, and where a failure goes. Crashes are answered by `recover.ts`.
 *
 * Invariants: work is idempotent; it ends by entering the next state (one durable write); a failure before
 * `stopping` leaves the running version untouched; after it, the old version is brought back.
 */
export interface StateWork {
  /** Does the state's work and enters the next state. The signal's end is the deadline (or a cancel, where one may cancel). */
  readonly work: (task: Task, signal: AbortSignal) => Promise<void>;
  /**
   * Where the update goes when the work throws or its deadline passes. `again` tries `restarting` until its
   * attempts are used up, `retry` the state itself. `onward` is for cleaning up after a success: the outcome stands.
   */
  readonly onFailure: 'discarding' | 'reverting' | 'again' | 'retry' | 'onward';
}

export type DeviceState = Exclude<
  UpdateState,
  | 'requested'
  | 'announced'
  | 'approving'
  | 'queued'
  | 'sent'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'rolled-back'
  | 'rollback-failed'
  | 'timed-out'
>;

export const STATE_WORK: Readonly<Record<DeviceState, StateWork>> = {
  received: { work: received, onFailure: 'discarding' },
  fetching: { work: fetching, onFailure: 'discarding' },
  staged: { work: staged, onFailure: 'discarding' },
  rehearsing: { work: rehearsing, onFailure: 'discarding' },
  waiting: { work: waiting, onFailure: 'discarding' },
  stopping: { work: stopping, onFailure: 'reverting' },
  swapping: { work: swapping, onFailure: 'reverting' },
  starting: { work: starting, onFailure: 'reverting' },
  probing: { work: probing, onFailure: 'reverting' },
  committing: { work: committing, onFailure: 'onward' },
  reverting: { work: reverting, onFailure: 'retry' },
  restarting: { work: restarting, onFailure: 'again' },
  reprobing: { work: reprobing, onFailure: 'again' },
  discarding: { work: discarding, onFailure: 'onward' },
};

/** Does this version of the agent do the work of `state`? */
export function isDeviceState(state: UpdateState): state is DeviceState {
  return Object.hasOwn(STATE_WORK, state);
}
