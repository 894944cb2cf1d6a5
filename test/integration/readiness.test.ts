import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Adapter, Connection } from '../../src/chat/contract.ts';
import { createReadiness } from '../../src/cli/readiness.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';

/** Whether a hub is as well as the one before it was: what its update is measured by. */

let store: OpenStore;
const states: Record<string, Connection['state']> = {};
const adapter = (platform: string) =>
  ({ platform, connection: () => ({ state: states[platform] ?? 'connecting', since: 0 }) }) as Adapter;
const hubWith = (...platforms: string[]) =>
  createReadiness({ db: store.db, adapters: platforms.map(adapter), clock: { monotonic: () => performance.now() } });

/** One hub's life: starts, is looked at, ends. */
async function live(platforms: string[], during: (waitingFor: () => readonly string[]) => void | Promise<void>) {
  const hub = hubWith(...platforms);
  await hub.start();
  await during(hub.waitingFor);
  await hub.stop();
}

beforeEach(async () => {
  store = await openStore(':memory:');
  for (const platform of Object.keys(states)) delete states[platform];
});
afterEach(() => store.close());

test('before its start a hub is not well', () => {
  expect(hubWith('terminal').waitingFor()).toEqual(['its start']);
});

test('the first hub is well with whatever it has', async () => {
  await live(['terminal', 'feishu'], (waitingFor) => expect(waitingFor()).toEqual([]));
});

test('a chat that was connected before is waited for; one that never was is not', async () => {
  states.terminal = 'unattended';
  states.feishu = 'connected';
  states.discord = 'failed';
  await live(['terminal', 'feishu', 'discord'], (waitingFor) => expect(waitingFor()).toEqual([]));
  states.feishu = 'connecting';
  await live(['terminal', 'feishu', 'discord'], (waitingFor) => {
    expect(waitingFor()).toEqual(['feishu']);
    states.feishu = 'connected';
    expect(waitingFor()).toEqual([]);
  });
});

test('what is missing now is still waited for by the next hub', async () => {
  states.feishu = 'connected';
  await live(['feishu'], () => undefined);
  states.feishu = 'failed';
  await live(['feishu'], (waitingFor) => expect(waitingFor()).toEqual(['feishu']));
  await live(['feishu'], (waitingFor) => expect(waitingFor()).toEqual(['feishu']));
});

test('a chat that has been away for long is no longer what a hub is measured by', async () => {
  states.feishu = 'connected';
  await live(['feishu'], () => undefined);
  states.feishu = 'failed';
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  try {
    await live(['feishu'], async (waitingFor) => {
      await vi.advanceTimersByTimeAsync(9 * 60_000);
      expect(waitingFor()).toEqual(['feishu']);
      await vi.advanceTimersByTimeAsync(2 * 60_000);
      expect(waitingFor()).toEqual([]);
    });
  } finally {
    vi.useRealTimers();
  }
  await live(['feishu'], (waitingFor) => expect(waitingFor()).toEqual([]));
});

test('a chat that the configuration no longer has is not waited for', async () => {
  states.feishu = 'connected';
  await live(['feishu', 'terminal'], () => undefined);
  await live(['terminal'], (waitingFor) => expect(waitingFor()).toEqual([]));
});
