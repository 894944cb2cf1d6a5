import { expect, test } from 'vitest';
import { saveInventory } from '../../src/store/devices.ts';
import {
  card,
  DAY,
  device,
  HOUR,
  hub,
  MINUTE,
  pass,
  SECOND,
  start,
  states,
  titles,
  useHandsOff,
  web,
} from '../support/hands-off-fixture.ts';
import { releaseOf } from '../support/simulated-device.ts';

/** Updates asked for of a device that is away, on a real database with time simulated. */

useHandsOff();

let events = 0;

async function ask(on?: string): Promise<string> {
  events += 1;
  const asked = { kind: 'update', app: 'web', on, force: false, withData: false } as const;
  const who = { id: 'fake:ann', name: 'Ann' };
  const where = { route: { platform: 'fake', chat: 'ann' }, eventId: `r-${events}`, language: 'en' } as const;
  return (await hub.requests.request({ ...asked, who, ...where }, AbortSignal.timeout(10_000))).id;
}

/** Another device that has the app, connected as far as the store knows; it never answers. */
async function another(): Promise<void> {
  await hub.engine.connected({ device: 'd-2', name: 'other', platform: 'linux-x64', version: '0.1.0' });
  const report = { app: 'web', version: '1.0.0', health: 'healthy' as const, blocked: [] };
  await saveInventory(hub.store.db, 'd-2', [report], true, Date.now());
}

test('one of two is away: only it is meant, the card says so, and a day later it catches up within a minute', async () => {
  await start();
  await another();
  web.releases.push(releaseOf('1.1.0'));
  await expect(ask()).rejects.toMatchObject({ code: 'device_needed' });
  await device.disconnect(hub.engine);
  await pass(HOUR);
  const id = await ask('this-machine');
  await pass(SECOND);
  const told = JSON.stringify(card(`${id}/card`));
  expect(told).toContain('this-machine is offline (last seen');
  expect(told).toContain('An update waits for it until');
  expect(told).toContain('/update cancel');
  expect(titles().some((title) => title.includes('(this-machine)'))).toBe(true);
  await pass(DAY);
  expect(await states()).toEqual(['web 1.1.0 queued']);
  await device.connect(hub.engine);
  await pass(MINUTE);
  expect(await states()).toEqual(['web 1.1.0 succeeded']);
  const rows = await hub.store.db.selectFrom('updates').select(['device', 'id']).execute();
  expect(rows).toEqual([{ device: 'd-1', id }]);
  expect(device.carriedOut.map(({ version, state }) => [version, state])).toEqual([['1.1.0', 'succeeded']]);
});

test('it does not come back: after a week it is over, and nothing is done later', async () => {
  await start();
  web.releases.push(releaseOf('1.1.0'));
  await device.disconnect(hub.engine);
  const id = await ask();
  await pass(7 * DAY + MINUTE);
  expect(await states()).toEqual(['web 1.1.0 timed-out']);
  expect(JSON.stringify(card(`${id}/final`))).toContain('is offline');
  await device.connect(hub.engine);
  await pass(MINUTE);
  expect(device.carriedOut).toEqual([]);
});

test('a device that is revoked ends what waits for it', async () => {
  await start();
  web.releases.push(releaseOf('1.1.0'));
  await device.disconnect(hub.engine);
  const id = await ask();
  await hub.engine.forsake('d-1', { device: 'this-machine', why: 'revoked' });
  await pass(SECOND);
  expect(await states()).toEqual(['web 1.1.0 failed']);
  expect(JSON.stringify(card(`${id}/final`))).toContain('this-machine was revoked');
});
