import { describe, expect, test } from 'vitest';
import { MESSAGES } from '../../../src/chat/messages/index.ts';
import { complete } from '../../../src/commands/complete.ts';
import type { CommandResult } from '../../../src/commands/contract.ts';
import { COMMANDS, createCommandTable } from '../../../src/commands/index.ts';
import { PLAN_STEPS } from '../../../src/commands/services.ts';
import type { Role } from '../../../src/domain/app.ts';
import { LANGUAGES, type Language } from '../../../src/domain/reply.ts';
import { timeInWords } from '../../../src/domain/wall-clock.ts';
import { createWorld, type World } from '../../support/services.ts';

let counter = 0;

async function run(
  world: World,
  text: string,
  options: { language?: Language; role?: Role; direct?: boolean } = {},
): Promise<CommandResult> {
  const { language = 'en', role = 'admin', direct = true } = options;
  const meaning = await createCommandTable({ commands: COMMANDS, services: world.services }).interpret(text);
  if (!meaning.ok) throw meaning.error;
  counter += 1;
  return meaning.run({
    who: { id: 'terminal:local', name: 'local' },
    role,
    route: { platform: 'terminal', chat: 'terminal' },
    direct,
    eventId: `e-${counter}`,
    language,
    words: MESSAGES[language],
    now: Date.now(),
    signal: AbortSignal.timeout(5_000),
  });
}

async function reply(world: World, text: string, options: { language?: Language; role?: Role; direct?: boolean } = {}) {
  const result = await run(world, text, options);
  if (!('reply' in result)) throw new Error('deferred');
  return result.reply;
}

test('declarations are whole: both languages, examples, unique names', () => {
  const names = COMMANDS.flatMap((command) => [command.name, ...command.aliases]);
  expect(new Set(names).size).toBe(names.length);
  for (const command of COMMANDS) {
    expect(command.examples.length).toBeGreaterThan(0);
    for (const language of LANGUAGES) {
      expect(command.help[language].length).toBeGreaterThan(3);
      for (const one of command.arguments) expect(one.help[language].length).toBeGreaterThan(1);
    }
  }
  expect(COMMANDS[0]?.name).toBe('update');
  expect(COMMANDS.at(-1)?.name).toBe('help');
});

test('two commands of one name are refused at start', () => {
  const world = createWorld();
  expect(() => createCommandTable({ commands: [...COMMANDS, ...COMMANDS], services: world.services })).toThrow(
    /update/,
  );
});

describe.each(LANGUAGES)('in %s', (language) => {
  test.each([
    '/update',
    '/update check web',
    '/update status',
    '/update status web',
    '/update history',
    '/help',
    '/help now',
    '/update logs web',
  ])('%s answers at once', async (text) => {
    const answer = await reply(createWorld(), text, { language });
    expect(answer.title).not.toBe('');
    expect(JSON.stringify(answer)).not.toMatch(/undefined|\[object|NaN/);
  });

  test('a dry run tells each step and changes nothing', async () => {
    const world = createWorld();
    const answer = await reply(world, '/update now web --dry-run', { language });
    expect(answer.title).toContain('web 2.0.2 → 3.0.1');
    expect(answer.text).toHaveLength(PLAN_STEPS.length - 3 + 1);
    expect(JSON.stringify(answer)).not.toMatch(/undefined|\[object|NaN/);
    expect(world.updates.size).toBe(0);
  });
});

test('/update offers what is new', async () => {
  const answer = await reply(createWorld(), '/update');
  expect(answer.table?.rows[0]).toEqual(['web', '2.0.2', '3.0.1', 'off', 'none yet']);
  expect(answer.buttons?.[0]).toMatchObject({ command: '/update now web' });
});

test('/update check says what is new, or that it is the latest', async () => {
  const world = createWorld();
  const newer = await reply(world, '/update check web');
  expect(newer.title).toBe('web 3.0.1 is available');
  expect(newer.text).toEqual(['What is new in 3.0.1.']);
  expect(newer.fields).toContainEqual({ name: 'size', value: '8.1 MB' });
  world.running.set('web', '3.0.1');
  expect((await reply(world, '/update check web')).title).toBe('web is at the latest version, 3.0.1');
});

test('/update now answers with its update; a second one is told who began the first', async () => {
  const world = createWorld();
  const result = await run(world, '/update now web');
  expect(result).toEqual({ deferred: expect.stringMatching(/^u-/) });
  await expect(run(world, '/update now web')).rejects.toMatchObject({ code: 'in_progress', data: { who: 'local' } });
  world.stop();
});

test('/update now with an unknown version names the newest', async () => {
  await expect(run(createWorld(), '/update now web@9.9.9')).rejects.toMatchObject({
    code: 'unknown_version',
    data: { newest: ['3.0.1', '3.0.0', '2.0.2', '2.0.1', '1.9.0'] },
  });
});

test("an app's own log is for admins", async () => {
  const world = createWorld();
  await expect(run(world, '/update logs web', { role: 'operator' })).rejects.toMatchObject({ code: 'not_allowed' });
  expect((await reply(world, '/update logs web')).code).toBe('a line\nanother line');
});

test('/help shows a person only what they may do', async () => {
  const world = createWorld();
  const rows = (await reply(world, '/help all', { role: 'viewer' })).table?.rows.map(([command]) => command) ?? [];
  expect(rows).toContain('/update check [app]');
  expect(rows.join(' ')).not.toContain('/update now');
});

test('the placeholders of /help are Chinese for whoever reads Chinese; what is typed as it is stays', async () => {
  const { table } = await reply(createWorld(), '/help all', { language: 'zh' });
  const written = table?.rows.map(([command]) => command) ?? [];
  expect(written).toContain('/admin add 人员 viewer|operator|admin');
  expect(written).toContain('/admin unlink 账号');
  expect(written.some((one) => one?.startsWith('/update restore [应用/]N'))).toBe(true);
  // A number, and nothing else: `N`.
  expect(written.join(' ').match(/\b[A-Z]{2,}\b|\[@?[a-z]+\]/g)).toBeNull();
  const one = await reply(createWorld(), '/help admin add', { language: 'zh' });
  expect([one.title, one.fields?.[0]?.name]).toEqual(['/admin add 人员 viewer|operator|admin', '人员']);
});

test('/admin alone lists what of it a person may do', async () => {
  const commands = async (text: string, role: Role) =>
    (await reply(createWorld(), text, { role })).table?.rows.map(([command]) => command?.split(' [')[0]);
  expect(await commands('/admin', 'viewer')).toEqual(['/admin claim', '/admin link', '/admin unlink ACCOUNT']);
  expect(await commands('/admin', 'admin')).toContain('/admin list');
  expect(await commands('/help admin', 'admin')).toEqual(await commands('/admin', 'admin'));
});

describe('what is not clear is asked, and nothing is run', () => {
  const buttons = async (text: string, options: { language?: Language; role?: Role } = {}) => {
    const world = createWorld({ defaultApp: 'web' });
    const { title, buttons } = await reply(world, text, options);
    expect(world.calls).toEqual({ check: 0, request: 0 });
    return [title, ...(buttons ?? []).map(({ label, command }) => `${label} = ${command}`)];
  };

  test('a phrase that may mean two things', async () => {
    expect(await buttons('编译重启 web', { language: 'zh' })).toEqual([
      '“编译重启 web”是指哪一个？',
      '更新 web = /update now web',
      '重启 web = /update restart web',
    ]);
    await expect(buttons('编译重启', { role: 'viewer' })).rejects.toMatchObject({ code: 'not_allowed' });
  });

  test('a question about something that changes things', async () => {
    expect(await buttons('restart?')).toEqual(['“restart?”: shall I do it?', 'Restart = /update restart']);
  });

  test('a sentence: what occurs in it, and the usual things that this person may do', async () => {
    expect(await buttons('不要重启', { language: 'zh' })).toEqual([
      '我没明白您的意思。',
      '重启 = /update restart',
      '检查更新 = /update check',
      '状态 = /update status',
      '帮助 = /help',
    ]);
    expect((await buttons('what is the weather', { role: 'viewer' })).slice(1)).toEqual([
      'Check for updates = /update check',
      'Status = /update status',
      'Help = /help',
    ]);
  });

  test('a mention without a word is answered, and is no failure', async () => {
    const result = await run(createWorld(), '  ');
    expect(result).toMatchObject({ reply: { title: 'What shall I do?' }, failed: false });
    expect(await run(createWorld(), 'what is the weather')).toMatchObject({ failed: true });
  });

  test('what the configuration says counts, and may be ambiguous too', async () => {
    const world = createWorld();
    const phrases = { 发布: '/update check web', 日志: ['/update history', '/update status'], 坏了: '/update foo' };
    const table = createCommandTable({ commands: COMMANDS, services: world.services, phrases });
    expect(await table.interpret('请发布一下！')).toMatchObject({ ok: true, name: 'update check' });
    expect(await table.interpret('日志')).toMatchObject({ ok: true, name: 'which one' });
    expect(await table.interpret('坏了')).toMatchObject({ ok: false, error: { code: 'unknown_command' } });
  });
});

describe('/update status', () => {
  const at = Date.now();
  const withChats = (world: World, chats: ReturnType<World['services']['adapters']>) => ({
    ...world,
    services: { ...world.services, adapters: () => chats },
  });
  const status = async (world: World, language: Language = 'en', of = '') =>
    (await reply(world, `/update status ${of}`, { language })).fields?.map(({ name, value }) => `${name}: ${value}`);

  test('every configured chat: how it is, since when, and what to do about it', async () => {
    const problem = { code: 'chat_intents_missing', data: { where: 'the developer portal' } } as const;
    const world = withChats(createWorld(), [
      { platform: 'terminal', state: 'unattended', since: at, own: true },
      { platform: 'feishu', state: 'connected', since: at },
      { platform: 'discord', state: 'failed', since: at, problem },
      { platform: 'telegram', state: 'connecting', since: at, lastError: 'ECONNRESET' },
    ]);
    const dumb = {
      code: 'chat_permission_missing',
      data: { what: 'send messages', permissions: ['im:send'] },
    } as const;
    const other = withChats(createWorld(), [{ platform: 'feishu', state: 'connected', since: at, problem: dumb }]);
    expect((await status(other))?.[0]).toContain('Feishu does not let the bot send messages. Give it: im:send.');
    await world.services.preferences.set('timezone', 'Asia/Shanghai', {
      who: { id: 'a', name: 'a' },
      route: { platform: 'terminal', chat: 't' },
      eventId: 'e',
    });
    const time = timeInWords(at, Date.now(), 'Asia/Shanghai');
    expect(await status(world)).toEqual([
      `Feishu: connected since ${time}`,
      `Discord: failed since ${time}. Discord refuses the events that Fettle asks for. Allow them at the developer portal, then /update restart hub.`,
      `Telegram: connecting since ${time} (ECONNRESET)`,
    ]);
    expect((await status(world, 'zh'))?.[1]).toBe(
      `Discord: 自 ${time} 起失败。Discord 拒绝了 Fettle 订阅的事件。请在 the developer portal 允许这些事件，然后 /update restart hub。`,
    );
    expect((await reply(world, '/update status')).tone).toBe('warn');
  });

  test('an update that was announced: which, and when it begins; a withdrawn one: why', async () => {
    const world = createWorld();
    const { services } = world;
    await services.request(
      { kind: 'update', app: 'web', eventId: 'x', who: { id: 'fettle', name: 'Fettle' } } as never,
      AbortSignal.timeout(1_000),
    );
    const [update] = [...world.updates.values()];
    if (!update) throw new Error('no update');
    world.stop();
    const beginsAt = Date.now() + 40_000;
    world.updates.set(update.id, { ...update, state: 'announced', beginsAt });
    const time = timeInWords(beginsAt, Date.now(), 'UTC');
    expect(await status(world)).toContain(`${update.id}: web 2.0.2 → 3.0.1: begins by itself at ${time} (in 40 s)`);
    expect((await status(world, 'en', 'web'))?.join('\n')).toContain(`2.0.2 → 3.0.1, begins by itself at ${time}`);
    expect((await status(world, 'zh', update.id))?.[0]).toBe(`状态: 将于 ${time} 自动开始（40 秒后）`);
    const note = { code: 'cancelled', data: { reason: 'pinned' }, retryable: false };
    world.updates.set(update.id, { ...update, state: 'cancelled', note, endedAt: Date.now() });
    expect((await status(world, 'en', update.id))?.[0]).toBe('state: cancelled: It was pinned meanwhile');
    expect((await status(world, 'zh', 'web'))?.join('\n')).toContain('已取消：期间它已被固定版本');
  });
});

test('the first screen of /help fits a phone: what to say and to type, in the language of whoever asks', async () => {
  const { table, buttons } = await reply(createWorld(), '/help', { language: 'zh' });
  expect(table?.rows.slice(0, 2)).toEqual([
    ['检查更新', '/update check [应用]'],
    ['更新', '/update now [应用][@版本] [on 设备]'],
  ]);
  expect(table?.rows.length).toBeLessThan(9);
  expect(buttons?.at(-1)).toEqual({ label: '全部命令', command: '/help all' });
  const viewer = await reply(createWorld(), '/help', { role: 'viewer' });
  expect(viewer.table?.rows.map(([say]) => say)).toEqual(['check for updates', 'status']);
  // Nobody has to be mentioned where nobody else is.
  expect(viewer.hints).toHaveLength(1);
  const group = await reply(createWorld(), '/help', { direct: false });
  expect(group.hints?.[0]).toBe('In a group, mention me first.');
});

describe('completion', () => {
  const world = createWorld();
  const completions = (text: string) => complete(text, COMMANDS, world.services);
  test.each([
    ['/upd', '/update'],
    ['upd', '/update'],
    ['/update', '/update check'],
    ['/update sta', '/update status'],
    ['/update now ', '/update now hello'],
    ['/update now w', '/update now web'],
    ['/update now web ', '/update now web 3.0.1'],
    ['/update now web@3', '/update now web@3.0.1'],
    ['/update now web --d', '/update now web --dry-run'],
    ['/update auto m', '/update auto minor'],
    ['/settings ', '/settings interval'],
    ['/settings def', '/settings default-app'],
    ['/update status this', '/update status this-machine'],
  ])('%s', async (text, expected) => {
    expect(await completions(text)).toContain(expected);
  });

  test('a flag that is there is not offered again', async () => {
    expect(await completions('/update now web --force ')).not.toContain('/update now web --force --force');
  });
});

test('/update backups lists them, and which is of what runs', async () => {
  const card = await reply(createWorld(), '/update backups web');
  expect(card.title).toBe('Backups of web');
  expect(card.table?.rows).toEqual([
    ['web/4', '1 day ago', 'before a restore of web/2', '21 B', '1'],
    ['web/3', '2 days ago', 'before 2.0.2 → 3.0.1 (3.0.1 runs now)', '21 B', '1'],
  ]);
  expect((await reply(createWorld(), '/update backups')).table?.rows).toHaveLength(4);
  const none = createWorld({ apps: [] });
  expect((await reply(none, '/update backups')).text?.[0]).toMatch(/None yet/);
});

test('/update restore names its backup with or without the app', async () => {
  for (const text of ['/update restore web/3', '/update restore web 3', '/update restore 3 web', '恢复备份 web/#3']) {
    const world = createWorld();
    const result = await run(world, text);
    expect(result).toEqual({ deferred: expect.stringMatching(/^u-/) });
    expect([...world.updates.values()][0]).toMatchObject({ kind: 'restore', app: 'web' });
    world.stop();
  }
  const one = createWorld({ apps: ['web'] });
  expect(await run(one, '/update restore 3')).toHaveProperty('deferred');
  one.stop();
  await expect(run(createWorld(), '/update restore 3')).rejects.toMatchObject({
    code: 'app_needed',
    data: { try: ['/update restore web/3', '/update restore hello/3'] },
  });
  await expect(run(createWorld(), '/update restore wbe/3')).rejects.toMatchObject({ code: 'unknown_app' });
  await expect(run(createWorld(), '/update restore web/0')).rejects.toMatchObject({ code: 'bad_arguments' });
  await expect(run(createWorld(), '/update restore web/three')).rejects.toMatchObject({ code: 'bad_arguments' });
});
