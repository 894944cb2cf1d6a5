import { describe, expect, test } from 'vitest';
import { afterLook, type Crashes, WINDOW_MS } from '../../../agent/crashes.ts';

const MINUTE = 60_000;
const T0 = 1_000_000_000_000;

/** Looks one after the other: minutes since the start, and the driver's count then. */
function looks(...seen: readonly (readonly [minute: number, crashes: number])[]): Crashes {
  let state: Crashes | undefined;
  for (const [minute, crashes] of seen) {
    const at = T0 + minute * MINUTE;
    state = afterLook(state, { crashes, lastExit: crashes > 0 ? { at: at - 1_000 } : null }, at);
  }
  return state as Crashes;
}

describe('an app keeps crashing', () => {
  test('after three ends within ten minutes, since the first of them, and each further one counts', () => {
    expect(looks([0, 0], [1, 1], [2, 2]).loop).toBeUndefined();
    const begun = looks([0, 0], [1, 1], [2, 2], [3, 3]).loop;
    expect(begun).toEqual({ since: T0 + MINUTE - 1_000, times: 3 });
    expect(looks([0, 0], [1, 1], [2, 2], [3, 3], [9, 5]).loop).toEqual({ since: begun?.since, times: 5 });
  });

  test('not where it crashes now and then', () => {
    const often = Array.from({ length: 30 }, (_, n) => [n * 6, n] as const);
    expect(looks(...often).loop).toBeUndefined();
  });

  test('until ten minutes have passed without, and then anew', () => {
    const well = [
      [0, 0],
      [1, 3],
      [2, 3],
      [11, 3],
    ] as const;
    expect(looks(...well).loop).toBeUndefined();
    expect(looks(...well, [12, 6]).loop).toMatchObject({ times: 3, since: T0 + 12 * MINUTE - 1_000 });
  });

  test('until the count begins anew: an update or a restart was well', () => {
    expect(looks([0, 0], [1, 3], [2, 0])).toMatchObject({ count: 0, ends: [] });
    expect(looks([0, 0], [1, 3], [2, 0], [3, 1], [4, 2]).loop).toBeUndefined();
  });

  test('not by what came while nobody looked, nor by what was there before the first look', () => {
    expect(looks([0, 7]).loop).toBeUndefined();
    expect(looks([0, 0], [WINDOW_MS / MINUTE + 1, 5]).loop).toBeUndefined();
  });

  test('also where the clock was set back meanwhile', () => {
    const state = looks([600, 0], [601, 1], [0, 2], [1, 3], [2, 4]);
    expect(state.loop).toBeDefined();
    expect(state.ends.every((at) => at <= T0 + 2 * MINUTE)).toBe(true);
  });
});
