import { expect, test } from 'vitest';
import type { JournalEntry } from '../../../agent/journal.ts';
import type { RestartDriver } from '../../../agent/restart/contract.ts';
import { createStranded } from '../../../agent/stranded.ts';
import { AppSchema } from '../../../config/agent-schema.ts';

const config = AppSchema.parse({ restart: 'systemd robot' });

function stage(state: string, runs: boolean) {
  const starts: number[] = [];
  const time = { now: 0 };
  const driver = {
    status: async () => ({ running: runs ? {} : null }),
    start: async () => {
      starts.push(time.now);
      throw new Error('it does not start');
    },
  } as unknown as RestartDriver;
  const entry = { order: { app: 'robot' }, state } as JournalEntry;
  const stranded = createStranded({
    journal: { list: () => [entry] },
    apps: () => [['robot', config]],
    driver: () => driver,
    now: () => time.now,
    log: () => undefined,
  });
  return { starts, time, stranded };
}

test('what going back left stopped is started again and again, ever less often', async () => {
  const { starts, time, stranded } = stage('rollback-failed', false);
  for (time.now = 0; time.now <= 40 * 60_000; time.now += 30_000) await stranded.retry();
  const minutes = starts.map((at) => at / 60_000);
  expect(minutes.slice(0, 5)).toEqual([0, 0.5, 1.5, 3.5, 7.5]);
  // Ten minutes at the longest.
  expect(minutes.slice(5)).toEqual([15.5, 25.5, 35.5]);
});

test('what runs, and what was stopped otherwise, is left alone', async () => {
  for (const [state, runs] of [
    ['rollback-failed', true],
    ['rolled-back', false],
    ['succeeded', false],
  ] as const) {
    const { starts, stranded } = stage(state, runs);
    await stranded.retry();
    expect(starts, `${state} ${runs}`).toEqual([]);
  }
});
