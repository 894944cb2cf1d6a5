import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSealer } from '../../src/protocol/frames.ts';
import type { HubMessage } from '../../src/protocol/messages.ts';
import { listDevices } from '../../src/store/devices.ts';
import { findUpdate } from '../../src/store/updates.ts';
import { type EngineHub, startEngineHub } from '../support/engine-hub.ts';
import { createFakeChat, type FakeChat } from '../support/fake-chat.ts';
import { connectRaw, deviceKey, inventory, type RawAgent, succeeded } from '../support/raw-agent.ts';
import { until } from '../support/until.ts';

let home: string;
let hub: EngineHub;
let chat: FakeChat;
const [keyOne, keyTwo] = [deviceKey(), deviceKey()];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'fettle-epochs-'));
  chat = createFakeChat();
  hub = await startEngineHub(home, chat);
});
afterEach(async ({ task }) => {
  if (process.env.FETTLE_PRINT)
    process.stdout.write(`    ${task.result?.state === 'fail' ? 'FAILED ' : 'holds  '} ${task.name}\n`);
  await hub.stop();
  rmSync(home, { recursive: true, force: true });
});

const one = () => connectRaw(hub, 'd-1', keyOne);
const two = () => connectRaw(hub, 'd-2', keyTwo);
const row = async (id: string) => {
  const found = await findUpdate(hub.store.db, id);
  if (!found) throw new Error(`no update ${id}`);
  return found;
};
const stored = async (id: string) => (await listDevices(hub.store.db)).find((device) => device.id === id);
const orderIn = (agent: RawAgent, update: string) =>
  until('an order', () =>
    agent.heard.find(
      (m): m is Extract<HubMessage, { type: 'order' }> => m.type === 'order' && m.order.update === update,
    ),
  );
/** Settles when the hub has worked on everything that this device said before. */
async function settled(agent: RawAgent, device = 'd-1'): Promise<void> {
  const read = hub.logs.read(device, device, 'web', 1, AbortSignal.timeout(10_000));
  const asked = await until('a question', () =>
    agent.heard.find((m): m is Extract<HubMessage, { type: 'read-log' }> => m.type === 'read-log'),
  );
  agent.heard.splice(0);
  agent.say({ type: 'log', request: asked.request, text: 'x' });
  await read;
}
/** An update that the device has taken. */
async function taken(agent: RawAgent, device = 'd-1'): Promise<{ id: string; order: string }> {
  agent.say(inventory());
  const id = await hub.ask(device);
  const { order } = await orderIn(agent, id);
  agent.say({ type: 'order-ack', order: order.id, update: id, accepted: true });
  await until('it to be taken', async () => (await row(id)).state === 'received');
  return { id, order: order.id };
}

test('the newer connection wins, and the end of the older does not take the device offline', async () => {
  const older = await one();
  older.say(inventory());
  const newer = await one();
  expect(await older.closed).toEqual({ code: 4002, reason: 'a newer connection of this device' });
  newer.say(inventory());
  await settled(newer);
  expect(hub.gateway.isConnected('d-1')).toBe(true);
  expect(await stored('d-1')).toMatchObject({ connected: 1, epoch: 2 });
  const id = await hub.ask('d-1');
  expect((await orderIn(newer, id)).order.device).toBe('d-1');
  await newer.close();
  await until('the device to be offline', async () => (await stored('d-1'))?.connected === 0);
});

test('what the older connection still says counts no more; its result on the new one counts once', async () => {
  const older = await one();
  const { id } = await taken(older);
  // Said on the old connection at the moment at which the new one is there.
  const newer = await one();
  older.say(succeeded(id));
  await older.closed;
  await settled(newer);
  expect((await row(id)).state).toBe('received');
  newer.say(succeeded(id));
  newer.say(succeeded(id));
  await until('two acknowledgements', () => newer.heard.filter(({ type }) => type === 'outcome-ack').length === 2);
  expect((await row(id)).state).toBe('succeeded');
  await until('the answer', () => hub.answers(id).length > 0);
  expect(hub.answers(id)).toHaveLength(1);
});

test('a result that comes after a restart of the hub is reconciled by its update, once', async () => {
  const { id } = await taken(await one());
  const before = hub;
  await before.stop();
  hub = await startEngineHub(home, chat);
  const again = await one();
  again.say(succeeded(id));
  again.say(inventory());
  await until('an acknowledgement', () => again.heard.some(({ type }) => type === 'outcome-ack'));
  await until('the answer', () => hub.answers(id).length > 0);
  await again.close();
  const third = await one();
  third.say(succeeded(id));
  await until('an acknowledgement', () => third.heard.some(({ type }) => type === 'outcome-ack'));
  expect(hub.answers(id)).toHaveLength(1);
});

test("a device that speaks of another's update is refused and logged, whatever it says of it", async () => {
  const owner = await one();
  const liar = await two();
  const { id, order } = await taken(owner);
  const { outcome } = succeeded(id);
  liar.say({ type: 'report', update: id, seq: 99, state: 'probing', at: 1 });
  liar.say({ type: 'order-ack', order, update: id, accepted: false });
  liar.say(succeeded(id));
  liar.say({ type: 'local-outcome', outcome, by: 'mallory' });
  await settled(liar, 'd-2');
  expect(await row(id)).toMatchObject({ state: 'received', outcome: null });
  expect(liar.heard.some(({ type }) => type === 'outcome-ack')).toBe(false);
  const said = hub.log.filter((line) => line.includes('d-2') && line.includes(id));
  expect(said.map((line) => /a report|an answer|an outcome/.exec(line)?.[0])).toEqual([
    'a report',
    'an answer',
    'an outcome',
    'an outcome',
  ]);
  expect(said.every((line) => line.includes('capability_denied: '))).toBe(true);
  expect(hub.answers(id)).toEqual([]);
});

test('an answer to a question counts from the device alone that was asked', async () => {
  const [asked, liar] = [await one(), await two()];
  asked.say(inventory());
  const read = hub.logs.read('d-1', 'd-1', 'web', 5, AbortSignal.timeout(10_000));
  const question = await until('a question', () =>
    asked.heard.find((m): m is Extract<HubMessage, { type: 'read-log' }> => m.type === 'read-log'),
  );
  liar.say({ type: 'log', request: question.request, text: 'forged' });
  await settled(liar, 'd-2');
  asked.say({ type: 'log', request: question.request, text: 'true' });
  expect(await read).toBe('true');

  const { id } = await taken(asked);
  const cancelled = hub.engine.cancel(id);
  await until('the question', () => asked.heard.some(({ type }) => type === 'cancel'));
  liar.say({ type: 'cancel-result', update: id, accepted: true, state: 'fetching' });
  await settled(liar, 'd-2');
  asked.say({ type: 'cancel-result', update: id, accepted: false, state: 'probing' });
  expect(await cancelled).toMatchObject({ accepted: false });
});

test('a device that tells the end of an update that was never ordered of it is not believed', async () => {
  const agent = await one();
  agent.say(inventory());
  const id = await hub.ask('d-1', 'web', { approval: 'second' });
  agent.say({ type: 'report', update: id, seq: 1, state: 'probing', at: 1 });
  agent.say(succeeded(id));
  await settled(agent);
  expect((await row(id)).state).toBe('approving');
});

test.each(['order_expired', 'order_replayed', 'capability_denied'])(
  'an order that is refused with %s ends the update, with that code and what to do, in its thread',
  async (code) => {
    const agent = await one();
    agent.say(inventory());
    const id = await hub.ask('d-1');
    const { order } = await orderIn(agent, id);
    const problem = { code, data: { app: 'web' }, retryable: false };
    agent.say({ type: 'order-ack', order: order.id, update: id, accepted: false, problem });
    await until('the answer', () => hub.answers(id).length > 0);
    expect(JSON.parse((await row(id)).outcome ?? '{}')).toMatchObject({ state: 'failed', problem: { code } });
    expect(hub.answers(id)).toHaveLength(1);
    const expected = { order_expired: 'too late', order_replayed: 'had this order', capability_denied: 'own file' }[
      code
    ];
    expect(hub.answers(id)[0]?.text).toContain(expected);
    const message = chat.shown.find(({ key }) => key === `${id}/final`)?.message;
    expect(message?.route).toMatchObject({ chat: 'room', thread: 'thread-1' });
  },
);

test.each([
  [4006, 'what it got is not what the hub said'],
  [4003, 'the hub is not the one that it belongs to'],
])('a device that ends the connection with %i (%s) fails the update with bad_signature', async (code) => {
  const agent = await one();
  agent.say(inventory());
  const id = await hub.ask('d-1');
  await orderIn(agent, id);
  agent.socket.close(code, 'bad_signature');
  await until('the answer', () => hub.answers(id).length > 0);
  expect(JSON.parse((await row(id)).outcome ?? '{}')).toMatchObject({ problem: { code: 'bad_signature' } });
  expect(hub.answers(id)[0]?.text).toContain('signature');
  expect(hub.log.join('\n')).toContain('(bad_signature)');
});

test.each<[string, (agent: RawAgent, id: string) => void]>([
  ['unsigned', (agent, id) => agent.raw(JSON.stringify(succeeded(id)))],
  [
    'replayed',
    (agent, id) => {
      const frame = agent.sealer.seal(succeeded('u-none')) ?? '';
      agent.raw(frame);
      agent.raw(frame);
      agent.raw(agent.sealer.seal(succeeded(id)) ?? '');
    },
  ],
  [
    'out of order',
    (agent, id) => {
      agent.sealer.seal(inventory());
      agent.raw(agent.sealer.seal(succeeded(id)) ?? '');
    },
  ],
  ['changed', (agent, id) => agent.raw((agent.sealer.seal(succeeded('u-none')) ?? '').replace('u-none', id))],
  [
    "with the hub's direction",
    (agent, id) => agent.raw(createSealer('hub', agent.nonces, keyOne.sign).seal(succeeded(id)) ?? ''),
  ],
  [
    'of another connection',
    (agent, id) =>
      agent.raw(createSealer('agent', { ...agent.nonces, hub: 'A'.repeat(32) }, keyOne.sign).seal(succeeded(id)) ?? ''),
  ],
  [
    "with another device's key",
    (agent, id) => agent.raw(createSealer('agent', agent.nonces, keyTwo.sign).seal(succeeded(id)) ?? ''),
  ],
])('a message that is %s does nothing, is logged, and ends the connection', async (_, attack) => {
  const agent = await one();
  // The attack must be the first thing that is said: its number would be right.
  const other = await two();
  await taken(other, 'd-2');
  const id = await hub.ask('d-1');
  attack(agent, id);
  expect(await agent.closed).toEqual({ code: 4006, reason: 'bad_signature' });
  expect((await row(id)).outcome).toBeNull();
  expect(hub.log.join('\n')).toContain('d-1: bad_signature');
  expect(hub.gateway.isConnected('d-1')).toBe(false);
});
