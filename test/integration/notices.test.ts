import { describe, expect, test } from 'vitest';
import { saveAppChoice, skipRelease } from '../../src/store/app-settings.ts';
import {
  auto,
  bot,
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
  titles,
  useHandsOff,
  web,
  who,
} from '../support/hands-off-fixture.ts';
import { createSource } from '../support/hands-off-hub.ts';
import { createSimulatedDevice, releaseOf } from '../support/simulated-device.ts';

/** What the admins' chats are told unasked, on a real database with time simulated. */

useHandsOff();

describe('a new release', () => {
  test('is announced once, whatever is asked again and whatever restarts', async () => {
    web.releases.push(releaseOf('1.1.0'), releaseOf('2.0.0', 'What is new.\nMore.'));
    await start();
    await pass(2 * MINUTE);
    expect(titles()).toEqual(['web 2.0.0 is available']);
    const { reply, answers, failed } = shown()[0] ?? {};
    expect({ answers, failed }).toEqual({ answers: undefined, failed: false });
    expect(reply?.text).toEqual(['What is new.', 'More.']);
    expect(reply?.fields).toContainEqual({ name: 'version', value: '1.0.0 → 2.0.0' });
    expect(reply?.fields).toContainEqual({ name: 'versions between', value: '1' });
    expect(reply?.buttons?.map(({ command }) => command)).toEqual([
      '/update now web@2.0.0',
      '/update later web@2.0.0',
      '/update skip web@2.0.0',
    ]);
    await pass(3 * DAY);
    await hub.stop();
    await start();
    await pass(DAY);
    expect(titles()).toEqual(['web 2.0.0 is available']);
    expect(await rows()).toEqual([]);
  });

  test('of Fettle itself is news once for hub and agent, and once more for the one that is left behind', async () => {
    const fettle = createSource([releaseOf('0.1.0'), releaseOf('0.2.0')]);
    await start({
      // A source is asked for the name of the package.
      sources: { hub: fettle, agent: fettle, fettle },
      device: createSimulatedDevice({ hub: '0.1.0', agent: '0.1.0' }),
    });
    await pass(2 * MINUTE);
    expect(titles()).toEqual(['hub 0.2.0 is available']);
    const commands = shown()[0]?.reply.buttons?.map(({ command }) => command);
    expect(commands?.slice(0, 2)).toEqual(['/update now hub@0.2.0', '/update now agent@0.2.0']);
    const updated = hub.now('hub');
    await pass(MINUTE);
    await updated;
    await pass(2 * DAY);
    expect(device.running.get('hub')).toBe('0.2.0');
    expect(titles().filter((title) => title.startsWith('agent'))).toEqual(['agent 0.2.0 is available']);
  });

  test("follows a person's check and a source that answers again, not only rounds", async () => {
    web.down = true;
    await start();
    await pass(90 * SECOND);
    web.down = false;
    web.releases.push(releaseOf('1.0.1'));
    // Two minutes later by itself, after one and two: 1 min, 2 min.
    await pass(5 * MINUTE);
    expect(titles()).toEqual(['web 1.0.1 is available']);
    bot.releases.push(releaseOf('1.0.1'));
    await hub.checker.check(
      { name: 'bot', source: { kind: 'folder', path: '/bot' }, channel: 'stable' },
      { signal: AbortSignal.timeout(5_000) },
    );
    await pass(5 * SECOND);
    expect(titles()).toEqual(['web 1.0.1 is available', 'bot 1.0.1 is available']);
  });

  test('is not news where it is skipped, the app is pinned, or nothing is to be told', async () => {
    web.releases.push(releaseOf('2.0.0'));
    bot.releases.push(releaseOf('2.0.0'));
    await start();
    await skipRelease(hub.store.db, 'web', '2.0.0', who);
    await saveAppChoice(hub.store.db, 'bot', { pinned: '1.0.0' }, who);
    await pass(2 * DAY);
    expect(titles()).toEqual([]);
    settings.change({ notify: 'failures' });
    web.releases.push(releaseOf('2.0.1'));
    await pass(2 * DAY);
    expect(titles()).toEqual([]);
    settings.change({ notify: 'all' });
    await pass(MINUTE);
    expect(titles()).toEqual(['web 2.0.1 is available']);
  });

  test('is announced once more a day after “later”, and not where it was overtaken', async () => {
    web.releases.push(releaseOf('1.1.0'));
    await start();
    await pass(2 * MINUTE);
    expect(await hub.notices.later('web', '1.1.0')).toEqual({ version: '1.1.0', at: Date.now() + DAY });
    // As after any command.
    hub.handsOff.soon();
    await pass(DAY - MINUTE);
    expect(titles()).toHaveLength(1);
    await pass(2 * MINUTE);
    expect(titles()).toEqual(['web 1.1.0 is available', 'web 1.1.0 is available']);
    await pass(3 * DAY);
    expect(titles()).toHaveLength(2);
    await hub.notices.later('web', undefined);
    web.releases.push(releaseOf('1.2.0'));
    await pass(3 * DAY);
    expect(titles().slice(2)).toEqual(['web 1.2.0 is available']);
    await expect(hub.notices.later('web', '9.9.9')).rejects.toMatchObject({ code: 'unknown_version' });
    await expect(hub.notices.later('web', '1.0.0')).rejects.toMatchObject({ code: 'already_running_version' });
    await expect(hub.notices.later('bot', undefined)).rejects.toMatchObject({ code: 'already_latest' });
    const newest = web.releases.at(-1)?.version ?? '';
    await skipRelease(hub.store.db, 'web', newest, who);
    const skipped = { code: 'release_skipped', data: { app: 'web', version: newest } };
    await expect(hub.notices.later('web', newest)).rejects.toMatchObject(skipped);
  });

  test('comes at the end of the quiet hours', async () => {
    settings.change({ quiet: { from: 11 * 60, to: 15 * 60 + 30 } });
    web.releases.push(releaseOf('1.1.0'));
    await start();
    await auto('bot', 'on');
    bot.releases.push(releaseOf('1.1.0'));
    await pass(3.5 * HOUR - 1);
    expect(titles()).toEqual([]);
    expect(await rows()).toEqual([]);
    await pass(2 * SECOND);
    expect(titles()).toEqual(['bot 1.1.0 is available', 'web 1.1.0 is available']);
    await pass(MINUTE);
    expect(device.running.get('bot')).toBe('1.1.0');
  });

  test('waits for the digest: one message a day, each release once', async () => {
    settings.change({ digest: 9 * 60 });
    web.releases.push(releaseOf('1.1.0'));
    bot.releases.push(releaseOf('2.0.0'));
    await start();
    await pass(20 * HOUR + 59 * MINUTE);
    expect(titles()).toEqual([]);
    await pass(2 * MINUTE);
    expect(titles()).toEqual(['2 apps have new versions']);
    expect(shown()[0]?.reply.table?.rows).toEqual([
      ['web', '1.0.0', '1.1.0'],
      ['bot', '1.0.0', '2.0.0'],
    ]);
    await pass(3 * DAY);
    expect(titles()).toHaveLength(1);
    // Missed by a hub that was away: made up for.
    await hub.stop();
    web.releases.push(releaseOf('1.2.0'));
    await pass(2 * DAY);
    await start();
    await pass(5 * MINUTE);
    expect(titles()).toHaveLength(1);
    await pass(DAY);
    expect(titles().slice(1)).toEqual(['1 app has a new version']);
  });

  test('a source that expires is told of once a date, and then nothing comes by itself', async () => {
    web.expiresAt = Date.now() + 20 * DAY;
    await start();
    await auto('web', 'on');
    await pass(5 * DAY);
    expect(titles()).toEqual([]);
    await pass(2 * DAY);
    expect(titles()).toEqual(['The release index of web expires soon']);
    await hub.stop();
    await start();
    await pass(14 * DAY);
    expect(titles()).toHaveLength(1);
    web.releases.push(releaseOf('1.1.0'));
    await pass(2 * DAY);
    expect(titles().slice(1)).toEqual(['web 1.1.0 is available']);
    expect(await rows()).toEqual([]);
    web.expiresAt = Date.now() + 100 * DAY;
    await pass(2 * DAY);
    expect(device.running.get('web')).toBe('1.1.0');
  });
});
