import { expect, it } from 'vitest';
import { createProgressMeter } from '../../../agent/acquire/progress.ts';
import type { Progress } from '../../../src/protocol/messages.ts';

function meter(options: { total?: number; start?: number }) {
  let now = 0;
  const reports: Progress[] = [];
  const made = createProgressMeter({ monotonic: () => now }, (p) => reports.push(p), { unit: 'bytes', ...options });
  return {
    reports,
    at: (time: number, done: number) => {
      now = time;
      made.at(done);
    },
    end: (time: number, done: number) => {
      now = time;
      made.end(done);
    },
  };
}

it('tells rate and time left, and does not count as fast what was there before', () => {
  const m = meter({ total: 10_000, start: 4_000 });
  m.at(1_000, 5_000);
  expect(m.reports).toEqual([{ unit: 'bytes', done: 5_000, total: 10_000, rate: 1_000, left: 5 }]);
});

it('reports four times a second at most, but always the end', () => {
  const m = meter({ total: 100 });
  for (let time = 0; time < 1_000; time += 10) m.at(time, time / 10);
  expect(m.reports).toHaveLength(4);
  m.end(1_000, 100);
  expect(m.reports.at(-1)).toMatchObject({ done: 100, total: 100, left: 0 });
});

it('forgets the rate of long ago', () => {
  const m = meter({});
  m.at(1_000, 1_000_000);
  for (let time = 2_000; time <= 20_000; time += 1_000) m.at(time, 1_000_000 + time);
  expect(m.reports.at(-1)?.rate).toBe(1_000);
});

it('starts anew when a download does', () => {
  const m = meter({ total: 1_000 });
  m.at(1_000, 900);
  m.at(2_000, 0);
  m.at(3_000, 100);
  expect(m.reports.at(-1)).toMatchObject({ done: 100, rate: 100, left: 9 });
});
