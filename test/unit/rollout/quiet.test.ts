import { describe, expect, test } from 'vitest';
import { isQuiet, nextTimeOfDay, quietEnd } from '../../../src/rollout/quiet.ts';

const at = (text: string) => Date.parse(text);
const minute = (text: string) => {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return hours * 60 + minutes;
};
const settings = (span: string, timezone: string) => {
  const [from = '', to = ''] = span.split('-');
  return { quiet: { from: minute(from), to: minute(to) }, timezone };
};

describe('quiet hours', () => {
  test.each([
    ['22:00-07:00', 'UTC', '2026-06-01T21:59:59.999Z', false],
    ['22:00-07:00', 'UTC', '2026-06-01T22:00:00Z', true],
    ['22:00-07:00', 'UTC', '2026-06-02T06:59:59.999Z', true],
    ['22:00-07:00', 'UTC', '2026-06-02T07:00:00Z', false],
    ['12:00-13:00', 'UTC', '2026-06-01T12:30:00Z', true],
    ['12:00-13:00', 'UTC', '2026-06-01T13:00:00Z', false],
    ['12:00-12:00', 'UTC', '2026-06-01T12:00:00Z', false],
    ['22:00-07:00', 'Asia/Kolkata', '2026-06-01T16:30:00Z', true],
    ['22:00-07:00', 'Asia/Kolkata', '2026-06-01T16:29:00Z', false],
    // Berlin: +1 in winter, +2 in summer.
    ['22:00-07:00', 'Europe/Berlin', '2026-01-10T06:30:00Z', false],
    ['22:00-07:00', 'Europe/Berlin', '2026-07-10T05:30:00Z', false],
    ['22:00-07:00', 'Europe/Berlin', '2026-01-10T05:30:00Z', true],
  ])('%s in %s at %s: %s', (span, timezone, time, quiet) => {
    expect(isQuiet(settings(span, timezone), at(time))).toBe(quiet);
  });

  test.each([
    ['an ordinary night', '22:00-07:00', 'Europe/Berlin', '2026-06-01T23:10:30Z', '2026-06-02T05:00:00Z'],
    ['the end is a minute away', '22:00-07:00', 'UTC', '2026-06-02T06:59:30Z', '2026-06-02T07:00:00Z'],
    // 29 March 2026, 02:00 → 03:00.
    ['Berlin loses an hour', '22:00-07:00', 'Europe/Berlin', '2026-03-28T22:00:00Z', '2026-03-29T05:00:00Z'],
    [
      'Berlin: an end that the day does not have',
      '22:00-02:30',
      'Europe/Berlin',
      '2026-03-28T22:00:00Z',
      '2026-03-29T01:00:00Z',
    ],
    // 25 October 2026, 03:00 → 02:00.
    ['Berlin gains an hour', '22:00-07:00', 'Europe/Berlin', '2026-10-24T21:00:00Z', '2026-10-25T06:00:00Z'],
    [
      'Berlin: an end that comes twice, the first',
      '22:00-02:30',
      'Europe/Berlin',
      '2026-10-24T21:00:00Z',
      '2026-10-25T00:30:00Z',
    ],
    ['Berlin: and the second', '22:00-02:30', 'Europe/Berlin', '2026-10-25T01:10:00Z', '2026-10-25T01:30:00Z'],
    // 8 March and 1 November 2026, 02:00 local.
    ['New York loses an hour', '23:00-06:00', 'America/New_York', '2026-03-08T04:30:00Z', '2026-03-08T10:00:00Z'],
    ['New York gains an hour', '23:00-06:00', 'America/New_York', '2026-11-01T03:30:00Z', '2026-11-01T11:00:00Z'],
    ['not quiet: now', '22:00-07:00', 'UTC', '2026-06-02T12:00:00Z', '2026-06-02T12:00:00Z'],
  ])('end: %s', (_, span, timezone, time, end) => {
    expect(new Date(quietEnd(settings(span, timezone), at(time))).toISOString()).toBe(new Date(end).toISOString());
  });

  test('all through the days on which clocks change, the end is the first minute that is not quiet', () => {
    for (const [timezone, start] of [
      ['Europe/Berlin', '2026-03-28T12:00:00Z'],
      ['Europe/Berlin', '2026-10-24T12:00:00Z'],
      ['America/New_York', '2026-03-07T12:00:00Z'],
      ['America/New_York', '2026-10-31T12:00:00Z'],
    ] as const) {
      const now = settings('21:15-05:45', timezone);
      for (let back = 60 * 36; back >= 0; back -= 7) {
        const time = at(start) + back * 60_000;
        if (!isQuiet(now, time)) continue;
        const end = quietEnd(now, time);
        expect(isQuiet(now, end)).toBe(false);
        expect(isQuiet(now, end - 60_000)).toBe(true);
        expect(end - time).toBeLessThanOrEqual(9.5 * 60 * 60_000);
      }
    }
  });
});

describe('a time of the day', () => {
  test.each([
    ['later today', '09:00', 'UTC', '2026-06-01T08:00:00Z', '2026-06-01T09:00:00Z'],
    ['it is now: tomorrow', '09:00', 'UTC', '2026-06-01T09:00:00Z', '2026-06-02T09:00:00Z'],
    ['just over: tomorrow', '09:00', 'UTC', '2026-06-01T09:00:20Z', '2026-06-02T09:00:00Z'],
    ['midnight', '00:00', 'Europe/Berlin', '2026-06-01T12:00:00Z', '2026-06-01T22:00:00Z'],
    ['a minute that the day does not have', '02:30', 'Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-29T01:00:00Z'],
    ['and the day after', '02:30', 'Europe/Berlin', '2026-03-29T01:00:00Z', '2026-03-30T00:30:00Z'],
    ['a minute that comes twice: the first', '02:30', 'Europe/Berlin', '2026-10-24T12:00:00Z', '2026-10-25T00:30:00Z'],
    ['and not the second', '02:30', 'Europe/Berlin', '2026-10-25T00:30:00Z', '2026-10-26T01:30:00Z'],
    ['New York, an hour that comes twice', '01:15', 'America/New_York', '2026-11-01T05:15:00Z', '2026-11-02T06:15:00Z'],
    ['New York, an hour that is lost', '02:00', 'America/New_York', '2026-03-08T06:00:00Z', '2026-03-08T07:00:00Z'],
  ])('%s', (_, time, timezone, now, next) => {
    expect(new Date(nextTimeOfDay(minute(time), timezone, at(now))).toISOString()).toBe(new Date(next).toISOString());
  });
});
