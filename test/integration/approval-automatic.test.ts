import { describe, expect, test } from 'vitest';
import { saveAppChoice } from '../../src/store/app-settings.ts';
import { ANN, asked, BOB, idOf, question, state, team } from '../support/approval-team.ts';
import {
  ask,
  DAY,
  device,
  finals,
  HOUR,
  hub,
  MINUTE,
  pass,
  SECOND,
  settings,
  shownIn,
  source,
  usePeopleHub,
} from '../support/people-hub.ts';
import { releaseOf } from '../support/simulated-device.ts';

/** Automatic updates of an app whose updates wait for somebody's word. */

usePeopleHub();

describe('an automatic update', () => {
  const automatic = async (mode: 'confirm' | 'second' = 'second') => {
    await team(mode);
    await saveAppChoice(hub.store.db, 'web', { auto: 'on' }, { by: ANN, byName: 'Ann', at: 0 });
    await ask(ANN, '/update check web');
    await pass(5 * SECOND);
    expect(await state()).toEqual(['approving']);
  };

  test('waits, with one card in each admin chat; any approver lets it begin', async () => {
    await automatic();
    for (const chat of ['telegram', 'terminal'] as const)
      expect(question(chat)?.fields?.[0]?.value).toContain('Fettle');
    await pass(HOUR);
    expect(device.carriedOut).toEqual([]);
    expect((await ask(BOB, `/update approve ${await idOf()}`)).tone).toBe('good');
    await pass(30 * SECOND);
    expect(device.carriedOut).toHaveLength(1);
    expect(shownIn('terminal').map(({ title }) => title)).toContain('web is back online, 1.1.0');
    expect(question('terminal')).toBeUndefined();
  });

  test('rejected: not again by itself, and said', async () => {
    await automatic();
    await ask(BOB, '/update reject');
    await pass(3 * DAY);
    expect(await state()).toEqual(['cancelled']);
    expect(JSON.stringify(shownIn('terminal'))).toContain('Somebody rejected it');
    source.releases = [releaseOf('1.2.0'), ...source.releases];
    await ask(ANN, '/update check web');
    await pass(5 * SECOND);
    expect(await state()).toEqual(['cancelled', 'approving']);
  });

  test('nobody in a day: withdrawn, and said, also where notices are off', async () => {
    settings.change({ notify: 'off' });
    await automatic();
    await pass(DAY + MINUTE);
    expect(await state()).toEqual(['cancelled']);
    expect(JSON.stringify(shownIn('terminal'))).toContain('Nobody approved it within 24 h');
    expect(question('terminal')).toBeUndefined();
  });

  test('gives way to a person, whose update needs an approval of its own', async () => {
    await automatic();
    const { event, id } = await asked();
    expect(await state()).toEqual(['cancelled', 'approving']);
    expect((await ask(ANN, `/update approve ${id}`)).title).toContain('You asked for this yourself');
    await ask(BOB, `/update approve ${id}`);
    await pass(30 * SECOND);
    expect(finals(event)).toBe(1);
    expect(device.carriedOut).toHaveLength(1);
  });

  test('holds up no other app', async () => {
    device.running.set('bot', '1.0.0');
    await automatic();
    await saveAppChoice(hub.store.db, 'bot', { auto: 'on' }, { by: ANN, byName: 'Ann', at: 0 });
    await ask(ANN, '/update check bot');
    await pass(2 * MINUTE);
    expect(device.carriedOut).toMatchObject([{ app: 'bot', version: '1.1.0', state: 'succeeded' }]);
    expect(await state()).toEqual(['approving', 'succeeded']);
  });

  test('switched off while it waits: withdrawn', async () => {
    await automatic();
    await saveAppChoice(hub.store.db, 'web', { auto: 'off' }, { by: ANN, byName: 'Ann', at: 0 });
    await ask(ANN, '/update check web');
    await pass(5 * SECOND);
    expect(await state()).toEqual(['cancelled']);
  });

  test('that fails is tried again only after another word', async () => {
    await automatic();
    device.verdict = () => ({ problem: 'download_failed', retryable: true });
    await ask(BOB, '/update approve');
    await pass(30 * SECOND);
    expect(await state()).toEqual(['failed']);
    await pass(12 * HOUR);
    expect(device.carriedOut).toHaveLength(1);
    expect((await state()).at(-1)).toBe('approving');
  });
});
