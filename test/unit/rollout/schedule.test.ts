import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FettleError } from '../../../src/domain/errors.ts';
import type { CheckTimes } from '../../../src/domain/settings.ts';
import type { ReleaseChecker } from '../../../src/releases/index.ts';
import { createSchedule, type Schedule } from '../../../src/rollout/schedule.ts';
import { createSettings, type TestSettings } from '../../support/settings.ts';

/** Time is simulated; the timers are the schedule's own. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

let settings: TestSettings;
let schedule: Schedule;
let asked: { source: string; at: number }[];
let start: number;
let random: number;
let takes: number;
let aborted: number;
let problems: Map<string, number>;
const listeners = new Set<(asked: { readonly answered: boolean }) => void>();

const npm = (name: string, source = name) => ({
  name,
  source: { kind: 'npm' as const, package: source },
  channel: 'stable',
});

const checker: Pick<ReleaseChecker, 'check' | 'known' | 'onAsked'> = {
  async check(app, { signal }) {
    const source = app.source?.kind === 'npm' ? app.source.package : '';
    asked.push({ source, at: Date.now() - start });
    if (takes > 0) {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, takes);
        signal.addEventListener('abort', () => {
          clearTimeout(timer);
          aborted += 1;
          reject(signal.reason);
        });
      });
    }
    const wait = problems.get(source);
    for (const listener of listeners) listener({ answered: wait === undefined });
    if (wait !== undefined) throw new FettleError('source_unreachable', { data: { source }, retryable: true });
    return { offer: { releases: [], channels: {} }, checkedAt: Date.now() };
  },
  async known(app) {
    const source = app.source?.kind === 'npm' ? app.source.package : '';
    const wait = problems.get(source);
    const last = asked.findLast((one) => one.source === source);
    const offer = { releases: [], channels: {} };
    if (wait === undefined || !last) return { offer };
    return {
      offer,
      problem: { code: 'source_unreachable', data: {}, retryable: true, failures: 1 },
      nextAt: start + last.at + wait,
    };
  },
  onAsked(listener) {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  },
};

function begin(interval: CheckTimes, apps = [npm('web')], timezone = 'UTC', from = '2026-06-01T00:00:00Z'): void {
  vi.setSystemTime(Date.parse(from));
  start = Date.now();
  settings = createSettings({ interval, timezone });
  schedule = createSchedule({
    checker,
    apps,
    settings,
    clock: { now: () => Date.now() },
    random: () => random,
    log: () => undefined,
  });
  schedule.start();
}

const times = () => asked.map(({ at }) => at);
const moments = () => asked.map(({ at }) => new Date(start + at).toISOString().slice(0, 16));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'performance'] });
  asked = [];
  random = 0;
  takes = 0;
  aborted = 0;
  problems = new Map();
  listeners.clear();
});
afterEach(async () => {
  const stopped = schedule.stop();
  await vi.advanceTimersByTimeAsync(1);
  await stopped;
  vi.useRealTimers();
});

describe('at an interval', () => {
  test('first after a minute, then each interval after the round before', async () => {
    begin({ every: 6 * HOUR });
    await vi.advanceTimersByTimeAsync(13 * HOUR);
    expect(times()).toEqual([MINUTE, 6 * HOUR + MINUTE, 12 * HOUR + MINUTE]);
  });

  test('jitter is at most a tenth, and at most 15 minutes', async () => {
    random = 0.999_999;
    begin({ every: 10 * MINUTE });
    await vi.advanceTimersByTimeAsync(20 * MINUTE);
    expect(times()[1]).toBeGreaterThan(MINUTE + 10 * MINUTE + 59 * SECOND);
    expect(times()[1]).toBeLessThanOrEqual(MINUTE + 11 * MINUTE);
    await schedule.stop();
    asked = [];
    begin({ every: DAY });
    await vi.advanceTimersByTimeAsync(2 * DAY);
    expect(times()[1]).toBeGreaterThan(MINUTE + DAY + 14 * MINUTE);
    expect(times()[1]).toBeLessThanOrEqual(MINUTE + DAY + 15 * MINUTE);
  });

  test('30 days: twice in 31 days, and not at once', async () => {
    begin({ every: 30 * DAY });
    await vi.advanceTimersByTimeAsync(31 * DAY);
    expect(times()).toEqual([MINUTE, 30 * DAY + MINUTE]);
  });

  test('a round that takes longer than the interval is not begun again', async () => {
    takes = 25 * MINUTE;
    begin({ every: 10 * MINUTE });
    await vi.advanceTimersByTimeAsync(80 * MINUTE);
    const all = times();
    for (const [i, at] of all.entries()) if (i > 0) expect(at - (all[i - 1] ?? 0)).toBeGreaterThanOrEqual(takes);
    expect(all.length).toBeGreaterThan(1);
  });

  test('a new interval counts at once, without an extra round', async () => {
    begin({ every: DAY });
    await vi.advanceTimersByTimeAsync(5 * HOUR);
    settings.change({ interval: { every: HOUR } });
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(HOUR);
    expect(asked).toHaveLength(2);
    settings.change({ interval: { every: 30 * DAY } });
    await vi.advanceTimersByTimeAsync(29 * DAY);
    expect(asked).toHaveLength(2);
    // Another setting is none of its business.
    settings.change({ notify: 'off' });
    await vi.advanceTimersByTimeAsync(DAY + HOUR);
    expect(asked).toHaveLength(3);
  });

  test('a change before the first round leaves that one where it is', async () => {
    begin({ every: DAY });
    settings.change({ interval: { every: HOUR } });
    await vi.advanceTimersByTimeAsync(HOUR + 2 * MINUTE);
    expect(times()).toEqual([MINUTE, HOUR + MINUTE]);
  });
});

describe('by a cron expression', () => {
  test('in the time zone of the setting, also when the clocks change', async () => {
    begin({ cron: '30 4 * * *' }, [npm('web')], 'Europe/Berlin', '2026-03-27T12:00:00Z');
    await vi.advanceTimersByTimeAsync(3 * DAY);
    expect(moments()).toEqual(['2026-03-27T12:01', '2026-03-28T03:30', '2026-03-29T02:30', '2026-03-30T02:30']);
  });

  test('jitter is at most a tenth of the gap', async () => {
    random = 0.999_999;
    begin({ cron: '*/10 * * * *' });
    await vi.advanceTimersByTimeAsync(35 * MINUTE);
    expect(moments().slice(1)).toEqual(['2026-06-01T00:10', '2026-06-01T00:20', '2026-06-01T00:30']);
    await schedule.stop();
    asked = [];
    begin({ cron: '0 3 * * *' });
    await vi.advanceTimersByTimeAsync(DAY);
    expect(moments()[1]).toBe('2026-06-01T03:04');
  });

  test('a new time zone counts at once', async () => {
    begin({ cron: '0 6 * * *' });
    await vi.advanceTimersByTimeAsync(HOUR);
    settings.change({ timezone: 'Asia/Shanghai' });
    await vi.advanceTimersByTimeAsync(DAY);
    expect(moments()).toEqual(['2026-06-01T00:01', '2026-06-01T22:00']);
  });

  test('what can not be read is once a day, and no loop', async () => {
    begin({ cron: '99 99 * * *' });
    await vi.advanceTimersByTimeAsync(2 * DAY + HOUR);
    expect(asked).toHaveLength(3);
  });
});

test('each source is asked once a round, however many apps use it; one that fails holds up no other', async () => {
  problems.set('b', HOUR);
  begin({ every: DAY }, [npm('web', 'a'), npm('web2', 'a'), npm('bot', 'b'), npm('db', 'c')]);
  await vi.advanceTimersByTimeAsync(2 * MINUTE);
  expect(asked.map(({ source }) => source).sort()).toEqual(['a', 'b', 'c']);
});

test('a source that failed is asked again when it was said, and only that one', async () => {
  problems.set('b', 7 * MINUTE);
  begin({ every: DAY }, [npm('web', 'a'), npm('bot', 'b')]);
  await vi.advanceTimersByTimeAsync(10 * MINUTE);
  expect(asked.filter(({ source }) => source === 'b').map(({ at }) => at)).toEqual([MINUTE, 8 * MINUTE]);
  problems.clear();
  await vi.advanceTimersByTimeAsync(12 * HOUR);
  expect(asked).toHaveLength(3);
});

test("a person's question that fails is asked again, too", async () => {
  begin({ every: DAY });
  await vi.advanceTimersByTimeAsync(HOUR);
  problems.set('web', 5 * MINUTE);
  await checker.check(npm('web'), { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
  await vi.advanceTimersByTimeAsync(6 * MINUTE);
  expect(times()).toEqual([MINUTE, HOUR, HOUR + 5 * MINUTE]);
});

test('stop calls off what is being asked and waits for it', async () => {
  takes = HOUR;
  begin({ every: DAY });
  await vi.advanceTimersByTimeAsync(2 * MINUTE);
  await schedule.stop();
  expect(aborted).toBe(1);
  await vi.advanceTimersByTimeAsync(3 * DAY);
  expect(asked).toHaveLength(1);
});
