import { describe, expect, test } from 'vitest';
import {
  answerTo,
  ask,
  audit,
  chats,
  claim,
  DAY,
  hub,
  MINUTE,
  pass,
  shownIn,
  start,
  tell,
  usePeopleHub,
} from '../support/people-hub.ts';

/** One person's accounts, joined and parted, through the real router and commands; three chats in memory. */

usePeopleHub();

const titles = (platform: Parameters<typeof shownIn>[0], chat?: string) => shownIn(platform, chat).map((r) => r.title);

describe('joined accounts', () => {
  const codeOf = async (who: string) => {
    const { title } = await ask(who, '/admin link');
    expect(title).toMatch(/^Your code: /);
    return title.slice('Your code: '.length);
  };

  test('are one person, with the role of whoever made the code', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    const joined = await ask('discord:11', `/admin link ${await codeOf('telegram:11')}`);
    expect(joined.title).toBe("This account is Ann's now, admin");
    expect((await ask('discord:11', '/admin list')).title).toBe('1 person');
    expect(titles('terminal')).toContain('Ann joined accounts');
    expect((await audit()).at(-1)).toMatchObject({ action: 'link', by: 'discord:11', before: null, after: 'admin' });
    expect((await ask('discord:11', `/admin link ${await codeOf('telegram:11')}`)).title).toContain('joined already');
  });

  test('a code that was shown is nowhere in the database', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    const code = await codeOf('telegram:11');
    await pass(MINUTE);
    const { db } = hub.store;
    const kept = [
      await db.selectFrom('outbox').selectAll().execute(),
      await db.selectFrom('inbox').selectAll().execute(),
    ];
    expect(JSON.stringify(kept)).toContain('The code was for one reading and is not kept');
    expect(JSON.stringify([...kept, await audit()])).not.toContain(code);
    expect((await ask('discord:11', `/admin link ${code}`)).title).toBe("This account is Ann's now, admin");
  });

  test('raise nobody who made the code, and lower nobody who types it', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    await ask('telegram:11', '/admin add discord:66 viewer');
    const tricked = await ask('telegram:11', `/admin link ${await codeOf('discord:66')}`);
    expect(tricked.title).toBe(
      'You are admin here, and the code was made by somebody who is viewer: joined, you would be viewer.',
    );
    expect(await hub.people.roleOf('discord', '66')).toBe('viewer');
    expect(await hub.people.roleOf('telegram', '11')).toBe('admin');
    // The other way round the holder of the higher role has made the code: it is theirs to give.
    const up = await ask('discord:66', `/admin link ${await codeOf('telegram:11')}`);
    expect(up.text?.[0]).toContain('It was viewer before');
    expect(titles('terminal')).toContain('Ann joined accounts');
  });

  test('codes are taken once, in time, directly, and not for ever', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    expect((await ask('telegram:11', '/admin link', { group: 'lab' })).title).toContain('direct message only');
    const shown = await codeOf('telegram:11');
    expect((await ask('discord:11', `/admin link ${shown}`, { group: 'lab' })).title).toContain('direct message only');
    expect((await ask('discord:11', `/admin link ${shown}`)).title).toContain('where others read it');
    const late = await codeOf('telegram:11');
    await pass(10 * MINUTE);
    expect((await ask('discord:11', `/admin link ${late}`)).title).toContain('too old');
    const code = await codeOf('telegram:11');
    for (let i = 0; i < 5; i += 1) await ask(`discord:9${i}`, '/admin link 2222-2222');
    expect((await ask('discord:11', `/admin link ${code}`)).title).toContain('Too many wrong tries');
    const good = await codeOf('telegram:11');
    expect((await ask('discord:11', `/admin link ${good}`)).tone).toBe('good');
    expect((await ask('discord:12', `/admin link ${good}`)).title).toContain('used already');
    expect((await ask('discord:55', '/admin link')).title).toContain('no role here');
    expect((await ask('terminal:local', '/admin link')).title).toContain("can't be joined");
  });

  test('come apart again: by their person, or by an admin', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    await ask('telegram:11', '/admin add telegram:22 operator');
    await ask('discord:23', `/admin link ${await codeOf('telegram:22')}`);
    expect((await ask('discord:23', '/admin unlink telegram:11')).title).toContain('is not your account');
    expect((await ask('discord:23', '/admin unlink telegram:22')).tone).toBe('good');
    expect(await hub.people.roleOf('telegram', '22')).toBeUndefined();
    expect((await ask('telegram:11', '/admin unlink discord:23')).title).toContain('the only account');
  });

  test('an account that was taken off hears no more news', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    await ask('discord:12', `/admin link ${await codeOf('telegram:11')}`);
    await ask('discord:12', '/update');
    await ask('telegram:11', '/admin add telegram:33 viewer');
    expect(titles('discord', 'dm-12').at(-1)).toContain('telegram:33');
    await ask('telegram:11', '/admin unlink discord:12');
    const before = titles('discord', 'dm-12');
    await ask('telegram:11', '/admin role telegram:33 operator');
    await pass(1_000);
    expect(titles('discord', 'dm-12')).toEqual(before);
    expect(titles('terminal').at(-1)).toContain('viewer → operator');
  });

  test('share one rate, and a burst gets one answer', async () => {
    await start();
    await claim('telegram:11', 'Ann');
    await ask('discord:11', `/admin link ${await codeOf('telegram:11')}`);
    await pass(MINUTE);
    const before = chats.telegram.shown.length + chats.discord.shown.length;
    const sent = [];
    for (let i = 0; i < 8; i += 1) sent.push(await tell('telegram:11', '/help'), await tell('discord:11', '/help'));
    await pass(3_000);
    expect(chats.telegram.shown.length + chats.discord.shown.length - before).toBe(11);
    const refused = sent.flatMap((event) => answerTo(event) ?? []).filter(({ title }) => title.includes('too much'));
    expect(refused).toHaveLength(1);
    await pass(DAY);
    expect((await ask('discord:11', '/help')).tone).toBe('info');
  });
});
