import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../../../config/load.ts';
import { settingsOfFile } from '../../../config/settings-schema.ts';

const APPS = 'apps:\n  web:\n    run: node x.js\n';

function problems(text: string) {
  try {
    parseConfig(text, '/x/fettle.yaml');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('was understood');
}

const read = (text: string) => settingsOfFile(parseConfig(text, '/x/fettle.yaml'));

test('no settings: nothing is said', () => {
  expect(read('')).toEqual({});
  expect(read('language: en')).toEqual({});
});

test('values are read as in the chat, and as YAML has them', () => {
  const text = `settings:
  interval: 0 3 * * *
  timezone: asia/shanghai
  notify: failures
  grace: 0
  quiet: 23:00-07:00
  digest: 09:00
  retention: 30
  backup: false
  language: zh
  defaultApp: web
${APPS}`;
  expect(read(text)).toEqual({
    interval: { cron: '0 3 * * *' },
    timezone: 'Asia/Shanghai',
    notify: 'failures',
    grace: 0,
    quiet: { from: 1_380, to: 420 },
    digest: 540,
    retention: 30,
    backup: false,
    language: 'zh',
    defaultApp: 'web',
  });
  expect(read('settings: {backup: on, quiet: off, digest: off, defaultApp: none}')).toEqual({
    backup: true,
    quiet: null,
    digest: null,
    defaultApp: null,
  });
});

test('the keys beside `settings` are its defaults', () => {
  expect(read(`language: zh\ndefaultApp: web\n${APPS}`)).toEqual({ language: 'zh', defaultApp: 'web' });
  expect(read(`language: zh\ndefaultApp: web\nsettings: {language: en, defaultApp: none}\n${APPS}`)).toEqual({
    language: 'en',
    defaultApp: null,
  });
});

describe('what is wrong is named with its line and what was expected', () => {
  test.each([
    ['interval: 5m', /expected a duration from 1h to 30d/],
    ['interval: 0', /expected a duration from 1h to 30d/],
    ['interval:', /expected a duration from 1h to 30d/],
    ['interval: "* * * * *"', /at most once an hour/],
    ['interval: [24h]', /expected a duration/],
    ['timezone: Mars/Olympus', /expected a time zone/],
    ['grace: 30', /expected a duration from 0s to 1h/],
    ['grace: -1', /expected a duration from 0s to 1h/],
    ['quiet: 23:00-23:00', /expected two different times/],
    ['digest: 25:00', /expected a time of day/],
    ['retention: 3651', /expected days from 0 to 3650/],
    ['backup: sometimes', /expected on or off/],
    ['language: fr', /expected en or zh/],
    ['defaultApp: nope', /expected one of: web/],
    ['defaultApp: 7', /expected the name of an app/],
  ])('%s', (line, expected) => {
    const [first, ...more] = problems(`${APPS}settings:\n  notify: all\n  ${line}\n`);
    expect(more).toEqual([]);
    expect(first).toMatchObject({
      line: 6,
      key: `settings.${line.split(':')[0]}`,
      expected: expect.stringMatching(expected),
    });
  });

  test('an unknown key: the nearest', () => {
    expect(problems('settings:\n  intervall: 24h\n')).toEqual([
      expect.objectContaining({ line: 2, key: 'settings.intervall', nearest: 'interval' }),
    ]);
  });
});
