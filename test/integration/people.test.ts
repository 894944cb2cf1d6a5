import { describe, expect, test } from 'vitest';
import {
  answerTo,
  ask,
  audit,
  chats,
  claim,
  claimCode,
  device,
  HOUR,
  hub,
  MINUTE,
  pass,
  shownIn,
  source,
  start,
  stop,
  tell,
  usePeopleHub,
} from '../support/people-hub.ts';
import { releaseOf } from '../support/simulated-device.ts';

/** Who may do what, on a real store, through the real router and commands; three chats in memory, time simulated. */

usePeopleHub();

const WRONG = '/admin claim 2222-2222';
const actions = async () => (await audit()).map(({ action }) => action);
const titles = (platform: Parameters<typeof shownIn>[0], chat?: string) => shownIn(platform, chat).map((r) => r.title);

describe('a claim', () => {
  test('makes an admin; a second one is told to the first, once', async () => {
    await start();
    expect((await ask('telegram:11', '/update')).title).toBe('Hello');
    expect((await claim('telegram:11', 'Ann')).title).toBe('You are an admin of this hub now');
    expect(titles('terminal')).toEqual(['Ann is an admin of this hub now']);
    expect((await ask('telegram:11', '/admin list')).table?.rows[0]?.slice(1)).toEqual([
      'admin',
      'telegram:11',
      'just now',
    ]);
    expect((await claim('discord:bob', 'Bob')).text).toEqual(['Every other admin is told.']);
    expect(titles('telegram', 'dm-11').filter((title) => title.includes('Bob'))).toEqual([
      'Bob is an admin of this hub now',
    ]);
    expect((await audit()).map(({ action, by, after }) => [action, by, after])).toEqual([
      ['claim', 'telegram:11', 'first'],
      ['claim', 'discord:bob', 'admin'],
    ]);
  });

  test('a wrong one is refused with what is left; after five, the right one too', async () => {
    await start();
    const code = await claimCode();
    const told = [];
    for (let i = 0; i < 5; i += 1) told.push((await ask(`telegram:mal${i}`, WRONG)).title);
    expect(told).toEqual([
      'That is not the claim code. 4 tries are left.',
      'That is not the claim code. 3 tries are left.',
      'That is not the claim code. 2 tries are left.',
      'That is not the claim code. One try is left.',
      'That is not the claim code, and it was the last try.',
    ]);
    const sixth = await ask('telegram:11', `/admin claim ${code}`);
    expect(sixth.title).toBe('Too many wrong tries: the claim code is worth nothing any more.');
    expect(sixth.text?.join()).toContain('fettle claim');
    expect(await hub.people.claimed()).toBe(false);
    expect((await claim('telegram:11')).tone).toBe('good');
  });

  test('late, used, replaced, absent: each with its reason', async () => {
    await start();
    const none = await ask('telegram:11', WRONG);
    expect(none.title).toBe('No claim code is good now.');
    expect(none.text?.join()).toContain('`fettle claim`');
    const late = await claimCode();
    await pass(10 * MINUTE);
    expect((await ask('telegram:11', `/admin claim ${late}`)).title).toContain('too old');
    const replaced = await claimCode();
    const good = await claimCode();
    expect((await ask('telegram:11', `/admin claim ${replaced}`)).title).toContain('not the claim code');
    expect((await ask('telegram:11', `/admin claim ${good.toUpperCase().replace('-', ' ')}`)).tone).toBe('good');
    expect((await ask('telegram:eve', `/admin claim ${good}`)).title).toContain('used already');
    const missing = await ask('telegram:eve', '/admin claim');
    expect([missing.tone, missing.title]).toEqual(['warn', 'The claim code is missing: /admin claim CODE']);
    expect(missing.text?.join()).toContain("`fettle claim` on the hub's machine prints one");
    const chinese = await ask('telegram:eve', '/admin claim', { locale: 'zh' });
    expect(chinese.title).toBe('缺少认领码：/admin claim 认领码');
    expect(await actions()).toEqual(['claim']);
  });

  test('is good to the last second of its ten minutes', async () => {
    await start();
    const code = await claimCode();
    await pass(10 * MINUTE - 1_000);
    expect((await ask('telegram:11', `/admin claim ${code}`)).tone).toBe('good');
  });

  test('in a group: refused, and the code is burnt; the admins hear of it', async () => {
    await start();
    const code = await claimCode();
    const group = await ask('telegram:11', `/admin claim ${code}`, { group: 'lab' });
    expect(group.title).toContain('in a direct message only');
    expect((await ask('telegram:11', `/admin claim ${code}`)).title).toContain('where others read it');
    expect(await hub.people.claimed()).toBe(false);
    expect(titles('terminal')).toEqual(['11 showed a code to a group']);
    expect(await actions()).toEqual(['claim-burnt']);
    // A wrong one says the same there, and burns nothing.
    const next = await claimCode();
    expect((await ask('telegram:mal', WRONG, { group: 'lab' })).title).toBe(group.title);
    expect((await ask('telegram:11', `/admin claim ${next}`)).tone).toBe('good');
  });

  test('an event that is told again after a restart claims once, and answers the same', async () => {
    await start();
    const code = await claimCode();
    const event = await tell('telegram:11', `/admin claim ${code}`);
    await stop();
    await start();
    await pass(1_000);
    expect(answerTo(event)?.tone).toBe('good');
    expect(await actions()).toEqual(['claim']);
    // As if the hub had died between the change and its answer.
    await hub.store.db.deleteFrom('inbox').execute();
    await hub.store.db.deleteFrom('outbox').where('answers', '=', event.eventId).execute();
    const again = await ask('telegram:11', `/admin claim ${code}`, { eventId: event.eventId });
    expect(again.title).toBe('You are an admin of this hub now');
    expect(await actions()).toEqual(['claim']);
  });

  test('is not readable in the database', async () => {
    await start();
    const code = await claimCode();
    const rows = JSON.stringify(await hub.store.db.selectFrom('person_codes').selectAll().execute());
    expect(rows).not.toContain(code);
    expect(rows).not.toContain(code.replace('-', ''));
  });
});

describe('a stranger', () => {
  test('is told once an hour how to be let in, in their language', async () => {
    await start();
    expect((await ask('telegram:eve', 'hello')).text?.join()).toContain('Run `fettle claim`');
    await claim('telegram:11');
    const zh = await ask('telegram:fay', '你好', { locale: 'zh' });
    expect(zh.text?.join()).toContain('/admin add telegram:fay operator');
    const silent = await tell('telegram:fay', '/update now web');
    await pass(2_000);
    expect(answerTo(silent, true)).toBeUndefined();
    await pass(HOUR);
    // A command alone says nothing of a language: it stays the one of before.
    expect((await ask('telegram:fay', '/update')).title).toBe('您好');
  });

  test('who writes in the name of a group is let in as a viewer alone', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    await ask('telegram:11', '/admin add telegram:22 operator', { name: 'Ann' });
    const hello = await ask('telegram:chat-1001', '/update', { name: 'Staff', group: 'staff' });
    expect(hello.text?.join()).toContain('/admin add telegram:chat-1001 viewer');
    for (const role of ['operator', 'admin']) {
      const refused = await ask('telegram:11', `/admin add telegram:chat-1001 ${role}`);
      expect(refused.title).toContain('nobody knows who it is');
    }
    expect((await ask('telegram:11', '/admin add telegram:chat-1001 viewer')).title).toBe('Staff is viewer now');
    const [, , shared] = await hub.people.list();
    for (const who of ['telegram:chat-1001', '@staff', shared?.id])
      expect((await ask('telegram:11', `/admin role ${who} operator`)).title).toContain('nobody knows who it is');
    expect(await hub.people.roleOf('telegram', 'chat-1001')).toBe('viewer');
  });

  test('is found by name, but let in by id alone', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    await tell('telegram:77', 'hi', { name: 'Bob' });
    await pass(500);
    const asked = await ask('telegram:11', '/admin add @bob operator');
    expect(asked.title).toContain('telegram:77');
    expect(asked.buttons).toEqual([
      { label: '/admin add telegram:77 operator', command: '/admin add telegram:77 operator' },
    ]);
    expect(await hub.people.roleOf('telegram', '77')).toBeUndefined();
    expect((await ask('telegram:11', '/admin add telegram:77 operator')).title).toBe('Bob is operator now');
    expect(await hub.people.roleOf('telegram', '77')).toBe('operator');
    // A stranger who takes that name is not mistaken for him.
    await tell('discord:99', 'hi', { name: 'BOB' });
    await pass(500);
    expect((await ask('telegram:11', '/admin role @bob viewer')).title).toBe('Bob: operator → viewer');
    expect((await ask('telegram:11', '/admin add @bob admin')).title).toBe('Several people are called @bob.');
  });
});

describe('roles', () => {
  const team = async () => {
    await start();
    await claim('telegram:11', 'Ann');
    await ask('telegram:11', '/admin add discord:22 operator');
    await ask('telegram:11', '/admin add telegram:33 viewer');
  };

  test('decide what is allowed, at once', async () => {
    await team();
    expect((await ask('telegram:33', '/update')).tone).not.toBe('warn');
    expect((await ask('telegram:33', '/update now web')).title).toContain('needs the role operator');
    expect((await ask('discord:22', '/admin list')).title).toContain('needs the role admin');
    expect((await ask('discord:22', '/admin claim')).tone).toBe('warn');
    await ask('telegram:11', '/admin role telegram:33 admin');
    expect((await ask('telegram:33', '/admin list')).title).toBe('3 people');
    await ask('telegram:11', '/admin remove telegram:33');
    expect((await ask('telegram:33', '/update')).title).toBe('Hello');
    expect(
      (await audit()).filter(({ action }) => action === 'role').map(({ before, after, by }) => [before, after, by]),
    ).toEqual([
      [null, 'operator', 'telegram:11'],
      [null, 'viewer', 'telegram:11'],
      ['viewer', 'admin', 'telegram:11'],
      ['admin', null, 'telegram:11'],
    ]);
  });

  test('changes are told to all admins once, and not to those who are none any more', async () => {
    await team();
    await claim('discord:44', 'Dan');
    await ask('discord:44', '/update');
    await ask('telegram:11', '/admin role telegram:33 operator');
    expect(titles('discord', 'dm-44').filter((title) => title.includes('33'))).toEqual([
      'telegram:33: viewer → operator',
    ]);
    expect(titles('terminal').filter((title) => title.includes('viewer →'))).toHaveLength(1);
    await ask('telegram:11', '/admin remove discord:44');
    await claim('discord:45', 'Eve');
    await ask('telegram:11', '/admin role discord:45 operator');
    const before = shownIn('discord', 'dm-44').length;
    const demoted = shownIn('discord', 'dm-45').length;
    await ask('telegram:11', '/admin role telegram:33 viewer');
    await pass(1_000);
    expect(shownIn('discord', 'dm-44')).toHaveLength(before);
    expect(shownIn('discord', 'dm-45')).toHaveLength(demoted);
  });

  test('the last admin stays one, also for the terminal', async () => {
    await team();
    for (const who of ['telegram:11', 'terminal:local'])
      for (const what of [
        '/admin remove telegram:11',
        '/admin role telegram:11 operator',
        '/admin add telegram:11 viewer',
      ])
        expect((await ask(who, what)).title).toContain('Ann is the last admin in the chats; the terminal');
    await ask('terminal:local', '/admin role discord:22 admin');
    expect((await ask('telegram:11', '/admin role telegram:11 operator')).title).toBe('Ann: admin → operator');
  });

  test('two admins at once: one remains', async () => {
    await team();
    await ask('telegram:11', '/admin role discord:22 admin');
    const [one, two] = [
      await tell('telegram:11', '/admin remove discord:22'),
      await tell('discord:22', '/admin remove telegram:11'),
    ];
    await pass(2_000);
    const tones = [answerTo(one)?.tone, answerTo(two)?.tone].sort();
    expect(tones).toEqual(['good', 'warn']);
    expect((await hub.people.list()).filter(({ role }) => role === 'admin')).toHaveLength(1);
  });

  test('two admins who were both let through at once: the second is looked up again', async () => {
    await team();
    for (const who of ['discord:22', 'telegram:33']) await ask('telegram:11', `/admin role ${who} admin`);
    const asker = (id: string) => ({ who: { id, name: id }, route: { platform: 'telegram', chat: 'x' }, eventId: id });
    const both = await Promise.allSettled([
      hub.people.remove('discord:22', asker('telegram:11')),
      hub.people.setRole('telegram:11', 'viewer', asker('discord:22'), true),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(await hub.people.roleOf('telegram', '11')).toBe('admin');
  });

  test('what is no person is refused', async () => {
    await team();
    for (const who of ['terminal:local', 'telegram:bob', 'discord:<x>', 'feishu:123'])
      expect((await ask('telegram:11', `/admin add "${who}" operator`)).title).toContain('is no person');
    for (const who of ['@nobody', 'p-zzzz', 'telegram:404'])
      expect((await ask('terminal:local', `/admin role ${who} operator`)).title).toContain("I don't know");
    expect((await ask('terminal:local', '/admin add telegram:5')).title).toContain('viewer|operator|admin');
  });

  test('a name is one line, and nothing in it turns text around', async () => {
    await team();
    await ask('discord:22', '/update', { name: ' Ann\n\u202e(admin)\u0000 '.repeat(20) });
    const name = (await hub.people.list()).find(({ accounts }) => accounts[0]?.id === 'discord:22')?.name ?? '';
    expect(name).toMatch(/^Ann \(admin\) Ann/);
    expect(name.length).toBeLessThanOrEqual(80);
    await ask('discord:22', '/update', { name: '\u200b' });
    expect((await hub.people.list()).map((one) => one.name)).toContain('22');
  });

  test('a name is as last seen', async () => {
    await team();
    await ask('discord:22', '/update', { name: 'Bob the Builder' });
    expect((await hub.people.list()).map(({ name }) => name)).toContain('Bob the Builder');
  });
});

test('what is told again after a crash is done once, and answered the same', async () => {
  await start();
  await claim('telegram:11', 'Ann');
  const code = async () => (await ask('telegram:11', '/admin link')).title.slice('Your code: '.length);
  const said: [who: string, text: string][] = [
    ['telegram:11', '/admin add discord:22 operator'],
    ['telegram:11', '/admin role discord:22 viewer'],
    ['telegram:11', '/admin remove discord:22'],
    ['discord:12', `/admin link ${await code()}`],
    ['telegram:11', '/admin unlink discord:12'],
  ];
  for (const [who, text] of said) {
    const event = await tell(who, text);
    await pass(1_000);
    const first = answerTo(event);
    expect(first?.tone).toBe('good');
    const before = [await audit(), await hub.people.list(), titles('terminal')];
    await hub.store.db.deleteFrom('inbox').execute();
    await hub.store.db.deleteFrom('outbox').where('answers', '=', event.eventId).execute();
    for (const chat of [chats.telegram, chats.discord]) chat.shown.length = 0;
    expect(await ask(who, text, { eventId: event.eventId })).toEqual(first);
    expect([await audit(), await hub.people.list(), titles('terminal')]).toEqual(before);
  }
});

test('a stranger may mistype a code, but not try many', async () => {
  await start();
  const sent = [];
  for (let i = 0; i < 12; i += 1) sent.push(await tell('telegram:66', '/admin claim'));
  await pass(5_000);
  expect(sent.filter((event) => answerTo(event) !== undefined)).toHaveLength(7);
});

test("the end of an app's log is for admins where nobody else reads: in no group, whoever asked there", async () => {
  await start();
  await claim('telegram:11', 'Ann');
  await ask('terminal:local', '/admin add discord:22 operator');
  // From now on news goes to that group as well.
  await ask('telegram:11', '/update', { group: 'team' });
  device.verdict = () => ({
    problem: 'health_failed',
    retryable: true,
    own: true,
    log: 'customer 4711 has no address',
  });
  const shown = (platform: Parameters<typeof shownIn>[0], chat: string) =>
    shownIn(platform, chat).filter(({ title }) => /1\.1\.0/.test(title) && title.includes('web'));
  const failed = async (who: string, said = {}) => {
    for (const chat of Object.values(chats)) chat.shown.length = 0;
    await tell(who, '/update now web --force', said);
    await pass(30_000);
  };
  await failed('telegram:11');
  expect(shown('telegram', 'dm-11').at(-1)?.code).toContain('customer 4711');
  await failed('telegram:11', { group: 'team' });
  expect(shown('telegram', 'team').at(-1)).toMatchObject({ tone: 'bad' });
  await failed('discord:22');
  await failed('discord:22', { group: 'lab' });
  await failed('terminal:local');
  expect(shownIn('terminal').at(-1)?.code).toContain('customer 4711');
  // By itself: every admin's chat is told.
  await ask('telegram:11', '/update auto on web');
  for (const chat of Object.values(chats)) chat.shown.length = 0;
  source.releases = [releaseOf('1.2.0'), ...source.releases];
  await ask('telegram:11', '/update check web');
  await pass(10 * MINUTE);
  const told = [...chats.telegram.shown, ...chats.terminal.shown].filter(({ message }) => message.reply.tone === 'bad');
  expect(new Set(told.map(({ message }) => message.route.chat))).toEqual(new Set(['dm-11', 'team', 'terminal']));
  const withLog = told.filter(({ message }) => message.reply.code !== undefined);
  expect(new Set(withLog.map(({ message }) => message.route.chat))).toEqual(new Set(['dm-11', 'terminal']));
  expect(JSON.stringify([chats.discord.shown, shownIn('telegram', 'team')])).not.toContain('customer');
});
