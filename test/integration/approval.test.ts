import { describe, expect, test, vi } from 'vitest';
import { storeEvent } from '../../src/store/inbox.ts';
import { ANN, actions, asked, BOB, idOf, question, state, team } from '../support/approval-team.ts';
import {
  answerTo,
  ask,
  audit,
  chats,
  claim,
  DAY,
  device,
  eventOf,
  finals,
  HOUR,
  hub,
  MINUTE,
  pass,
  SECOND,
  shownIn,
  source,
  start,
  stop,
  tell,
  updates,
  usePeopleHub,
} from '../support/people-hub.ts';
import { releaseOf } from '../support/simulated-device.ts';

/** Updates that wait for somebody's word, on a real store, through the real router, commands and engine. */

usePeopleHub();

describe('a question', () => {
  test('is put where it was asked and before the admins, with all that it binds', async () => {
    await team('confirm');
    const { event, id } = await asked();
    expect(answerTo(event, true)).toEqual({
      tone: 'warn',
      title: 'May web go to 1.1.0?',
      text: ['Another person has to approve it.'],
      fields: [
        { name: 'asks', value: 'Ann (telegram:11)' },
        { name: 'version', value: '1.0.0 → 1.1.0' },
        { name: 'digest', value: 'sha256 1.1.0' },
        { name: 'device', value: 'this-machine' },
        { name: 'until', value: expect.stringMatching(/^2026-06-03 12:\d\d UTC$/) },
      ],
      buttons: [
        { label: 'Approve', command: `/update approve ${id}`, style: 'primary' },
        { label: 'Reject', command: `/update reject ${id}`, style: 'danger' },
      ],
    });
    expect(question('terminal')?.buttons).toHaveLength(2);
    // Once, although Ann's chat is an admin's as well.
    expect(shownIn('telegram').filter(({ title }) => title.startsWith('May web'))).toHaveLength(1);
    expect(device.carriedOut).toEqual([]);
  });

  test("is told by a dry run, in the asker's language", async () => {
    await team('second');
    const plan = await ask(ANN, '/update now web --dry-run');
    expect(plan.text?.[0]).toBe('1. wait until a second person approves it');
    expect((await ask(ANN, '/update now web --dry-run', { locale: 'zh' })).text?.[0]).toBe('1. 等待另一个人批准');
    expect(await updates()).toEqual([]);
  });

  test('says that it is forced, and is not forced afterwards', async () => {
    await team('second');
    const { event, id } = await asked();
    expect(answerTo(event, true)?.text).toHaveLength(1);
    expect((await ask(ANN, `/update force ${id}`)).title).toContain('does not wait for the app');
    expect((await ask(ANN, '/update now web --force')).title).toContain('Ann');
    await ask(ANN, `/update cancel ${id}`);
    expect(question('terminal')).toMatchObject({ text: ['It was taken back.'] });
    await tell(ANN, '/update now web --force');
    await pass(2 * SECOND);
    expect(shownIn('terminal').at(-1)?.text?.[1]).toContain('With --force');
  });

  test('is not put for what is a way out of trouble', async () => {
    await team('second');
    const event = await tell(ANN, '/update restart web');
    await pass(30 * SECOND);
    expect(finals(event)).toBe(1);
    expect(await state()).toEqual(['succeeded']);
  });
});

describe('an approval', () => {
  test('by another person lets it begin; whoever asked has one final answer, and everybody sees who it was', async () => {
    await team('second');
    const { event, id } = await asked();
    const said = await ask(BOB, `/update approve ${id}`);
    expect(said).toMatchObject({ tone: 'good', title: `Approved: web goes to 1.1.0 (${id})` });
    await pass(30 * SECOND);
    expect(device.carriedOut).toMatchObject([{ version: '1.1.0', state: 'succeeded' }]);
    expect(finals(event)).toBe(1);
    expect(answerTo(event)?.title).toBe('web is back online, 1.1.0');
    expect(question('terminal')).toMatchObject({ tone: 'good', text: ['Approved by Bob.'] });
    expect(question('terminal')?.buttons).toBeUndefined();
    expect(await actions()).toEqual([`approve ${BOB}`]);
    expect((await audit()).at(-1)).toMatchObject({ target: 'web', after: id, before: 'sha256-1.1.0' });
    expect((await ask(BOB, `/update approve ${id}`)).title).toBe(`Bob has approved ${id} already.`);
  });

  test('is no news to a chat that never had the question', async () => {
    await team('second');
    const { id } = await asked();
    await claim('discord:44', 'Dan');
    await ask(BOB, `/update approve ${id}`);
    await pass(30 * SECOND);
    expect(shownIn('discord', 'dm-44').filter(({ title }) => title.startsWith('May web'))).toEqual([]);
    expect(question('terminal')?.text).toEqual(['Approved by Bob.']);
  });

  test('is not for whoever asked, on no account of theirs', async () => {
    await team('confirm');
    const code = (await ask(ANN, '/admin link')).title.slice('Your code: '.length);
    await ask('discord:12', `/admin link ${code}`);
    const { id } = await asked();
    for (const who of [ANN, 'discord:12'])
      expect((await ask(who, `/update approve ${id}`)).title).toContain('You asked for this yourself');
    expect(await state()).toEqual(['approving']);
    expect(await actions()).toEqual([]);
  });

  test('is not for an account that joined whoever asked only afterwards', async () => {
    await team('second');
    const { id } = await asked();
    const code = (await ask(ANN, '/admin link')).title.slice('Your code: '.length);
    expect((await ask(BOB, `/admin link ${code}`)).tone).toBe('good');
    expect((await ask(BOB, `/update approve ${id}`)).title).toContain('You asked for this yourself');
    expect(await actions()).toEqual([]);
  });

  test('is not for an account that was taken off whoever asked', async () => {
    await team('second');
    const code = (await ask(ANN, '/admin link')).title.slice('Your code: '.length);
    await ask('discord:12', `/admin link ${code}`);
    const { id } = await asked('discord:12');
    await ask(ANN, '/admin unlink discord:12');
    // The account that asked may not do so any more, so that nobody can let it begin.
    for (const who of [ANN, BOB])
      expect((await ask(who, `/update approve ${id}`)).title).toContain('does not wait for approval');
    expect(await state()).toEqual(['failed']);
  });

  test('is not for whoever the asker became afterwards', async () => {
    await team('second');
    const { id } = await asked(BOB);
    const code = (await ask(ANN, '/admin link')).title.slice('Your code: '.length);
    expect((await ask(BOB, `/admin link ${code}`)).tone).toBe('good');
    expect((await ask(ANN, `/update approve ${id}`)).title).toContain('You asked for this yourself');
    expect(await actions()).toEqual([]);
  });

  test('is for operators of a day and longer', async () => {
    await team('second');
    await ask(ANN, '/admin add telegram:33 admin');
    await ask(ANN, '/admin add telegram:44 viewer');
    const { id } = await asked();
    expect((await ask('telegram:33', `/update approve ${id}`)).title).toContain('operator or admin for 24 h');
    expect((await ask('telegram:44', `/update approve ${id}`)).title).toContain('needs the role operator');
    // A change between operator and admin takes nothing away.
    await ask(ANN, `/admin role ${BOB} admin`);
    expect((await ask(BOB, `/update approve ${id}`)).tone).toBe('good');
  });

  test('may name no update where only one fits', async () => {
    await team('second');
    expect((await ask(BOB, '/update approve')).title).toBe('Nothing waits for approval.');
    await asked();
    expect((await ask(BOB, '批准')).tone).toBe('good');
  });

  test('of two at once counts once', async () => {
    await team('second');
    await ask(ANN, '/admin add discord:33 admin');
    await pass(DAY + MINUTE);
    const { event, id } = await asked();
    const both = [await tell(BOB, `/update approve ${id}`), await tell('discord:33', `/update approve ${id}`)];
    await pass(40 * SECOND);
    expect(both.map((one) => answerTo(one)?.tone).sort()).toEqual(['good', 'warn']);
    expect(device.carriedOut).toHaveLength(1);
    expect(finals(event)).toBe(1);
    expect(await actions()).toHaveLength(1);
  });

  test('and a cancel at once: one of them counts', async () => {
    await team('second');
    const { event, id } = await asked();
    const [yes, no] = [await tell(BOB, `/update approve ${id}`), await tell(ANN, `/update cancel ${id}`)];
    await pass(40 * SECOND);
    expect(finals(event)).toBe(1);
    expect(finals(yes) + finals(no)).toBe(2);
    const [row] = await updates();
    const began = answerTo(yes)?.tone === 'good';
    expect(row?.state === 'succeeded' || row?.state === 'cancelled').toBe(true);
    if (!began) expect(device.carriedOut).toEqual([]);
  });
});

describe('alone', () => {
  test('with `confirm`: the asker, once more', async () => {
    await start('confirm');
    await claim(ANN, 'Ann');
    const { event, id } = await asked();
    expect(answerTo(event, true)?.text?.[0]).toContain('confirm it yourself');
    expect(answerTo(event, true)?.buttons?.[0]?.label).toBe('Confirm');
    expect((await ask(ANN, `/update approve ${id}`)).title).toBe(`Confirmed: web goes to 1.1.0 (${id})`);
    await pass(30 * SECOND);
    expect(finals(event)).toBe(1);
    expect(await state()).toEqual(['succeeded']);
  });

  test('with `confirm`: not any more once there is a second person', async () => {
    await start('confirm');
    await claim(ANN, 'Ann');
    await ask(ANN, `/admin add ${BOB} operator`);
    await pass(DAY - HOUR);
    const { id } = await asked();
    await pass(2 * HOUR);
    expect((await ask(ANN, `/update approve ${id}`)).title).toContain('another person has to approve it');
    expect((await ask(BOB, `/update approve ${id}`)).tone).toBe('good');
  });

  test('with `second`: never the asker; the terminal on the machine may', async () => {
    await start('second');
    await claim(ANN, 'Ann');
    const { event, id } = await asked();
    expect(answerTo(event, true)?.text?.join()).toContain('fettle say');
    expect((await ask(ANN, `/update approve ${id}`)).title).toContain('another person has to approve it');
    expect((await ask('terminal:local', `/update approve ${id}`)).tone).toBe('good');
  });

  test('with `second`, from the terminal and nobody else there: refused at once', async () => {
    await start('second');
    const refused = await ask('terminal:local', '/update now web');
    expect(refused.title).toContain('there is none who could');
    expect((await ask('terminal:local', '/update now web --dry-run')).title).toBe(refused.title);
    expect(await updates()).toEqual([]);
  });
});

describe('no', () => {
  test('rejected: one final answer that says by whom', async () => {
    await team('second');
    const { event, id } = await asked();
    expect((await ask(BOB, `/update reject ${id}`)).tone).toBe('good');
    await pass(SECOND);
    expect(finals(event)).toBe(1);
    expect(answerTo(event)).toMatchObject({
      title: 'web was not updated to 1.1.0',
      text: [expect.stringContaining('Bob rejected it'), expect.any(String)],
    });
    expect(question('terminal')?.text).toEqual(['Rejected by Bob.']);
    expect(await actions()).toEqual([`reject ${BOB}`]);
    expect((await ask(ANN, `/update approve ${id}`)).title).toBe(`Bob has rejected ${id} already.`);
    await pass(2 * DAY);
    expect(device.carriedOut).toEqual([]);
    expect(finals(event)).toBe(1);
  });

  test('nobody in a day: told, once; too late afterwards', async () => {
    await team('second');
    const { event, id } = await asked();
    await pass(DAY - MINUTE);
    expect(finals(event)).toBe(0);
    await pass(2 * MINUTE);
    expect(finals(event)).toBe(1);
    expect(answerTo(event)?.text?.[0]).toBe('Nobody approved it within 24 h.');
    expect(question('terminal')?.text).toEqual(['Nobody approved it within 24 h.']);
    expect((await ask(BOB, `/update approve ${id}`)).title).toContain('does not wait for approval');
    expect(device.carriedOut).toEqual([]);
  });

  test('nobody in a day in which the hub was away', async () => {
    await team('second');
    const { event } = await asked();
    await stop();
    await pass(2 * DAY);
    await start('second');
    await pass(MINUTE);
    expect(finals(event)).toBe(1);
    expect(await state()).toEqual(['timed-out']);
  });

  test('a yes that was kept while the hub was away comes too late', async () => {
    await team('second');
    const { event, id } = await asked();
    await hub.router.stop();
    const yes = eventOf(BOB, `/update approve ${id}`);
    const kept = { platform: 'discord', eventId: yes.eventId, request: JSON.stringify(yes), receivedAt: Date.now() };
    await storeEvent(hub.store.db, kept);
    await stop();
    vi.setSystemTime(Date.now() + DAY);
    await start('second');
    await pass(30 * SECOND);
    expect(answerTo(yes)?.tone).toBe('warn');
    expect([finals(event), finals(yes)]).toEqual([1, 1]);
    expect(await state()).toEqual(['timed-out']);
    expect(device.carriedOut).toEqual([]);
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      'the release has another digest',
      () => {
        source.releases = [{ ...releaseOf('1.1.0'), digest: 'sha256-other' }, releaseOf('1.0.0')];
      },
      /other content/,
    ],
    [
      'the release is gone',
      () => {
        source.releases = [releaseOf('1.0.0')];
      },
      /does not offer/,
    ],
    [
      'the device runs another version',
      async () => {
        device.running.set('web', '1.0.5');
        await device.inventory();
      },
      /another version/,
    ],
    [
      'whoever asked may not any more',
      async () => {
        // By nobody whom the hub would hear: it is looked at again when the word comes.
        await hub.store.db.updateTable('people').set({ role: 'viewer' }).where('role', '=', 'admin').execute();
      },
      /may not do so/,
    ],
  ])('what was asked for is another thing: %s', async (_, happens, why) => {
    await team('second');
    const { event, id } = await asked();
    await happens();
    const said = await ask(BOB, `/update approve ${id}`);
    expect(said.title).toMatch(why);
    expect(said.text?.[0]).toContain('Ask for it anew');
    await pass(30 * SECOND);
    expect(finals(event)).toBe(1);
    expect(await state()).toEqual(['failed']);
    expect(device.carriedOut).toEqual([]);
    expect(await actions()).toEqual([`approval-void ${BOB}`]);
  });

  test('a source that does not answer is no reason', async () => {
    await team('second');
    const { id } = await asked();
    source.down = true;
    expect((await ask(BOB, `/update approve ${id}`)).tone).toBe('good');
  });
});

describe('a restart of the hub', () => {
  const steps = ['asked', 'answered', 'begun', 'ended'] as const;
  test.each(steps)('after it was %s: one update, one final answer', async (step) => {
    await team('second');
    const again = async () => {
      await stop();
      await start('second');
      await pass(2 * SECOND);
    };
    const event = await tell(ANN, '/update now web');
    if (step === 'asked') await again();
    await pass(2 * SECOND);
    const id = await idOf();
    const yes = await tell(BOB, `/update approve ${id}`);
    if (step === 'answered') await again();
    await pass(3 * SECOND);
    if (step === 'begun') await again();
    await pass(30 * SECOND);
    if (step === 'ended') await again();
    expect([finals(event), finals(yes)]).toEqual([1, 1]);
    expect(await state()).toEqual(['succeeded']);
    expect(device.carriedOut).toHaveLength(1);
    expect(await actions()).toEqual([`approve ${BOB}`]);
    expect(shownIn('terminal').filter(({ title }) => title.startsWith('May web'))).toHaveLength(1);
    // The same press told again, as if the hub had died before its answer was stored.
    await hub.store.db.deleteFrom('inbox').execute();
    await hub.store.db.deleteFrom('outbox').where('answers', '=', yes.eventId).execute();
    chats.discord.shown.length = 0;
    expect((await ask(BOB, `/update approve ${id}`, { eventId: yes.eventId })).tone).toBe('good');
    expect(await actions()).toHaveLength(1);
  });
});
