import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Connection } from '../../src/chat/contract.ts';
import { createAnnouncer } from '../../src/rollout/announce.ts';
import { type Connections, createConnections } from '../../src/rollout/connections.ts';
import { rememberAdminChat } from '../../src/store/admin-chats.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { putMessage } from '../../src/store/outbox.ts';
import { createSettings } from '../support/settings.ts';

/** What is told of a chat that is away, on a real database with time simulated. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

let store: OpenStore;
let connections: Connections;
let discord: Connection;
const log: string[] = [];
const settings = createSettings({ timezone: 'Asia/Shanghai' });

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  vi.setSystemTime(Date.parse('2026-06-01T12:00:00Z'));
  store = await openStore(':memory:');
  log.length = 0;
  settings.change({ notify: 'all' });
  for (const [platform, language] of [
    ['discord', 'en'],
    ['feishu', 'zh'],
    ['terminal', 'en'],
  ] as const)
    await rememberAdminChat(store.db, { route: { platform, chat: platform }, language, at: 1 });
  is('connected');
  await start();
});
afterEach(async () => {
  await connections.stop();
  await store.close();
  vi.useRealTimers();
});

async function start(): Promise<void> {
  const platforms = ['discord', 'feishu', 'terminal'];
  const there = { platform: 'feishu', connection: (): Connection => ({ state: 'connected', since: 0 }) };
  connections = createConnections({
    db: store.db,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    adapters: [{ platform: 'discord', connection: () => discord }, there],
    announcer: createAnnouncer({ outbox: { put: putMessage }, settings, platforms }),
    outbox: { wake: () => undefined },
    log: (event, data) => void log.push(`${event} ${data.platform} ${data.state} ${data.code ?? ''}`.trim()),
  });
  await connections.start();
}

function is(
  state: Connection['state'],
  code?: 'chat_intents_missing' | 'chat_credentials_refused' | 'chat_permission_missing',
): void {
  const problem = code && { code, data: { platform: 'discord', what: 'token', where: 'the page' } };
  discord = { state, since: Date.now(), problem, lastError: problem && 'closed with 4014' };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
async function told(): Promise<{ title: string; text: string[]; key: string }[]> {
  const rows = await store.db.selectFrom('outbox').select(['key', 'reply']).orderBy('seq').execute();
  return rows.map(({ key, reply }) => ({ key, title: JSON.parse(reply).title, text: JSON.parse(reply).text }));
}
const titles = async () => (await told()).map(({ title }) => title);
const AWAY = ['Discord 未连接', 'Discord is not connected'];
const BACK = ['Discord 已重新连接', 'Discord is connected again'];

test('one that failed is told at once and once, in the other chats; and when it is back, over a restart of the hub', async () => {
  is('failed', 'chat_intents_missing');
  connections.changed('discord');
  await pass(100);
  expect(await titles()).toEqual(AWAY);
  expect((await told()).map(({ key }) => key.split('@')[1])).toEqual(['feishu:feishu', 'terminal:terminal']);
  expect((await told())[1]?.text).toEqual([
    'Discord refuses the events that Fettle asks for.',
    'Since 20:00, nothing that is written there is heard. What is to be told there waits.',
  ]);
  await pass(HOUR);
  await connections.stop();
  await start();
  await pass(HOUR);
  expect(await titles()).toEqual(AWAY);
  is('connected');
  await pass(20 * SECOND);
  expect(await titles()).toEqual(AWAY);
  await pass(30 * SECOND);
  expect(await titles()).toEqual([...AWAY, ...BACK]);
  expect((await told())[3]?.text).toEqual(['It was away for 2 h. What waited is told there now.']);
  await pass(HOUR);
  expect(await titles()).toHaveLength(4);
  expect(log.filter((line) => line.includes('discord'))).toEqual([
    'connection discord connected',
    'connection discord failed chat_intents_missing',
    'connection discord failed chat_intents_missing',
    'connection discord connected',
  ]);
});

test('a gap of a minute is nobody’s business; a longer one is told', async () => {
  is('connecting');
  await pass(50 * SECOND);
  is('connected');
  await pass(5 * MINUTE);
  expect(await titles()).toEqual([]);
  is('connecting');
  await pass(80 * SECOND);
  expect(await titles()).toEqual(AWAY);
});

test('one that hears and may not answer is told as well, after a minute', async () => {
  is('connected', 'chat_permission_missing');
  await pass(50 * SECOND);
  expect(await titles()).toEqual([]);
  await pass(30 * SECOND);
  expect(await titles()).toEqual(['Discord 无法回复', 'Discord lets nothing be answered']);
  is('connected');
  await pass(MINUTE);
  expect((await titles()).slice(2)).toEqual(BACK);
});

test('one that comes and goes is told of once an hour, and edited in between', async () => {
  for (let i = 0; i < 60; i += 1) {
    is('connecting');
    await pass(75 * SECOND);
    is('connected');
    await pass(45 * SECOND);
  }
  // Two hours: in two chats, at most one message of each kind an hour.
  const count = (await titles()).length;
  expect(count).toBeGreaterThanOrEqual(4);
  expect(count).toBeLessThanOrEqual(3 * 4);
  expect((await told())[1]?.text.at(-1)).toMatch(/^This is the \d+th time within an hour\.$/);
});

test('one that never holds is told once', async () => {
  for (let i = 0; i < 100; i += 1) {
    is('connecting');
    await pass(12 * SECOND);
    is('connected');
    await pass(12 * SECOND);
  }
  expect(await titles()).toEqual(AWAY);
});

test('another reason is said in the same message', async () => {
  is('failed', 'chat_intents_missing');
  await pass(20 * SECOND);
  is('failed', 'chat_credentials_refused');
  await pass(20 * SECOND);
  expect((await told()).map(({ text }) => text[0])).toEqual(['Discord 拒绝了 token。', 'Discord refuses the token.']);
});

test('with notifications off nothing is told, and it is made up for when they are on again', async () => {
  settings.change({ notify: 'off' });
  is('failed', 'chat_intents_missing');
  await pass(HOUR);
  expect(await titles()).toEqual([]);
  settings.change({ notify: 'failures' });
  await pass(20 * SECOND);
  expect(await titles()).toEqual(AWAY);
});

test('a hub that stops says nothing', async () => {
  is('stopped');
  await pass(HOUR);
  expect(await titles()).toEqual([]);
});
