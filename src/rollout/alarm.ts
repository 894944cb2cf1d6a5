import type { Clock } from '../domain/id.ts';

/**
 * Wakes some work at a time of the wall clock; the work says each time when it wants to be woken next. Invariants: the work never runs twice at once; a call for an earlier
 * time that comes while it runs is not lost; however far ahead the time is, no timer is longer than an hour, so that
 * no timer overflows (2^31 ms would fire at once) and a clock that jumped, or a machine that slept, is noticed.
 */
export interface Alarm {
  /** Not later than `at` (milliseconds since 1970). */
  ring(at: number): void;
  /** At `at` and not before, whatever was wanted until now; never, where it is `undefined`. */
  reset(at: number | undefined): void;
  /** Ends the work that runs, and waits for it. */
  stop(): Promise<void>;
}

const LONGEST_MS = 60 * 60_000;
/** A clock that lags so much behind a timer was set back. */
const SET_BACK_MS = 60_000;
/** After work that threw. */
const AGAIN_MS = 60_000;

export function createAlarm(deps: {
  readonly clock: Pick<Clock, 'now'>;
  /** Answers when it wants to be woken next, if it knows. */
  readonly work: (signal: AbortSignal) => Promise<number | undefined>;
  readonly onError: (error: unknown) => void;
}): Alarm {
  const { clock } = deps;
  const ended = new AbortController();
  let due: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** What the clock says when the timer fires. */
  let expected = 0;
  let busy = false;
  let running: Promise<void> | undefined;

  function arm(): void {
    clearTimeout(timer);
    if (busy || due === undefined || ended.signal.aborted) return;
    const wait = Math.min(Math.max(due - clock.now(), 0), LONGEST_MS);
    expected = clock.now() + wait;
    timer = setTimeout(fire, wait);
  }

  function fire(): void {
    // The clock was set back: what was an hour ahead is an hour ahead still, not a year.
    const back = expected - clock.now();
    if (due !== undefined && back > SET_BACK_MS) due -= back;
    if (due === undefined || clock.now() < due) {
      arm();
      return;
    }
    due = undefined;
    busy = true;
    running = run().then((next) => {
      busy = false;
      if (next === undefined) arm();
      else ring(next);
    });
  }

  async function run(): Promise<number | undefined> {
    try {
      return await deps.work(ended.signal);
    } catch (error) {
      if (ended.signal.aborted) return undefined;
      deps.onError(error);
      return clock.now() + AGAIN_MS;
    }
  }

  function ring(at: number): void {
    due = Math.min(due ?? Number.POSITIVE_INFINITY, at);
    arm();
  }

  return {
    ring,
    reset(at) {
      due = at;
      arm();
    },
    async stop() {
      ended.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
