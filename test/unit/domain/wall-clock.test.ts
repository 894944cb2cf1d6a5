import { expect, test } from 'vitest';
import { timeInWords } from '../../../src/domain/wall-clock.ts';

const now = Date.parse('2026-11-21T15:30:00Z');

test.each([
  ['2026-11-21T14:02:59Z', 'UTC', '14:02 UTC'],
  ['2026-11-21T14:02:59Z', 'Asia/Shanghai', '22:02'],
  // In Shanghai, today is the 21st until 16:00 UTC.
  ['2026-11-21T16:10:00Z', 'Asia/Shanghai', '11-22 00:10'],
  ['2026-11-20T23:59:00Z', 'UTC', '11-20 23:59 UTC'],
  ['2025-11-21T14:02:00Z', 'Europe/Berlin', '2025-11-21 15:02'],
])('%s in %s is %s', (at, timezone, text) => {
  expect(timeInWords(Date.parse(at), now, timezone)).toBe(text);
});

test('a time that is none is no crash', () => {
  expect(timeInWords(Number.NaN, now, 'UTC')).toBe('?');
  expect(timeInWords(9e15, now, 'Asia/Shanghai')).toBe('?');
});
