import { expect, test } from 'vitest';
import { listAudit } from '../../src/store/audit.ts';
import {
  card,
  device,
  hub,
  pass,
  rows,
  SECOND,
  start,
  states,
  useHandsOff,
  web,
} from '../support/hands-off-fixture.ts';
import { releaseOf } from '../support/simulated-device.ts';

/** What people make of an update that waits for its app, on a real database with time simulated. */

useHandsOff();

const who = { id: 'fake:bob', name: 'Bob' };
const route = { platform: 'fake', chat: 'bob' };
const asked = (eventId: string, more: object = {}) =>
  ({
    ...{ kind: 'update', app: 'web', force: true, withData: false, who, route, eventId, language: 'en' },
    ...more,
  }) as const;
/** Time goes by until the hub has answered. */
async function answered<T>(work: Promise<T>): Promise<T> {
  const settled = work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  await pass(5 * SECOND);
  const result = await settled;
  if ('error' in result) throw result.error;
  return result.value;
}
const request = (eventId: string, more: object = {}) =>
  answered(
    hub.requests.request(
      asked(eventId, more) as Parameters<typeof hub.requests.request>[0],
      new AbortController().signal,
    ),
  );

async function waiting(): Promise<string> {
  web.releases.push(releaseOf('1.1.0'));
  device.locked = 'arm is moving';
  await start();
  const id = await answered(hub.now('web'));
  await pass(10 * SECOND);
  expect(await states()).toEqual(['web 1.1.0 waiting']);
  return id;
}

test('the card says why it waits and has Hold, Force and Cancel; the same request with force goes on, audited once', async () => {
  const id = await waiting();
  const { reply } = card(`${id}/card`) ?? {};
  expect(reply?.text?.[0]).toContain('arm is moving');
  expect(reply?.buttons?.map(({ command }) => command)).toEqual([
    `/update hold ${id}`,
    `/update force ${id}`,
    `/update cancel ${id}`,
  ]);
  // Another version, or no insisting, is another matter.
  await expect(request('bob-0', { force: false })).rejects.toMatchObject({ code: 'in_progress' });
  await expect(request('bob-1', { version: '1.0.0' })).rejects.toMatchObject({ code: 'in_progress' });
  await expect(request('bob-2', { kind: 'restart' })).rejects.toMatchObject({ code: 'in_progress' });
  expect(await listAudit(hub.store.db, { action: 'force' })).toEqual([]);
  expect(await request('bob-3')).toEqual({ id, forced: true });
  await pass(20 * SECOND);
  expect(await states()).toEqual(['web 1.1.0 succeeded']);
  // The command is run again after a restart of the hub: the same answer, and nothing more is done.
  expect(await request('bob-3')).toEqual({ id, forced: true });
  const audit = await listAudit(hub.store.db, { action: 'force' });
  expect(audit).toMatchObject([{ by: 'fake:bob', byName: 'Bob', target: 'web', after: id, route }]);
  expect(await answered(hub.engine.insist(id, 'force', asked('bob-4')))).toMatchObject({ accepted: false });
});

test('a force is kept while the device is away and across a restart of the hub; hold changes nothing but the deadline', async () => {
  const id = await waiting();
  expect(await answered(hub.engine.insist(id, 'hold', asked('bob-5')))).toMatchObject({ accepted: true });
  expect(await states()).toEqual(['web 1.1.0 waiting']);
  await device.disconnect(hub.engine);
  await expect(answered(hub.engine.insist(id, 'force', asked('bob-6')))).rejects.toMatchObject({
    code: 'device_offline',
  });
  expect(await rows()).toMatchObject([{ force: 1, state: 'waiting' }]);
  const stopped = hub.stop();
  await pass(5 * SECOND);
  await stopped;
  await start();
  await pass(20 * SECOND);
  expect(await states()).toEqual(['web 1.1.0 succeeded']);
  const audit = await listAudit(hub.store.db);
  expect(audit.map(({ action }) => action).filter((action) => !/^(order|update)/.test(action))).toEqual([
    'force',
    'hold',
  ]);
});

test('an order that is forced from the start is audited too', async () => {
  const id = await waiting();
  device.locked = undefined;
  await pass(20 * SECOND);
  web.releases.push(releaseOf('1.2.0'));
  const next = await request('bob-7', { version: '1.2.0' });
  expect(await listAudit(hub.store.db, { action: 'force' })).toMatchObject([{ by: 'fake:bob', after: next.id }]);
  expect(next.id).not.toBe(id);
  await pass(20 * SECOND);
});
