import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ChatPlatform } from '../support/chat-platform.ts';
import { type ChatWorld, makeChatWorld } from '../support/chat-world.ts';
import { startTelegram } from '../support/telegram/index.ts';
import { until } from '../support/until.ts';

/** What the hub's file says of the chats is what the shipped hub does. */

let world: ChatWorld;
let telegram: ChatPlatform;

const TOKEN = `${Buffer.from('123456789012345678').toString('base64url')}.abcdef.${'x'.repeat(38)}`;

beforeAll(async () => {
  telegram = await startTelegram();
  const environment = {
    ...telegram.environment,
    FETTLE_DISCORD_TOKEN: TOKEN,
    HTTPS_PROXY: 'socks5://127.0.0.1:1080',
  };
  world = await makeChatWorld(async () => ({ ...telegram, environment }), {
    chats: { telegram: { ...telegram.config, proxy: 'none' }, discord: {}, rate: { burst: 3, perMinute: 1 } },
  });
}, 90_000);
afterAll(() => world?.close());

test('a chat whose proxy is none is said to have failed, and the hub serves the others', async () => {
  const from = telegram.messages().length;
  await telegram.type('/update status', { place: 'direct' });
  const { text } = await world.shown('the status', (message) => message.text.includes('HTTPS_PROXY'), from);
  expect(text).toContain('Discord');
  expect(text).toContain('socks5://127.0.0.1:1080');
});

test('chats.rate counts: a burst, then a wait that is told once', async () => {
  const from = telegram.messages().length;
  const { ben } = telegram.people;
  // The claim and the status above were Anna's; another person has a burst of their own.
  await world.home.fettle(['say', `/admin add telegram:${ben} operator`]);
  const events: string[] = [];
  for (let n = 0; n < 6; n += 1) events.push(await telegram.type('/help', { place: 'direct', person: ben }));
  await until('all of them read', () => {
    const done = world.query<{ event_id: string }>('select event_id from inbox where done = 1');
    return events.every((id) => done.some(({ event_id }) => event_id === id));
  });
  await world.quiet();
  const told = telegram.messages().slice(from);
  const late = told.filter(
    ({ person, chat, text }) => (person ?? chat) === ben && /wait|again in|too many/i.test(text),
  );
  expect(told.filter(({ chat, person }) => (person ?? chat) === ben)).toHaveLength(4);
  expect(late).toHaveLength(1);
});
