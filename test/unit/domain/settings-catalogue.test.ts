import { describe, expect, test } from 'vitest';
import { isCron } from '../../../config/cron.ts';
import { readDuration, writeDuration } from '../../../src/domain/duration.ts';
import { LANGUAGES } from '../../../src/domain/reply.ts';
import { SETTING_KEYS, SETTING_TEXTS, type SettingKey, settingKeyOf } from '../../../src/domain/setting-texts.ts';
import { createSettingsCatalogue, type Setting } from '../../../src/domain/settings-catalogue.ts';

const catalogue = createSettingsCatalogue({ isCron, apps: ['web', 'hub'], timezone: 'Europe/Berlin' });
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const accepted: readonly (readonly [SettingKey, string, unknown])[] = [
  ['interval', '24h', { every: DAY }],
  ['interval', '1h', { every: HOUR }],
  ['interval', '60m', { every: HOUR }],
  ['interval', '1.5h', { every: 1.5 * HOUR }],
  ['interval', '30d', { every: 30 * DAY }],
  ['interval', '12小时', { every: 12 * HOUR }],
  ['interval', '７天', { every: 7 * DAY }],
  ['interval', '24 H', { every: DAY }],
  ['interval', '0 3 * * *', { cron: '0 3 * * *' }],
  ['interval', '  0  3 *\t* 1-5 ', { cron: '0 3 * * 1-5' }],
  ['interval', '0 3 * * MON', { cron: '0 3 * * mon' }],
  ['interval', '59 * * * *', { cron: '59 * * * *' }],
  ['interval', '0 3 29 2 *', { cron: '0 3 29 2 *' }],
  ['timezone', 'Asia/Shanghai', 'Asia/Shanghai'],
  ['timezone', 'asia/shanghai', 'Asia/Shanghai'],
  ['timezone', 'utc', 'UTC'],
  ['notify', 'all', 'all'],
  ['notify', 'on', 'all'],
  ['notify', '开', 'all'],
  ['notify', 'Failures', 'failures'],
  ['notify', '仅失败', 'failures'],
  ['notify', 'off', 'off'],
  ['notify', '关', 'off'],
  ['grace', '0', 0],
  ['grace', '0s', 0],
  ['grace', '０', 0],
  ['grace', '500ms', 500],
  ['grace', '1h', HOUR],
  ['grace', '45秒', 45_000],
  ['quiet', '23:00-07:00', { from: 23 * 60, to: 7 * 60 }],
  ['quiet', '0:00 - 6:30', { from: 0, to: 390 }],
  ['quiet', '２３：００－０７：００', { from: 23 * 60, to: 7 * 60 }],
  ['quiet', '23:00至07:00', { from: 23 * 60, to: 7 * 60 }],
  ['quiet', '22:00—6:00', { from: 22 * 60, to: 360 }],
  ['quiet', 'off', null],
  ['quiet', '关', null],
  ['digest', '00:00', 0],
  ['digest', '9:05', 545],
  ['digest', '23:59', 1_439],
  ['digest', 'off', null],
  ['retention', '0', 0],
  ['retention', '0d', 0],
  ['retention', '14', 14],
  ['retention', '14d', 14],
  ['retention', '14 天', 14],
  ['retention', '3650d', 3_650],
  ['backup', 'on', true],
  ['backup', '开', true],
  ['backup', 'true', true],
  ['backup', 'off', false],
  ['backup', '关闭', false],
  ['language', 'zh', 'zh'],
  ['language', '中文', 'zh'],
  ['language', 'EN', 'en'],
  ['defaultApp', 'web', 'web'],
  ['defaultApp', 'WEB', 'web'],
  ['defaultApp', 'hub', 'hub'],
  ['defaultApp', 'none', null],
  ['defaultApp', '无', null],
];

const refused: Readonly<Record<SettingKey, readonly string[]>> = {
  interval: [
    ...[
      '',
      '0',
      '0h',
      '0s',
      'null',
      '-24h',
      '-0',
      '24',
      '59m',
      '1ms',
      '31d',
      '1e9d',
      'NaN',
      'Infinity',
      'never',
      '1h1h',
    ],
    // More often than once an hour, with seconds, words for it, days that never come, fields out of bounds.
    ...['* * * * *', '*/5 * * * *', '0,30 5 * * *', '0-1 3 * * *', '0 3 * * * *', '* * * * * *', '@daily', '@hourly'],
    ...[
      '0 0 30 2 *',
      '0 3 31W 2 *',
      '60 * * * *',
      '0 24 * * *',
      '0 3 * *',
      'a b c d e',
      '0 3 * * 8',
      `${'9'.repeat(400)}h`,
    ],
  ],
  timezone: ['', 'Mars/Olympus', '+08:00', '-5', 'GMT+99', '../etc/passwd', '__proto__', 'Asia Shanghai', '8'],
  notify: ['', 'some', '0', 'all off', 'constructor'],
  grace: ['', '-1s', '61m', '2h', '30', 'off', 'null', '00', '1e-3s'],
  quiet: [
    '',
    '23:00',
    '23:00-23:00',
    '7:00-07:00',
    '24:00-07:00',
    '23:60-07:00',
    '23-7',
    '1:00-2:00-3:00',
    '-',
    'on',
    '0',
  ],
  digest: ['', '24:00', '9', '09:5', '9:000', 'on', '-1:00', '0'],
  retention: ['', '-1', '3651', '3651d', '99999', '1.5d', '14h', 'off', 'null', '1e2', '0x10'],
  backup: ['', '2', 'maybe', 'null', 'undefined', 'toString'],
  language: ['', 'fr', 'en-US', 'off'],
  defaultApp: ['', 'nope', 'web hub', '__proto__', 'null'],
};

describe('what is understood', () => {
  test.each(accepted)('%s %s', (key, text, value) => {
    expect(catalogue[key].parse(text)).toEqual(value);
  });
});

describe('what is refused', () => {
  test.each(SETTING_KEYS.flatMap((key) => refused[key].map((text) => [key, text] as const)))('%s “%s”', (key, text) => {
    expect(catalogue[key].parse(text)).toBeUndefined();
  });
});

test('every setting has a default that is a value of its own, and words in both languages', () => {
  for (const key of SETTING_KEYS) {
    const setting = catalogue[key] as Setting<unknown>;
    expect(setting.parse(setting.write(setting.fallback))).toEqual(setting.fallback);
    for (const language of LANGUAGES) {
      expect(SETTING_TEXTS[key].help[language].length).toBeGreaterThan(4);
      expect(SETTING_TEXTS[key].expected[language].length).toBeGreaterThan(4);
    }
    expect(SETTING_TEXTS[key].expected.en).not.toMatch(/\p{Script=Han}/u);
  }
  expect(Object.fromEntries(SETTING_KEYS.map((key) => [key, (catalogue[key] as Setting<unknown>).fallback]))).toEqual({
    interval: { every: DAY },
    timezone: 'Europe/Berlin',
    notify: 'all',
    grace: 30_000,
    quiet: null,
    digest: null,
    retention: 14,
    backup: true,
    language: 'en',
    defaultApp: null,
  });
});

test('a machine whose time zone is nonsense counts in UTC', () => {
  expect(createSettingsCatalogue({ isCron, apps: [], timezone: ':/etc/localtime' }).timezone.fallback).toBe('UTC');
});

test('every time zone of the machine is read back as it is written', () => {
  for (const name of Intl.supportedValuesOf('timeZone')) {
    const read = catalogue.timezone.parse(name);
    expect(read).toBeDefined();
    expect(catalogue.timezone.parse(catalogue.timezone.write(read ?? ''))).toBe(read);
  }
});

test('a key is found however it is written', () => {
  expect(settingKeyOf('DEFAULT-APP')).toBe('defaultApp');
  expect(settingKeyOf('default_app')).toBe('defaultApp');
  expect(settingKeyOf('免打扰')).toBe('quiet');
  for (const word of ['', 'intervall', '__proto__', 'constructor']) expect(settingKeyOf(word)).toBeUndefined();
  const names = SETTING_KEYS.flatMap((key) => [key.toLowerCase(), ...SETTING_TEXTS[key].also]);
  expect(new Set(names).size).toBe(names.length);
});

test('durations are written so that they are read back, in the largest unit', () => {
  expect([0, 1, 1_000, 90_000, HOUR, 90 * 60_000, DAY, 36 * HOUR, 7 * DAY].map(writeDuration)).toEqual([
    ...['0s', '1ms', '1s', '90s', '1h', '90m', '24h', '36h', '7d'],
  ]);
  for (let ms = 0; ms < 40 * DAY; ms = ms * 2 + 7) expect(readDuration(writeDuration(ms))).toBe(ms);
});

test('anything at all is a value that is read back as it is written, or nothing; it never throws', () => {
  let seed = 20_261_121;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed % below;
  };
  const pieces = [
    ...[
      '0',
      '1',
      '7',
      '23',
      '24',
      '30',
      '59',
      '60',
      '3650',
      '.',
      ':',
      '：',
      '-',
      '—',
      '~',
      '*',
      '/',
      ',',
      '#',
      'L',
      'W',
      '?',
    ],
    ...[
      'h',
      'm',
      's',
      'ms',
      'd',
      '天',
      '小时',
      '秒',
      'on',
      'off',
      '开',
      '关',
      'all',
      'none',
      'web',
      'en',
      'zh',
      'UTC',
      'Asia/',
    ],
    ...[
      ' ',
      '\t',
      '\0',
      '\u3000',
      '\u202e',
      '０',
      '１',
      'ｈ',
      'MON',
      'jan',
      '@',
      '+',
      'e',
      '\ud800',
      '👩',
      '__proto__',
    ],
  ];
  let understood = 0;
  for (let i = 0; i < 6_000; i += 1) {
    let text = '';
    for (let n = random(9); n >= 0; n -= 1) {
      text += random(12) === 0 ? String.fromCharCode(random(0x10000)) : (pieces[random(pieces.length)] ?? '');
    }
    for (const key of SETTING_KEYS) {
      const setting = catalogue[key] as Setting<unknown>;
      const value = setting.parse(text);
      if (value === undefined) continue;
      understood += 1;
      const written = setting.write(value);
      expect(setting.parse(written), `${key} ${JSON.stringify(text)}`).toEqual(value);
      expect(written).toMatch(/\S/);
      if (key === 'interval' && typeof value === 'object' && value && 'every' in value) {
        expect(value.every).toBeGreaterThanOrEqual(HOUR);
      }
    }
  }
  expect(understood).toBeGreaterThan(100);
});
