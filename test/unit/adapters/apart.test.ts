import { expect, test } from 'vitest';
import { keptApart } from '../../../adapters/apart.ts';
import type { Outgoing, Sink } from '../../../src/chat/contract.ts';
import { createFakeChat } from '../../support/fake-chat.ts';

const clock = { now: () => 7, monotonic: () => 7 };
const message = { key: 'k' } as Outgoing;

function stage(change: Partial<ReturnType<typeof createFakeChat>>, stopMs?: number) {
  const logged: string[] = [];
  const changes: string[] = [];
  const adapter = keptApart(
    { ...createFakeChat('telegram'), ...change },
    { clock, log: (event) => void logged.push(event) },
    stopMs,
  );
  const sink = { connectionChanged: () => void changes.push('changed') } as unknown as Sink;
  return { adapter, sink, logged, changes };
}

test('an adapter that can not start is shown as failed, and nobody else hears of it', async () => {
  const ended: string[] = [];
  const { adapter, sink, logged, changes } = stage({
    start: async () => {
      throw new Error('no room');
    },
    stop: async () => void ended.push('ended'),
  });
  await adapter.start(sink);
  expect(adapter.connection()).toMatchObject({
    state: 'failed',
    lastError: 'no room',
    problem: { code: 'chat_refused', data: { platform: 'telegram', reason: 'no room' } },
  });
  expect([changes.length, ended.length, logged]).toEqual([1, 1, ['chat_not_started']]);
  expect(await adapter.send(message)).toEqual({ result: 'unattended' });
  expect(await adapter.edit('r', message)).toEqual({ result: 'unattended' });
  await adapter.stop();
  expect([adapter.connection().state, ended.length]).toEqual(['stopped', 1]);
});

test.each([
  ['throws', async () => Promise.reject(new Error('no'))],
  ['never ends', () => new Promise<void>(() => undefined)],
])('an adapter whose end %s is left behind, and the log says so', async (_, stop) => {
  const { adapter, sink, logged } = stage({ stop }, 30);
  await adapter.start(sink);
  await adapter.stop();
  expect(logged).toEqual(['chat_not_stopped']);
});

test('one that works is handed through', async () => {
  const { adapter, sink, logged } = stage({ send: async () => ({ result: 'sent', ref: 'r1' }) });
  await adapter.start(sink);
  expect(adapter.connection().state).toBe('connected');
  expect(await adapter.send(message)).toEqual({ result: 'sent', ref: 'r1' });
  await adapter.stop();
  expect(logged).toEqual([]);
});
