import { describe, expect, test, vi } from 'vitest';
import type { HubSettings } from '../../src/domain/settings.ts';
import { saveAppChoice, skipRelease } from '../../src/store/app-settings.ts';
import {
  auto,
  bot,
  card,
  DAY,
  device,
  HOUR,
  hub,
  MINUTE,
  pass,
  rows,
  SECOND,
  settings,
  shown,
  start,
  states,
  titles,
  useHandsOff,
  web,
  who,
} from '../support/hands-off-fixture.ts';
import { releaseOf } from '../support/simulated-device.ts';

/** What a hub does that nobody asks for, on a real database with time simulated. */

useHandsOff();

describe('an automatic update', () => {
  const announced = async (values: Partial<HubSettings> = {}) => {
    settings.change(values);
    web.releases.push(releaseOf('1.1.0'));
    await start();
    await auto('web', 'on');
    await pass(MINUTE + 2 * SECOND);
    expect(await states()).toEqual(['web 1.1.0 announced']);
  };

  test('is announced with a cancel, begins when its grace is over, and its end is told', async () => {
    await announced();
    const [row] = await rows();
    expect(row).toMatchObject({ automatic: 1, requested_by: 'fettle', deadline_at: (row?.requested_at ?? 0) + 30_000 });
    expect(titles()).toEqual(['web 1.1.0 is available']);
    expect(shown()[0]?.reply.text).toEqual(['web updates to 1.1.0 in 30 s.']);
    expect(shown()[0]?.reply.buttons).toEqual([{ label: 'Cancel', command: `/update cancel ${row?.id}` }]);
    await pass(28 * SECOND);
    expect(device.carriedOut).toEqual([]);
    await pass(20 * SECOND);
    expect(device.carriedOut).toMatchObject([{ app: 'web', version: '1.1.0', state: 'succeeded' }]);
    // The notice went on as the card; the answer is a message of its own.
    expect(shown().map(({ key }) => key)).toEqual([`${row?.id}/card@fake:admins`, `${row?.id}/final@fake:admins`]);
    expect(titles()[1]).toBe('web is back online, 1.1.0');
    await pass(5 * DAY);
    expect(shown()).toHaveLength(2);
  });

  test('goes on after a restart in its grace: exactly one update', async () => {
    await announced();
    await pass(10 * SECOND);
    await hub.stop();
    await pass(5 * SECOND);
    await start();
    await pass(10 * SECOND);
    expect(device.carriedOut).toEqual([]);
    await pass(20 * SECOND);
    expect(device.carriedOut).toHaveLength(1);
    expect(await states()).toEqual(['web 1.1.0 succeeded']);
    expect(shown()).toHaveLength(2);
  });

  test('looks anew, with a new grace, where the hub was away for longer', async () => {
    await announced();
    await hub.stop();
    await pass(HOUR);
    await start();
    await pass(20 * SECOND);
    expect(await states()).toEqual(['web 1.1.0 announced']);
    await pass(30 * SECOND);
    expect(await states()).toEqual(['web 1.1.0 succeeded']);
    expect(device.carriedOut).toHaveLength(1);
  });

  test('cancelled by a person: never again by itself, but the next release is', async () => {
    await announced();
    const [row] = await rows();
    expect(await hub.engine.cancel(row?.id ?? '')).toEqual({ accepted: true, state: 'cancelled' });
    await pass(3 * DAY);
    expect(await states()).toEqual(['web 1.1.0 cancelled']);
    expect(titles()).toEqual(['web was not updated to 1.1.0 by itself']);
    expect(shown()[0]?.reply.text?.[0]).toContain('left to you');
    web.releases.push(releaseOf('1.2.0'));
    await pass(2 * DAY);
    expect(device.carriedOut).toMatchObject([{ version: '1.2.0' }]);
  });

  test("gives way to a person's own update, which is not refused", async () => {
    await announced();
    await pass(5 * SECOND);
    const id = await hub.now('web', '1.1.0');
    await pass(MINUTE);
    expect((await rows()).map((row) => [row.state, row.automatic])).toEqual([
      ['cancelled', 1],
      ['succeeded', 0],
    ]);
    expect(device.carriedOut).toMatchObject([{ update: id }]);
    expect(card('/card@fake:admins')?.reply.text).toEqual(['Somebody began something else with it meanwhile.']);
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ['pinned', () => saveAppChoice(hub.store.db, 'web', { pinned: '1.0.0' }, who), 'It was pinned meanwhile.'],
    ['skipped', () => skipRelease(hub.store.db, 'web', '1.1.0', who), 'This version was skipped meanwhile.'],
    ['turned off', () => auto('web', 'off'), 'Automatic updates were turned off for it meanwhile.'],
  ])('%s in its grace: it does not begin, and its card says why', async (_, act, text) => {
    await announced();
    await act();
    await pass(2 * DAY);
    expect(await states()).toEqual(['web 1.1.0 cancelled']);
    expect(device.carriedOut).toEqual([]);
    expect(shown()[0]?.reply.text).toEqual([text]);
    expect(shown()).toHaveLength(1);
  });

  test('withdrawn at its source in its grace, or overtaken by a newer one', async () => {
    await announced({ grace: 10 * MINUTE });
    web.releases = [releaseOf('1.0.0'), releaseOf('1.1.0'), releaseOf('1.2.0')];
    await hub.now('web').catch(() => undefined);
    expect((await states())[0]).toBe('web 1.1.0 cancelled');
    await pass(MINUTE);
    expect(device.running.get('web')).toBe('1.2.0');
  });

  test('whose grace ends in quiet hours begins after them', async () => {
    await announced({ grace: 10 * MINUTE, quiet: { from: 12 * 60 + 5, to: 14 * 60 } });
    await pass(HOUR);
    expect(await states()).toEqual(['web 1.1.0 cancelled']);
    expect(shown()[0]?.reply.text?.[0]).toContain('quiet hours');
    await pass(HOUR + 15 * MINUTE);
    expect(await states()).toEqual(['web 1.1.0 cancelled', 'web 1.1.0 succeeded']);
  });

  test('minor: a new major version is told, and held', async () => {
    web.releases.push(releaseOf('1.1.0'), releaseOf('2.0.0'));
    await start();
    await auto('web', 'minor');
    await pass(3 * DAY);
    expect(device.running.get('web')).toBe('1.1.0');
    expect(titles()).toEqual(['web 1.0.0 → 1.1.0', 'web is back online, 1.1.0', 'web 2.0.0 is available']);
  });

  test('one at once on a device; the other takes its turn', async () => {
    web.releases.push(releaseOf('1.1.0'));
    bot.releases.push(releaseOf('1.1.0'));
    await start();
    await auto('web', 'on');
    await auto('bot', 'on');
    await pass(MINUTE + 20 * SECOND);
    expect(await states()).toEqual(['web 1.1.0 announced']);
    await pass(MINUTE + 30 * SECOND);
    expect(await states()).toEqual(['web 1.1.0 succeeded', 'bot 1.1.0 succeeded']);
    const [first, second] = await rows();
    expect(second?.requested_at).toBeGreaterThan(first?.ended_at ?? 0);
  });

  test('without a grace it begins at once, and is told all the same', async () => {
    settings.change({ grace: 0 });
    web.releases.push(releaseOf('1.1.0'));
    await start();
    await auto('web', 'on');
    await pass(MINUTE + 15 * SECOND);
    expect(titles()).toEqual(['web 1.0.0 → 1.1.0', 'web is back online, 1.1.0']);
  });

  test.each([
    ['off', 'good', []],
    ['failures', 'good', []],
    ['off', { problem: 'crashed', retryable: false, own: true }, []],
    ['failures', { problem: 'crashed', retryable: false, own: true }, ['web 1.1.0 failed and was rolled back']],
  ] as const)('notify %s: it runs, and this is told of %o: %s', async (notify, verdict, told) => {
    settings.change({ notify });
    device.verdict = () => verdict;
    web.releases.push(releaseOf('1.1.0'));
    await start();
    await auto('web', 'on');
    await pass(2 * DAY);
    expect(device.carriedOut).toHaveLength(1);
    expect(titles()).toEqual(told);
  });

  test('a failure that may pass is tried again, five times, without a new notice', async () => {
    device.verdict = () => ({ problem: 'download_failed', retryable: true });
    web.releases.push(releaseOf('1.1.0'));
    await start();
    await auto('web', 'on');
    await pass(2 * DAY);
    const all = await rows();
    expect(all).toHaveLength(6);
    for (const [i, wait] of [10, 20, 40, 80, 160].entries()) {
      const gap = (all[i + 1]?.requested_at ?? 0) - (all[i]?.ended_at ?? 0);
      expect(Math.abs(gap - wait * MINUTE)).toBeLessThan(5 * SECOND);
    }
    const finals = shown().filter(({ final }) => final);
    expect(finals.map(({ reply }) => reply.text?.at(-1))).toEqual([
      'It is tried again in 10 min.',
      'It was tried 6 times. This version is left to you now.',
    ]);
    // One card, of the first try.
    expect(shown().filter(({ key }) => key.includes('/card@'))).toHaveLength(1);
    await pass(10 * DAY);
    expect(await rows()).toHaveLength(6);
    web.releases.push(releaseOf('1.2.0'));
    device.verdict = () => 'good';
    await pass(2 * DAY);
    expect(device.running.get('web')).toBe('1.2.0');
  });

  test('a person who goes back is not overruled', async () => {
    await announced();
    await pass(MINUTE);
    expect(device.running.get('web')).toBe('1.1.0');
    await hub.now('web', '1.0.0');
    await pass(3 * DAY);
    expect(device.running.get('web')).toBe('1.0.0');
    web.releases.push(releaseOf('1.1.1'));
    await pass(2 * DAY);
    expect(device.running.get('web')).toBe('1.1.1');
  });

  test('waits for a device that is away, and a failing source holds up nothing else', async () => {
    web.releases.push(releaseOf('1.1.0'));
    bot.down = true;
    await start();
    await auto('web', 'on');
    await device.disconnect(hub.engine);
    await pass(DAY);
    expect(await rows()).toEqual([]);
    await device.connect(hub.engine);
    await pass(MINUTE);
    expect(await states()).toEqual(['web 1.1.0 succeeded']);
    expect(bot.asked).toBeGreaterThan(10);
  });
});

test('an idle hub sleeps: no timer of its own is due within the hour', async () => {
  await start();
  await pass(10 * MINUTE);
  const before = hub.log.length;
  let reads = 0;
  const { db } = hub.store;
  const select = db.selectFrom.bind(db);
  vi.spyOn(db, 'selectFrom').mockImplementation(((table: 'updates') => {
    reads += 1;
    return select(table);
  }) as never);
  await pass(50 * MINUTE);
  expect(reads).toBe(0);
  expect(hub.log).toHaveLength(before);
  // The counter does count.
  hub.handsOff.soon();
  await pass(2 * SECOND);
  expect(reads).toBeGreaterThan(0);
});

test('a row in a state that this version does not know is left alone', async () => {
  web.releases.push(releaseOf('1.1.0'));
  await start();
  await auto('web', 'on');
  await pass(MINUTE + 5 * SECOND);
  await hub.store.db
    .updateTable('updates')
    .set({ state: 'levitating' as never })
    .execute();
  await hub.stop();
  await start();
  expect(hub.log.join('\n')).toContain('levitating');
  await pass(DAY);
  expect(device.carriedOut).toEqual([]);
  await expect(hub.now('web', '1.1.0')).rejects.toMatchObject({ code: 'in_progress' });
  bot.releases.push(releaseOf('1.1.0'));
  await hub.now('bot');
  await pass(MINUTE);
  expect(device.running.get('bot')).toBe('1.1.0');
});
