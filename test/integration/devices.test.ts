import { afterEach, beforeEach, expect, test } from 'vitest';
import { listAudit } from '../../src/store/audit.ts';
import { ADMIN, type DeviceStore, joinRequest, openDeviceStore } from '../support/device-store.ts';

/** Joining, names, clones and the end of a key, on a real store. */

let hub: DeviceStore;
beforeEach(async () => {
  hub = await openDeviceStore();
});
afterEach(() => hub.close());

const asker = (eventId: string) => ({ ...ADMIN, eventId });
const refused = (why: string) => expect.objectContaining({ code: 'enroll_refused', data: { why } });

test('a token is good once, and only its salted hash is kept', async () => {
  const token = await hub.invite({ name: 'east-1' });
  expect(JSON.stringify(await hub.store.db.selectFrom('enrol_tokens').selectAll().execute())).not.toContain(token);
  const first = joinRequest(token);
  const joined = await hub.devices.join(first);
  expect(joined).toMatchObject({ name: 'east-1', hubKey: 'hub key', address: 'wss://hub.example:7443/agent' });
  await expect(hub.devices.join(joinRequest(token))).rejects.toEqual(refused('used'));
  // Cut off before the answer: the same key gets the same one, also when the token's time is over.
  hub.now += 60 * 60_000;
  expect(await hub.devices.join(first)).toEqual(joined);
  expect((await hub.devices.list()).map(({ name }) => name)).toEqual(['east-1']);
  expect(hub.told.map(({ reply }) => reply.title)).toEqual(['east-1 has joined']);
});

test('a wrong, a late and a replaced token are refused, and a group is never shown one', async () => {
  await expect(hub.devices.join(joinRequest('aaaa-bbbb-cccc-dddd-eeee-ffff'))).rejects.toEqual(refused('wrong'));
  const late = await hub.invite({ forMs: 60_000 });
  const replaced = await hub.invite({}, 'same-event');
  const good = await hub.invite({}, 'same-event');
  hub.now += 60_000;
  await expect(hub.devices.join(joinRequest(late))).rejects.toEqual(refused('late'));
  await expect(hub.devices.join(joinRequest(replaced))).rejects.toEqual(refused('wrong'));
  await hub.devices.join(joinRequest(good));
  const wanted = { count: 1, forMs: 60_000, labels: {} };
  await expect(hub.devices.invite(wanted, asker('group'), false)).rejects.toEqual(refused('direct'));
});

test('one line for a fleet: so many devices and no more, named after their hosts, labelled', async () => {
  const token = await hub.invite({ count: 3, labels: { site: 'lab' } });
  const hosts = ['Pi', 'pi.local', 'Ünï cöde!'];
  const all = await Promise.all(hosts.map((hostname) => hub.devices.join(joinRequest(token, { hostname }))));
  expect(all.map(({ name }) => name).sort()).toEqual(['pi', 'pi.local', 'u-ni-co-de']);
  await expect(hub.devices.join(joinRequest(token))).rejects.toEqual(refused('used'));
  const again = await hub.devices.join(joinRequest(await hub.invite(), { hostname: 'PI' }));
  expect(again.name).toBe('pi-2');
  expect((await hub.devices.find('pi')).labels).toEqual({ site: 'lab' });
});

test('one key from two machines: both held, told once, revoked for ever', async () => {
  const request = joinRequest(await hub.invite({ name: 'east-1' }));
  const { device } = await hub.devices.join(request);
  expect(await hub.devices.seen({ device, machine: request.machine })).toBe('active');
  expect(await hub.devices.seen({ device, machine: 'b'.repeat(64) })).toBe('held');
  expect(await hub.devices.seen({ device, machine: request.machine })).toBe('held');
  expect((await hub.devices.deviceKey(device))?.state).toBe('held');
  expect(hub.barred).toContain(`${device} held`);
  expect(hub.told.filter(({ key }) => key === `device/cloned/${device}`)).toHaveLength(1);
  expect(await hub.devices.find('east-1')).toMatchObject({ state: 'held', cloned: true, connected: false });
  // The same key does not come in again by another token.
  await expect(hub.devices.join({ ...request, token: await hub.invite() })).rejects.toMatchObject({
    code: 'device_cloned',
  });
  expect(await hub.devices.revoke('east-1', asker('revoke'))).toEqual({ name: 'east-1', already: false });
  expect(hub.lost).toEqual([device]);
  await expect(hub.devices.join({ ...request, token: await hub.invite() })).rejects.toMatchObject({
    code: 'device_revoked',
  });
  // The way out: a key of its own, and the name is free again.
  const anew = await hub.devices.join(joinRequest(await hub.invite({ name: 'east-1' })));
  expect(anew.device).not.toBe(device);
  expect((await hub.devices.list()).map(({ name, state }) => [name, state])).toEqual([
    ['east-1', 'active'],
    ['east-1', 'revoked'],
  ]);
  expect(await hub.devices.find('east-1')).toMatchObject({ id: anew.device });
  const audit = await listAudit(hub.store.db);
  expect(audit.map(({ action }) => action)).toEqual(
    expect.arrayContaining(['device-invite', 'device-enrol', 'device-cloned', 'device-revoke']),
  );
});

test('names are one device’s; labels come and go', async () => {
  await hub.devices.join(joinRequest(await hub.invite({ name: 'a-1' })));
  await hub.devices.join(joinRequest(await hub.invite({ name: 'b-1' })));
  await expect(hub.devices.rename('a-1', 'B-1', asker('1'))).rejects.toMatchObject({ code: 'device_name_taken' });
  await expect(hub.devices.rename('a-1', 'all', asker('2'))).rejects.toMatchObject({ code: 'bad_device_name' });
  await expect(hub.devices.rename('nobody', 'c', asker('3'))).rejects.toMatchObject({ code: 'unknown_device' });
  await expect(hub.invite({ name: 'A-1' })).rejects.toMatchObject({ code: 'device_name_taken' });
  const change = { before: 'a-1', after: 'A-1' };
  expect(await hub.devices.rename('a-1', 'A-1', asker('4'))).toEqual(change);
  expect(await hub.devices.rename('a-1', 'A-1', asker('4'))).toEqual(change);
  const labelled = await hub.devices.label('a-1', { site: 'lab', rack: '2' }, asker('5'));
  expect(labelled.labels).toEqual({ site: 'lab', rack: '2' });
  expect((await hub.devices.label('a-1', { rack: undefined }, asker('6'))).labels).toEqual({ site: 'lab' });
});

test('the agent of the hub’s own home joins by itself, also with a new key, and can’t be revoked', async () => {
  hub.local = { device: 'd-1', publicKey: 'key one', name: 'server' };
  expect(await hub.devices.deviceKey('d-2')).toBeUndefined();
  expect(await hub.devices.deviceKey('d-1')).toEqual({ publicKey: 'key one', state: 'active' });
  hub.local = { ...hub.local, publicKey: 'key two' };
  expect(await hub.devices.deviceKey('d-1')).toEqual({ publicKey: 'key two', state: 'active' });
  expect(await hub.devices.seen({ device: 'd-1', machine: 'a'.repeat(64) })).toBe('active');
  expect(await hub.devices.seen({ device: 'd-1', machine: 'b'.repeat(64) })).toBe('active');
  await expect(hub.devices.revoke('server', asker('1'))).rejects.toMatchObject({ code: 'device_is_local' });
});
