import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createAlarm } from '../../../src/rollout/alarm.ts';

const clock = { now: () => Date.now() };
const HOUR = 60 * 60_000;

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function make(work: (signal: AbortSignal) => Promise<number | undefined> = async () => undefined) {
  const rang: number[] = [];
  const errors: unknown[] = [];
  const start = Date.now();
  const alarm = createAlarm({
    clock,
    work: (signal) => {
      rang.push(Date.now() - start);
      return work(signal);
    },
    onError: (error) => errors.push(error),
  });
  return { alarm, rang, errors, start };
}

test('a time 30 days ahead is kept: no timer overflows', async () => {
  const { alarm, rang, start } = make();
  alarm.ring(start + 30 * 24 * HOUR);
  await vi.advanceTimersByTimeAsync(30 * 24 * HOUR - 1);
  expect(rang).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(rang).toEqual([30 * 24 * HOUR]);
});

test('the earliest wish counts, and one that comes while the work runs is not lost', async () => {
  const { alarm, rang, start } = make(async () => {
    if (rang.length === 1) alarm.ring(start + 500);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return start + 5_000;
  });
  alarm.ring(start + 300);
  alarm.ring(start + 100);
  await vi.advanceTimersByTimeAsync(5_500);
  // Never twice at once: the second waited for the first. (No timer is shorter than 1 ms.)
  expect(rang).toEqual([100, 1_101, 5_000]);
});

test('work that throws is tried again in a minute', async () => {
  const { alarm, rang, errors, start } = make(async () => {
    if (rang.length === 1) throw new Error('no');
    return undefined;
  });
  alarm.ring(start);
  await vi.advanceTimersByTimeAsync(90_000);
  expect(rang).toEqual([0, 60_000]);
  expect(errors).toHaveLength(1);
});

test('a clock that jumps ahead is noticed within an hour', async () => {
  const { alarm, rang, start } = make();
  alarm.ring(start + 48 * HOUR);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  vi.setSystemTime(Date.now() + 48 * HOUR);
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(rang).toHaveLength(1);
});

test('a clock that was set back does not put it off: what was two days ahead is two days ahead', async () => {
  const { alarm, rang, start } = make();
  alarm.ring(start + 48 * HOUR);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  vi.setSystemTime(start - 365 * 24 * HOUR);
  await vi.advanceTimersByTimeAsync(46 * HOUR);
  expect(rang).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(4 * HOUR);
  expect(rang).toHaveLength(1);
});

test('stop ends what runs, waits for it, and nothing rings after it', async () => {
  let ended = false;
  const { alarm, rang, start } = make(
    (signal) =>
      new Promise((resolve) =>
        signal.addEventListener('abort', () =>
          setTimeout(() => {
            ended = true;
            resolve(undefined);
          }, 50),
        ),
      ),
  );
  alarm.ring(start);
  await vi.advanceTimersByTimeAsync(10);
  const stopped = alarm.stop();
  await vi.advanceTimersByTimeAsync(50);
  await stopped;
  expect(ended).toBe(true);
  alarm.ring(start);
  await vi.advanceTimersByTimeAsync(HOUR);
  expect(rang).toHaveLength(1);
});
