import { describe, expect, test } from 'vitest';
import { MESSAGES } from '../../../src/chat/messages/index.ts';
import { renderError } from '../../../src/chat/render-error.ts';
import { ERROR_CODES, FettleError } from '../../../src/domain/errors.ts';
import { LANGUAGES } from '../../../src/domain/reply.ts';
import { UPDATE_STATES } from '../../../src/domain/update.ts';

const FULL = {
  app: 'web',
  id: 'u-7k2m',
  version: '3.0.1',
  who: 'Jane',
  startedAt: 1_000,
  state: 'fetching',
  source: 'npm web',
  reason: 'ECONNREFUSED',
  nextAt: 61_000,
  newest: ['3.0.1', '3.0.0'],
  nearest: ['web'],
  typed: 'wbe',
  device: 'robot-7',
  needed: 5_000_000,
  free: 1_000,
  path: '/x',
  port: 7411,
  file: 'fettle.yaml',
  line: 3,
  key: 'apps',
  usage: '/update now',
  from: '2.0.2',
  to: '1.0.0',
};

describe.each(LANGUAGES)('%s', (language) => {
  const messages = MESSAGES[language];

  test.each(ERROR_CODES)('%s has a text, with data and without', (code) => {
    for (const data of [FULL, {}]) {
      const { text, next } = messages.problem(code, data, 31_000);
      expect(text.length).toBeGreaterThan(3);
      expect(`${text} ${next ?? ''}`).not.toMatch(/undefined|NaN|\[object/);
      expect(text).toMatch(/[.?。？]$/);
    }
  });

  test.each(UPDATE_STATES)('%s has a name', (state) => {
    expect(messages.state(state)).not.toBe('');
    expect(messages.cards.doing[state]).not.toBe('');
  });

  test('a code of a newer peer', () => {
    expect(messages.problem('flux_inverted', {}).text).toContain('flux_inverted');
  });
});

test('the two languages are different', () => {
  for (const code of ERROR_CODES) {
    expect(MESSAGES.zh.problem(code, FULL).text).not.toBe(MESSAGES.en.problem(code, FULL).text);
    expect(MESSAGES.zh.problem(code, FULL).text).toMatch(/\p{Script=Han}/u);
    expect(MESSAGES.en.problem(code, FULL).text).not.toMatch(/\p{Script=Han}/u);
  }
});

test('numbers for people', () => {
  const { bytes, duration, rate, relative } = MESSAGES.en;
  expect([0, 812, 8_100, 999_499, 3_100_000, 24_000_000, 250_000_000, 4.2e9].map(bytes)).toEqual([
    '0 B',
    '812 B',
    '8.1 kB',
    '999 kB',
    '3.1 MB',
    '24 MB',
    '250 MB',
    '4.2 GB',
  ]);
  expect(rate(1_200_000)).toBe('1.2 MB/s');
  expect([0, 40, 900, 1_000, 9_900, 14_200, 60_000, 125_000, 3_780_000, 90_000_000].map(duration)).toEqual([
    '0 s',
    '0.04 s',
    '0.9 s',
    '1.0 s',
    '9.9 s',
    '14 s',
    '1 min',
    '2 min 5 s',
    '1 h 3 min',
    '1 day 1 h',
  ]);
  expect(relative(1_000, 2_000)).toBe('just now');
  expect(relative(0, 180_000)).toBe('3 min ago');
  expect(relative(65_000, 0)).toBe('in 1 min');
  expect(relative(0, 86_400_000)).toBe('1 day ago');
  expect(relative(0, 626 * 86_400_000)).toBe('21 months ago');
  expect(relative(0, 1_200 * 86_400_000)).toBe('3 years ago');
  expect(MESSAGES.zh.duration(900)).toBe('0.9 秒');
  expect(MESSAGES.zh.relative(0, 180_000)).toBe('3 分钟前');
  expect(bytes(Number.NaN)).toBe('0 B');
});

test('being where one wanted to be is no failure; everything else is', () => {
  const failed = (code: 'already_latest' | 'already_running_version' | 'in_progress' | 'internal') =>
    renderError(new FettleError(code, { data: { app: 'web' } }), MESSAGES.en, 0).failed;
  expect(failed('already_latest')).toBe(false);
  expect(failed('already_running_version')).toBe(false);
  expect(failed('in_progress')).toBe(true);
  expect(failed('internal')).toBe(true);
});
