import { expect, test } from 'vitest';
import { listDevices } from '../../src/store/devices.ts';
import {
  device,
  hub,
  MINUTE,
  pass,
  rows,
  settings,
  shown,
  start,
  titles,
  useHandsOff,
  web,
} from '../support/hands-off-fixture.ts';
import { releaseOf } from '../support/simulated-device.ts';

/** What a device tells unasked, and the admins hear of: crash loops, and what was done on the device itself. */

useHandsOff();

const news = () => titles().filter((title) => !title.endsWith('is available'));
const commands = () =>
  shown()
    .at(-1)
    ?.reply.buttons?.map(({ command }) => command);

test('an app that keeps crashing is told once a time, over restarts of the hub, in quiet hours too', async () => {
  settings.change({ quiet: { from: 0, to: 24 * 60 - 1 } });
  await start();
  const since = Date.parse('2026-06-01T10:02:00Z');
  device.more.set('web', { lastGood: '0.9.0', crashing: { since, times: 3 } });
  await device.inventory();
  expect(news()).toEqual(['web 1.0.0 keeps crashing']);
  expect(shown().at(-1)?.reply.text?.[0]).toContain('3 times since 10:02 UTC on this-machine');
  expect(commands()).toEqual(['/update rollback web', '/update logs web']);
  device.more.set('web', { lastGood: '0.9.0', crashing: { since, times: 9 } });
  await device.inventory();
  await hub.stop();
  await start();
  await pass(5 * MINUTE);
  expect(news()).toHaveLength(1);
  // Nor is what was said changed: it is news once.
  expect(shown().at(-1)?.reply.text?.[0]).toContain('3 times');
  // Well meanwhile, then anew; and now there is nothing else to go back to.
  device.more.set('web', {});
  await device.inventory();
  device.more.set('web', { lastGood: '1.0.0', crashing: { since: since + 60 * MINUTE, times: 3 } });
  await device.inventory();
  await pass(MINUTE);
  expect(news()).toHaveLength(2);
  expect(commands()).toEqual(['/update logs web']);
});

test('what was done on the device itself is in the history and told once, whatever is under way here', async () => {
  web.releases.push(releaseOf('1.1.0'));
  await start();
  await pass(MINUTE);
  const outcome = {
    update: 'u-zzzzzzzz',
    app: 'web',
    kind: 'rollback',
    state: 'succeeded',
    from: '1.1.0',
    to: '1.0.0',
    running: '1.0.0',
    startedAt: 1_000,
    endedAt: 5_000,
  } as const;
  const said = { type: 'local-outcome', outcome, by: 'ada' } as const;
  // The hub has an update of the app in its own books.
  device.stepMs = 10 * MINUTE;
  const asked = hub.now('web');
  await pass(MINUTE);
  await device.say(said);
  await device.say(said);
  await hub.stop();
  await start();
  await device.say(said);
  await pass(MINUTE);
  const told = shown().filter(({ key }) => key.startsWith('on-device/'));
  expect(told).toHaveLength(1);
  expect(told[0]?.reply.text?.[0]).toBe('ada did this on this-machine itself.');
  const row = (await rows()).find(({ id }) => id === 'u-zzzzzzzz');
  expect(row).toMatchObject({
    state: 'succeeded',
    final_state: 'succeeded',
    requested_by: 'device:ada',
    kind: 'rollback',
  });
  expect((await listDevices(hub.store.db))[0]?.apps.find(({ app }) => app === 'web')?.version).toBe('1.0.0');
  await asked.catch(() => undefined);
});

test('a device that tells without end what was done on it is heard so often in an hour, and later again', async () => {
  await start();
  const tell = (n: number) =>
    device.say({
      type: 'local-outcome',
      outcome: {
        ...{ update: `u-flood${n}`, app: 'web', kind: 'rollback', state: 'succeeded' },
        ...{ from: '1.1.0', to: '1.0.0', startedAt: 1_000, endedAt: 5_000 },
      },
      by: 'ada',
    });
  const flood = async () => (await rows()).filter(({ id }) => id.startsWith('u-flood')).length;
  for (let n = 0; n < 80; n += 1) await tell(n);
  expect(await flood()).toBe(60);
  await pass(61 * MINUTE);
  await tell(79);
  expect(await flood()).toBe(61);
});
