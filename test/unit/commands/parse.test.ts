import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../src/commands/index.ts';
import { parse } from '../../../src/commands/parse.ts';
import { createPhraseBook } from '../../../src/commands/phrases.ts';
import { usage } from '../../../src/commands/usage.ts';
import { FettleError } from '../../../src/domain/errors.ts';

const PHRASES = createPhraseBook(COMMANDS, {
  升级网站: '/update now web',
  'ship it': '/update now web --force',
  // Overrides what is declared.
  日志: '/update history',
});

function surroundings(apps = ['web', 'hello', 'hub', 'agent'], defaultApp?: string) {
  return {
    commands: COMMANDS,
    settings: {
      apps: apps.map((name) => ({ name, channel: 'stable' })),
      ...(defaultApp === undefined ? {} : { defaultApp }),
      version: '0.1.0',
    },
    devices: ['robot-7', 'd-1'],
    phrases: PHRASES,
  };
}

function read(text: string, around = surroundings()) {
  const meant = parse(text, around);
  return 'choices' in meant ? meant.choices : [meant.command.name, meant.raw];
}

function refusal(text: string, around = surroundings()): FettleError {
  try {
    parse(text, around);
  } catch (error) {
    if (error instanceof FettleError) return error;
    throw error;
  }
  throw new Error(`${text} was understood`);
}

describe('what is understood', () => {
  test.each([
    ['/update', 'update', {}],
    ['update', 'update', {}],
    ['  /UPDATE  ', 'update', {}],
    ['/update overview', 'update', {}],
    ['/update@fettlebot', 'update', {}],
    ['/update@fettlebot now web', 'update now', { app: 'web' }],
    ['/update_now web', 'update now', { app: 'web' }],
    ['／update　now　web', 'update now', { app: 'web' }],
    ['/update\tnow\u200b web', 'update now', { app: 'web' }],
    ['/update now web', 'update now', { app: 'web' }],
    ['/update now WEB', 'update now', { app: 'web' }],
    ['/update now "web"', 'update now', { app: 'web' }],
    ['/update now “web”', 'update now', { app: 'web' }],
    ['/update now web@3.0.1', 'update now', { app: 'web', version: '3.0.1' }],
    ['/update now web@v3.0.1', 'update now', { app: 'web', version: '3.0.1' }],
    ['/update now web 3.0.1', 'update now', { app: 'web', version: '3.0.1' }],
    ['/update now 3.0.1 web', 'update now', { app: 'web', version: '3.0.1' }],
    ['/update now web 3', 'update now', { app: 'web', version: '3' }],
    ['/update now web nightly', 'update now', { app: 'web', version: 'nightly' }],
    ['/update now web@latest', 'update now', { app: 'web' }],
    ['/update now --force web --dry-run', 'update now', { app: 'web', force: true, dryRun: true }],
    ['/update --dry-run now web', 'update now', { app: 'web', dryRun: true }],
    ['/update now web —dry-run', 'update now', { app: 'web', dryRun: true }],
    ['/update status', 'update status', {}],
    ['/update status web', 'update status', { app: 'web' }],
    ['/update status Robot-7', 'update status', { device: 'robot-7' }],
    ['/update status u-7k2m', 'update status', { id: 'u-7k2m' }],
    ['/update cancel U-7K2M', 'update cancel', { id: 'u-7k2m' }],
    ['/update rollback web --with-data', 'update rollback', { app: 'web', withData: true }],
    ['/update history --limit 5 web', 'update history', { app: 'web', limit: '5' }],
    ['/update history --limit=5', 'update history', { limit: '5' }],
    ['/help update now', 'help', { command: 'update now' }],
    ['检查更新 web', 'update check', { app: 'web' }],
    ['检查更新 web。', 'update check', { app: 'web' }],
    ['重启一下 hello', 'update restart', { app: 'hello' }],
    ['升级网站！', 'update now', { app: 'web' }],
    ['Ship it', 'update now', { app: 'web', force: true }],
    ['帮助', 'help', {}],
    ['/update auto 开 web', 'update auto', { mode: 'on', app: 'web' }],
    ['/update auto web 关', 'update auto', { mode: 'off', app: 'web' }],
    ['/update auto minor web', 'update auto', { mode: 'minor', app: 'web' }],
    ['/update auto web', 'update auto', { app: 'web' }],
    ['自动更新 开 web', 'update auto', { mode: 'on', app: 'web' }],
    ['/update pin web', 'update pin', { app: 'web' }],
    ['/update pin web@1.2.0', 'update pin', { app: 'web', version: '1.2.0' }],
    ['/update unpin web', 'update unpin', { app: 'web' }],
    ['跳过此版本 web', 'update skip', { app: 'web' }],
    ['/settings', 'settings', {}],
    ['/settings interval 0 3 * * *', 'settings', { entry: 'interval 0 3 * * *' }],
    ['/settings interval "0 3 * * *"', 'settings', { entry: 'interval 0 3 * * *' }],
    ['／settings　quiet　２３：００－０７：００', 'settings', { entry: 'quiet 23:00-07:00' }],
    ['设置 备份 关', 'settings', { entry: '备份 关' }],
  ])('%s', (text, command, raw) => {
    expect(read(text)).toEqual([command, raw]);
  });

  test.each([
    ['重启一下', 'update restart', { app: 'web' }],
    ['请帮我重启一下 web，谢谢！', 'update restart', { app: 'web' }],
    ['把hello重启一下吧', 'update restart', { app: 'hello' }],
    ['重启hello', 'update restart', { app: 'hello' }],
    ['检查更新', 'update check', { app: 'web' }],
    ['检查一下更新', 'update check', { app: 'web' }],
    ['麻烦检查一下 hello 的更新', 'update check', { app: 'hello' }],
    ['更新一下', 'update now', { app: 'web' }],
    ['把 web 更新到 3.0.1 版本', 'update now', { app: 'web', version: '3.0.1' }],
    ['更新web到v3.0.1', 'update now', { app: 'web', version: '3.0.1' }],
    ['ＵＰＤＡＴＥ　ＷＥＢ', 'update now', { app: 'web' }],
    ['Update web to 3.0.1, please.', 'update now', { app: 'web', version: '3.0.1' }],
    ['could you please update web?', 'update now', { app: 'web' }],
    ['能不能更新一下 web？', 'update now', { app: 'web' }],
    ['Could you update it, hello?', 'update now', { app: 'hello' }],
    ['update yourself', 'update now', { app: 'hub' }],
    ['更新一下你自己', 'update now', { app: 'hub' }],
    ['Restart the web app', 'update restart', { app: 'web' }],
    ['restart yourself please', 'update restart', { app: 'hub' }],
    ['重启机器人', 'update restart', { app: 'web' }],
    ['回滚', 'update rollback', { app: 'web' }],
    ['roll back hello', 'update rollback', { app: 'hello' }],
    ['现在是什么版本', 'update status', {}],
    ['web 现在是什么版本？', 'update status', { app: 'web' }],
    ['How are you doing?', 'update status', {}],
    ["what's new?", 'update check', { app: 'web' }],
    ['关闭自动更新', 'update auto', { mode: 'off', app: 'web' }],
    ['取消 u-7k2m', 'update cancel', { id: 'u-7k2m' }],
    ['日志', 'update history', {}],
    ['help me', 'help', {}],
    ['help update now', 'help', { command: 'update now' }],
    ['update', 'update', {}],
  ])('said: %s', (text, command, raw) => {
    expect(read(text, surroundings(['web', 'hello', 'hub', 'agent'], 'web'))).toEqual([command, raw]);
  });

  test.each([
    ['编译重启', ['/update now', '/update restart']],
    ['请编译重启一下 hello', ['/update now hello', '/update restart hello']],
    // It asks about it; it does not ask for it.
    ['restart?', ['/update restart']],
    ['重启 web？', ['/update restart web']],
  ])('asked back: %s', (text, choices) => {
    expect([...read(text)].sort()).toEqual(choices);
  });

  test.each([
    '不要重启',
    '重启了吗',
    "don't restart",
    'the restart of web failed',
    '更新日志',
    'why did you restart web',
  ])('begins nothing: %s', (text) => {
    expect(refusal(text, surroundings(['web', 'hello'], 'web')).code).toMatch(/^(unknown_command|unknown_app)$/);
  });

  test('no app: the default one', () => {
    expect(read('/update now', surroundings(['web', 'hello'], 'hello'))).toEqual(['update now', { app: 'hello' }]);
  });

  test('no app: the only one besides hub and agent; a lone version is its', () => {
    expect(read('/update now 1.4.2', surroundings(['hub', 'web', 'agent']))).toEqual([
      'update now',
      { app: 'web', version: '1.4.2' },
    ]);
  });
});

describe('what is refused', () => {
  test('no app where several could be meant: asked, with the rest of the command kept', () => {
    const error = refusal('/update now 3.0.1 --dry-run');
    expect(error.code).toBe('app_needed');
    expect(error.data.try).toEqual(['/update now web@3.0.1 --dry-run', '/update now hello@3.0.1 --dry-run']);
    expect(refusal('打开自动更新').data.try).toEqual(['/update auto on web', '/update auto on hello']);
    expect(refusal('Could you restart it?').data.try).toEqual(['/update restart web', '/update restart hello']);
  });

  test('an unknown command: the nearest names', () => {
    expect(refusal('/update chekc').data.nearest).toContain('/update check');
    expect(refusal('/update stat web').data.nearest).toEqual(['/update status', '/update restart']);
    expect(refusal('/check web').data.nearest).toContain('/update check');
    expect(refusal('/udpate').data.nearest).toContain('/update');
    expect(refusal('what is the weather').data.nearest).toEqual([]);
  });

  test('an app behind the bare command: what can be done with it', () => {
    expect(refusal('/update web').data.try).toContain('/update now web');
  });

  test('an unknown app: the nearest names', () => {
    expect(refusal('/update now wbe')).toMatchObject({ code: 'unknown_app', data: { nearest: ['web'] } });
    expect(refusal('/update now wbe@1.0.0')).toMatchObject({ code: 'unknown_app' });
  });

  test('`on` with nothing behind it', () => {
    expect(refusal('/update now web on').data).toMatchObject({ problem: 'value_needed', what: 'on' });
  });

  test('an unknown flag: the usage and the nearest', () => {
    expect(refusal('/update now web --forse').data).toMatchObject({
      problem: 'unknown_flag',
      what: '--forse',
      nearest: ['--force'],
      usage: '/update now [app][@version] [on device] [--dry-run] [--force]',
    });
  });

  test.each([
    ['/update now web 1.0.0 2.0.0', { problem: 'unexpected' }],
    ['/update now web@', { problem: 'not_a_value' }],
    ['/update history --limit', { problem: 'value_needed' }],
    ['/update history --limit many', { problem: 'not_a_value', value: 'many' }],
    ['/update now --force=yes web', { problem: 'unexpected' }],
    ['/update now "web', { problem: 'quote' }],
    ['/update auto of web', { problem: 'unexpected' }],
    ['/settings --backup off', { problem: 'unknown_flag' }],
  ])('%s', (text, data) => {
    expect(refusal(text)).toMatchObject({ code: 'bad_arguments', data });
  });

  test('a text that is too long', () => {
    expect(refusal(`/update now ${'x'.repeat(3_000)}`)).toMatchObject({ data: { problem: 'too_long' } });
  });

  test('an id of something else', () => {
    expect(refusal('/update cancel u-!!')).toMatchObject({ code: 'unknown_update' });
  });
});

test('every example of a declaration is understood as that command', () => {
  const around = surroundings(['web', 'hello', 'hub', 'agent'], 'web');
  for (const command of COMMANDS) {
    for (const example of command.examples) expect(read(example.text, around)[0]).toBe(command.name);
    for (const { say, args } of command.phrases) {
      // Alone, it is the command of that name; as a phrase it is for `update web`.
      if (COMMANDS.some(({ name }) => name === say) || say === '日志') continue;
      const meant = parse(say, around);
      if ('choices' in meant) expect(meant.choices).toContain(`/${command.name}${args}`);
      else expect(meant.command.name).toBe(command.name);
    }
    expect(usage(command)).toMatch(new RegExp(`^/${command.name}`));
  }
});

test('anything at all is either understood or refused by a code', () => {
  let seed = 20_260_703;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed % below;
  };
  const pieces = [
    '/update',
    'now',
    'check',
    'web',
    '@',
    '--',
    '-',
    '—',
    '"',
    '“',
    '”',
    "'",
    '=',
    ' ',
    '\u3000',
    '\n',
    '\0',
    '\u202e',
    '1.2.3',
    'u-7k2m',
    'hello',
    '开',
    '／',
    '检查更新',
    '__proto__',
    'constructor',
    'toString',
    '👩‍👩‍👧',
    '\ud800',
    'é',
    '%00',
    '\\',
    '--force',
    '--limit',
    'on',
    'all',
    '/',
  ];
  for (let i = 0; i < 20_000; i += 1) {
    let text = '';
    for (let n = random(12); n >= 0; n -= 1) {
      text += random(4) === 0 ? String.fromCharCode(random(0x10000)) : (pieces[random(pieces.length)] ?? '');
      if (random(2) === 0) text += ' ';
    }
    try {
      parse(text, surroundings());
    } catch (error) {
      if (!(error instanceof FettleError)) throw new Error(`${JSON.stringify(text)}: ${String(error)}`);
    }
  }
});

test.each([
  ['/update now web on robot-7', { app: 'web', on: 'robot-7' }],
  ['/update now on site=lab web@1.4.2 --force', { app: 'web', version: '1.4.2', on: 'site=lab', force: true }],
  ['/update rollback web on all', { app: 'web', on: 'all' }],
  ['/device enroll --label site=lab --label rack=2 --count 3 pi', { name: 'pi', label: 'site=lab,rack=2', count: '3' }],
])('devices are named: %s', (text, raw) => {
  expect(read(text)[1]).toMatchObject(raw);
});
