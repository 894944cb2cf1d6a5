import { describe, expect, test } from 'vitest';
import { MESSAGES } from '../../../src/chat/messages/index.ts';
import { renderError } from '../../../src/chat/render-error.ts';
import { COMMANDS, createCommandTable } from '../../../src/commands/index.ts';
import type { Role } from '../../../src/domain/app.ts';
import { FettleError } from '../../../src/domain/errors.ts';
import { LANGUAGES, type Language, type Reply } from '../../../src/domain/reply.ts';
import { SETTING_KEYS } from '../../../src/domain/setting-texts.ts';
import { createWorld, type World } from '../../support/services.ts';

/** Settings, automatic updates, held versions and skipped releases, as they are asked for and shown. */

let counter = 0;

/** The answer as a person sees it: a refusal is one too. */
async function say(
  world: World,
  text: string,
  options: { language?: Language; role?: Role } = {},
): Promise<Reply & { code?: string | undefined }> {
  const { language = 'en', role = 'admin' } = options;
  const words = MESSAGES[language];
  try {
    const meaning = await createCommandTable({ commands: COMMANDS, services: world.services }).interpret(text);
    if (!meaning.ok) throw meaning.error;
    counter += 1;
    const result = await meaning.run({
      who: { id: 'terminal:local', name: 'local' },
      role,
      route: { platform: 'terminal', chat: 'terminal' },
      direct: true,
      eventId: `e-${counter}`,
      language,
      words,
      now: Date.now(),
      signal: AbortSignal.timeout(5_000),
    });
    if (!('reply' in result)) throw new Error('deferred');
    return result.reply;
  } catch (error) {
    if (!(error instanceof FettleError)) throw error;
    return { ...renderError(error, words, Date.now()).reply, code: error.code };
  }
}

const flat = (reply: Reply) => JSON.stringify(reply);

describe.each(LANGUAGES)('in %s', (language) => {
  test.each([
    ...['/settings', '/settings interval', '/settings interval 12h', '/settings interval default', '/settings nope'],
    ...[
      '/settings interval 5m',
      '/settings backup off',
      '/update auto web',
      '/update auto on web',
      '/update auto minor web',
    ],
    ...['/update pin web', '/update unpin web', '/update skip web', '/update skip web@3.0.0', '/update pin web@3.0.0'],
  ])('%s answers in that language, with nothing missing', async (text) => {
    const answer = await say(createWorld(), text, { language });
    expect(flat(answer)).not.toMatch(/undefined|\[object|NaN/);
    expect(/\p{Script=Han}/u.test(answer.title + flat(answer))).toBe(language === 'zh');
  });
});

describe('/settings', () => {
  test('lists every setting, its value and where it comes from', async () => {
    const world = createWorld();
    await say(world, '/settings grace 0');
    const rows = (await say(world, '/settings')).table?.rows ?? [];
    expect(rows.map(([key]) => key)).toEqual(SETTING_KEYS);
    expect(rows.find(([key]) => key === 'grace')?.slice(1, 3)).toEqual(['0s', 'local, just now']);
    expect(rows.find(([key]) => key === 'interval')?.slice(1, 3)).toEqual(['24h', 'default']);
  });

  test('says old and new; the same again is said to be so; default takes it back', async () => {
    const world = createWorld();
    expect((await say(world, '/settings interval 0 3 * * *')).title).toBe('interval: 24h → 0 3 * * *');
    expect((await say(world, '/settings interval "0 3 * * *"')).title).toBe('interval is 0 3 * * * already');
    expect((await say(world, '/settings interval DEFAULT')).title).toBe('interval: 0 3 * * * → 24h');
    expect((await say(world, '/settings interval default')).title).toBe('interval is 24h, as it is without a setting');
  });

  test('Chinese names and values', async () => {
    const world = createWorld();
    expect((await say(world, '设置 免打扰 ２３：００－０７：００', { language: 'zh' })).title).toBe(
      'quiet：off → 23:00-07:00',
    );
    expect((await say(world, '/settings digest＝９：００')).title).toBe('digest: off → 09:00');
    expect((await say(world, '/settings 备份 关', { language: 'zh' })).tone).toBe('warn');
    expect(world.services.preferences.current()).toMatchObject({ quiet: { from: 1_380, to: 420 }, backup: false });
  });

  test('a bad value names key, value and what was expected; nothing is changed', async () => {
    const world = createWorld();
    const answer = await say(world, '/settings grace -5s');
    expect(answer).toMatchObject({ code: 'bad_setting', title: '“-5s” is no value for grace.' });
    expect(answer.text?.[0]).toMatch(/Expected a duration from 0s to 1h.*Nothing was changed/);
    expect(world.services.preferences.current().grace).toBe(30_000);
  });

  test('an unknown key: the nearest, as a button that keeps the value', async () => {
    expect(await say(createWorld(), '/settings intervall 12h')).toMatchObject({
      code: 'unknown_setting',
      text: ['Did you mean interval?'],
      buttons: [{ command: '/settings interval 12h' }],
    });
    expect((await say(createWorld(), '/settings defaultap web')).buttons?.[0]?.command).toBe(
      '/settings defaultApp web',
    );
    expect((await say(createWorld(), '/settings __proto__ 1')).code).toBe('unknown_setting');
  });

  test('the default app counts for the next command', async () => {
    const world = createWorld();
    expect((await say(world, '/update check')).code).toBe('app_needed');
    await say(world, '/settings default-app hello');
    expect((await say(world, '/update check')).title).toContain('hello');
  });

  test('is for admins', async () => {
    const meaning = await createCommandTable({ commands: COMMANDS, services: createWorld().services }).interpret(
      '/settings',
    );
    expect(meaning.ok && meaning.role).toBe('admin');
  });
});

describe('/update auto', () => {
  test('on: what will happen, with the settings as they are', async () => {
    const world = createWorld();
    await say(world, '/settings quiet 23:00-07:00');
    await say(world, '/settings timezone Asia/Shanghai');
    const answer = await say(world, '/update auto on web');
    expect(answer.title).toBe('Automatic updates of web: on');
    expect(answer.text).toEqual([
      'Its source is asked every 24h. A new release is announced, and its update begins 30 s later, unless somebody cancels it; not between 23:00 and 07:00 (Asia/Shanghai).',
    ]);
    await say(world, '/settings grace 0');
    expect((await say(world, '/update auto on web')).title).toBe('Automatic updates of web: on already');
    expect((await say(world, '/update auto web')).text?.[0]).toContain('begins at once');
    expect((await say(world, '/update auto web')).tone).toBe('info');
  });

  test('minor: says what counts as a major version, also before 1.0.0', async () => {
    const world = createWorld();
    expect((await say(world, '/update auto minor web')).text).toContain(
      'A new major version, such as 3.0.0, is left to a person.',
    );
    world.running.set('web', '0.3.7');
    expect((await say(world, '/update auto minor web')).text?.join(' ')).toContain('0.3.7 → 0.4.0 is left to a person');
  });

  test('a held app: nothing will happen', async () => {
    const world = createWorld();
    await say(world, '/update pin web');
    expect((await say(world, '/update auto on web')).text?.join(' ')).toContain('held at 2.0.2');
  });

  test('a typo of the mode is not taken for an app', async () => {
    expect(await say(createWorld(), '/update auto of web')).toMatchObject({ code: 'bad_arguments' });
  });
});

describe('pin, unpin, skip', () => {
  test('say what they mean and how to undo them, and are safe to repeat', async () => {
    const world = createWorld();
    expect(await say(world, '/update pin web')).toMatchObject({
      title: 'web is held at 2.0.2',
      hints: ['/update unpin web'],
    });
    expect((await say(world, '/update pin web')).title).toBe('web is held at 2.0.2 already');
    expect(await say(world, '/update pin web@3.0.0')).toMatchObject({
      text: expect.arrayContaining(['It runs 2.0.2; nothing was changed about that.', 'Before, it was held at 2.0.2.']),
      hints: ['/update now web@3.0.0', '/update unpin web'],
    });
    expect((await say(world, '/update unpin web')).title).toBe('web is no longer held at 3.0.0');
    expect((await say(world, '/update unpin web')).title).toBe('web is not held at any version');
    expect(await say(world, '/update skip web')).toMatchObject({
      title: 'web 3.0.1 is skipped',
      hints: [expect.stringContaining('/update now web@3.0.1')],
    });
    expect((await say(world, '/update skip web@3.0.1')).title).toBe('web 3.0.1 is skipped already');
  });
});

describe('what is shown', () => {
  const row = async (world: World) => (await say(world, '/update')).table?.rows[0];
  const offered = async (world: World) => (await say(world, '/update')).buttons?.map(({ command }) => command) ?? [];

  test('/update: auto, pinned, skipped, and nothing that would be refused is offered', async () => {
    const world = createWorld();
    await say(world, '/update auto minor web');
    expect((await row(world))?.slice(2, 4)).toEqual(['3.0.1', 'minor']);
    expect(await offered(world)).toContain('/update now web');
    await say(world, '/update pin web');
    expect((await row(world))?.[3]).toBe('pinned 2.0.2');
    expect(await offered(world)).not.toContain('/update now web');
    await say(world, '/update unpin web');
    await say(world, '/update skip web@3.0.1');
    expect((await row(world))?.[2]).toBe('3.0.0, 3.0.1 skipped');
    await say(world, '/update skip web@3.0.0');
    expect((await row(world))?.[2]).toBe('3.0.1 skipped');
    expect(await offered(world)).not.toContain('/update now web');
  });

  test('/update: a release that failed here is not suggested', async () => {
    const world = createWorld();
    world.blocked.push('3.0.1');
    expect((await row(world))?.[2]).toBe('3.0.1 failed here');
    expect(await offered(world)).not.toContain('/update now web');
  });

  test('/update check: buttons to update and to skip', async () => {
    expect((await say(createWorld(), '/update check web')).buttons).toMatchObject([
      { label: 'Update', command: '/update now web' },
      { label: 'Skip this version', command: '/update skip web@3.0.1' },
    ]);
  });

  test('/update check: skipped, pinned, failed', async () => {
    const world = createWorld();
    world.blocked.push('3.0.1');
    expect((await say(world, '/update check web')).buttons?.[0]?.command).toBe('/update now web@3.0.1 --force');
    await say(world, '/update skip web@3.0.1');
    const next = await say(world, '/update check web');
    expect(next.title).toBe('web 3.0.0 is available');
    expect(next.text).toContain('3.0.1 is skipped. /update now web@3.0.1 takes it all the same.');
    await say(world, '/update skip web@3.0.0');
    const none = await say(world, '/update check web');
    expect(none.title).toBe('web is at its latest version, 2.0.2, but for 3.0.1, which is skipped');
    expect(none.buttons).toBeUndefined();
    await say(world, '/update pin hello');
    const held = await say(world, '/update check hello');
    expect(held.text).toContain('hello is held at 1.0.0. /update unpin hello lets it go.');
    expect(held.buttons?.[0]?.command).toBe('/update unpin hello');
  });

  test('/update status: auto and pin, who pinned it, what is skipped', async () => {
    const world = createWorld();
    await say(world, '/update pin web');
    await say(world, '/update skip web@3.0.1');
    const { fields } = await say(world, '/update status web');
    expect(fields).toContainEqual({ name: 'auto', value: 'off' });
    expect(fields).toContainEqual({ name: 'held at', value: '2.0.2 (by local)' });
    expect(fields).toContainEqual({ name: 'skipped', value: '3.0.1' });
  });

  test('an offer that has expired is said to have', async () => {
    const world = createWorld();
    world.warning = { code: 'source_expired', data: { source: 'feed x', expiredAt: '2026-01-01T00:00:00.000Z' } };
    const said = /feed x says has expired/;
    expect((await say(world, '/update check web')).text?.join(' ')).toMatch(said);
    expect(flat(await say(world, '/update status web'))).toMatch(said);
    expect((await say(world, '/update auto on web')).text?.join(' ')).toMatch(said);
    world.running.set('web', '3.0.1');
    expect((await say(world, '/update check web')).text?.join(' ')).toMatch(said);
  });
});
