import type { RandomBytes } from '../src/domain/id.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;
/** A hub that asks for more than this is asked again all the same. */
const LONGEST_RETRY_AFTER_MS = 5 * 60_000;
/** A connection that held this long was a good one: the next wait starts small again. */
const HELD_MS = 60_000;

/**
 * When the hub is dialled again: after half a second, doubling to a minute, each wait drawn from the whole of it, so that
 * a fleet does not come back at once. Timers count monotonic time: a clock that jumps a day changes nothing.
 */
export interface Redial {
  /** It was not even tried. */
  later(): void;
  /** A connection, or an attempt at one, is over. */
  ended(how: {
    /** How long it was good; `undefined` where it never was. */
    readonly heldMs: number | undefined;
    /** What a hub that sheds load asks for. */
    readonly retryAfterMs?: number | undefined;
    /** Nothing changes by itself: no haste. */
    readonly needsPerson?: boolean;
  }): void;
  /** Dials at once instead. */
  now(): void;
  stop(): void;
}

export function createRedial({ random, dial }: { readonly random: RandomBytes; readonly dial: () => void }): Redial {
  let failures = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  function wait(least: number, most: number): void {
    if (stopped) return;
    const [high = 0, low = 0] = random(2);
    const share = (high * 256 + low) / 65_535;
    clearTimeout(timer);
    timer = setTimeout(dial, Math.max(50, least + (most - least) * share));
  }

  function later(): void {
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 20));
    failures += 1;
    wait(0, most);
  }

  return {
    later,
    ended({ heldMs, retryAfterMs, needsPerson = false }) {
      if (heldMs !== undefined && heldMs > HELD_MS) failures = 0;
      else if (heldMs !== undefined) failures = Math.min(failures, 1);
      if (needsPerson) {
        failures += 1;
        wait(LONGEST_WAIT_MS / 2, LONGEST_WAIT_MS);
      } else if (retryAfterMs === undefined) {
        later();
      } else {
        const least = Math.min(LONGEST_RETRY_AFTER_MS, retryAfterMs);
        failures += 1;
        // Everybody was told the same number.
        wait(least, least * 1.5 + FIRST_WAIT_MS);
      }
    },
    now() {
      if (stopped) return;
      clearTimeout(timer);
      dial();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
