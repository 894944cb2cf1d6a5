import { expect, test, vi } from 'vitest';
import { ANN, asked, BOB, question, state, team } from '../support/approval-team.ts';
import {
  answerTo,
  ask,
  DAY,
  device,
  finals,
  HOUR,
  hub,
  MINUTE,
  pass,
  SECOND,
  start,
  stop,
  tell,
  usePeopleHub,
} from '../support/people-hub.ts';

/** What waits for somebody who meanwhile may not ask for it any more. */

usePeopleHub();

const GONE = 'Bob may not ask for it any more. It had not begun, and does not.';

test.each(['remove', 'role'])('who loses the role (%s) has nothing begun by a device that comes back', async (how) => {
  await team('none');
  await device.disconnect(hub.engine);
  const event = await tell(BOB, '/update now web');
  await pass(HOUR);
  expect(await state()).toEqual(['queued']);
  await ask(ANN, `/admin ${how} ${BOB}${how === 'role' ? ' viewer' : ''}`);
  await pass(2 * SECOND);
  expect(await state()).toEqual(['failed']);
  expect(JSON.stringify(answerTo(event))).toContain(GONE);
  await device.connect(hub.engine);
  await pass(HOUR);
  expect(device.carriedOut).toEqual([]);
  expect(finals(event)).toBe(1);
  // And it holds up nobody else.
  await ask(ANN, '/update now web');
  await pass(MINUTE);
  expect(device.carriedOut).toMatchObject([{ version: '1.1.0', state: 'succeeded' }]);
});

test('who keeps the role, or gets a higher one, has it begun by a device that comes back', async () => {
  await team('none');
  await device.disconnect(hub.engine);
  await tell(BOB, '/update now web');
  await pass(MINUTE);
  await ask(ANN, `/admin role ${BOB} admin`);
  await pass(DAY);
  expect(await state()).toEqual(['queued']);
  await device.connect(hub.engine);
  await pass(MINUTE);
  expect(await state()).toEqual(['succeeded']);
});

test('what waits for approval is over at once, for whoever asked and for whoever was to answer', async () => {
  await team('second');
  const { event, id } = await asked(BOB);
  await ask(ANN, `/admin remove ${BOB}`);
  await pass(2 * SECOND);
  expect(await state()).toEqual(['failed']);
  expect(JSON.stringify(answerTo(event))).toContain(GONE);
  expect(question('terminal')).toMatchObject({ text: ['It was taken back.'] });
  expect((await ask(ANN, `/update approve ${id}`)).title).toContain('does not wait for approval');
  await pass(DAY);
  expect(finals(event)).toBe(1);
  expect(device.carriedOut).toEqual([]);
});

test('a role that went while the hub was down counts when it is back', async () => {
  await team('none');
  await device.disconnect(hub.engine);
  const event = await tell(BOB, '/update now web');
  await pass(MINUTE);
  await hub.store.db.updateTable('people').set({ role: 'viewer' }).where('role', '=', 'operator').execute();
  await stop();
  await start('none');
  await pass(MINUTE);
  expect(await state()).toEqual(['failed']);
  expect(finals(event)).toBe(1);
  expect(device.carriedOut).toEqual([]);
});

test.each([
  ['the device never had', false],
  ['the device has taken', true],
])('an order that was under way when the device went, and that %s, is cancelled when it is back', async (_, taken) => {
  await team('none');
  device.locked = 'busy';
  const lost = taken ? undefined : vi.spyOn(device.gateway, 'send').mockReturnValue(true);
  const event = await tell(BOB, '/update now web');
  await pass(10 * SECOND);
  expect(await state()).toEqual([taken ? 'waiting' : 'sent']);
  await device.disconnect(hub.engine);
  lost?.mockRestore();
  // As the hub has it whom the device's word did not reach.
  const late = { state: 'queued', report_seq: -1, progress: null } as const;
  await hub.store.db.updateTable('updates').set(late).execute();
  await ask(ANN, `/admin remove ${BOB}`);
  await pass(MINUTE);
  expect(await state()).toEqual(['queued']);
  // It says first that it is still looking what it did before it went.
  const { engine } = hub;
  let recovered = false;
  await device.connect({
    connected: engine.connected,
    async received(peer, epoch, message) {
      const said = message.type === 'inventory' ? { ...message, recovered } : message;
      await engine.received(peer, epoch, said);
    },
  });
  await pass(30 * SECOND);
  recovered = true;
  await device.inventory();
  await pass(MINUTE);
  device.locked = undefined;
  await pass(MINUTE);
  expect(await state()).toEqual(['cancelled']);
  expect(device.carriedOut.filter((one) => one.state === 'succeeded')).toEqual([]);
  expect(finals(event)).toBe(1);
});

test('a cancel while the device is away is told to it when it is back, whatever it was doing when it went', async () => {
  await team('none');
  device.locked = 'busy';
  const event = await tell(BOB, '/update now web');
  await pass(10 * SECOND);
  expect(await state()).toEqual(['waiting']);
  await device.disconnect(hub.engine);
  await ask(BOB, '/update cancel');
  await pass(MINUTE);
  expect(await state()).toEqual(['waiting']);
  await device.connect(hub.engine);
  await pass(MINUTE);
  expect(await state()).toEqual(['cancelled']);
  expect(finals(event)).toBe(1);
});
