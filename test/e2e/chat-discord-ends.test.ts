import { expect, test } from 'vitest';
import { makeChatWorld } from '../support/chat-world.ts';
import { startDiscord } from '../support/discord/index.ts';
import { startTelegram } from '../support/telegram/index.ts';
import { until } from '../support/until.ts';

/** What ends on Discord while the hub goes on: a token of an interaction after 15 minutes, and the connection itself. */

const MINUTE = 60_000;

test('an update that outlives its interaction tells its result', { timeout: 180_000 }, async () => {
  const discord = await startDiscord();
  const world = await makeChatWorld(async () => discord);
  try {
    await world.release('slow', '1.1.0');
    const from = discord.messages().length;
    await discord.type('/update now slow', { place: 'group' });
    const card = await world.shown('the card', ({ text }) => text.includes('1.1.0'), from);
    const calls = discord.calls().length;
    // From here on the token is refused (Interactions, Followup Messages: "Interaction tokens are valid for 15 minutes").
    discord.advance(16 * MINUTE);
    const result = await world.shown('the result', ({ text }) => text.includes('back online, 1.1.0'), from, 60_000);
    await world.quiet();
    const shown = discord.messages().slice(from);
    expect(shown.map(({ id }) => id)).toEqual([card.id, result.id]);
    expect([result.chat, result.place]).toEqual([card.chat, 'group']);
    // The card was followed to its end, too; and nothing was tried with the token.
    expect(shown[0]?.earlier.length).toBeGreaterThan(card.earlier.length);
    const later = discord.calls().slice(calls);
    expect(later.filter(({ name }) => name.includes('/webhooks/'))).toEqual([]);
    expect(later.filter(({ answered }) => typeof answered === 'number' && answered >= 400)).toEqual([]);

    // A promised answer whose token ends before it is filled becomes an ordinary message.
    const before = discord.messages().length;
    const hub = world.pidOf('hub') ?? 0;
    discord.fault({ on: 'send', do: 'status', status: 503 });
    const event = await discord.type('/update status slow', { place: 'group' });
    await until('the acknowledgement', () => discord.acknowledgedAfter(event) !== undefined);
    discord.advance(16 * MINUTE);
    await world.shown('the answer', ({ text }) => text.includes('slow 1.1.0'), before);
    await world.quiet();
    expect(discord.messages().slice(before)).toHaveLength(1);
    expect(world.pidOf('hub')).toBe(hub);
  } finally {
    await world.close();
  }
});

test('Discord refuses the intents of a hub that was connected: told in the other chat', {
  timeout: 120_000,
}, async () => {
  const discord = await startDiscord();
  const telegram = await startTelegram();
  const environment = { ...telegram.environment, ...discord.environment };
  const chats = { telegram: telegram.config, discord: discord.config };
  const world = await makeChatWorld(async () => ({ ...telegram, environment }), { chats });
  try {
    await discord.connected();
    const from = telegram.messages().length;
    const began = performance.now();
    discord.closeGateway(4014);
    const told = await world.shown('what is wrong', ({ title }) => title === 'Discord is not connected', from);
    expect(performance.now() - began).toBeLessThan(MINUTE);
    expect(told.place).toBe('direct');
    // What to change is said, and where.
    expect(told.text).toMatch(/intent/i);
    expect(told.text).toMatch(/discord\.com|Developer Portal|Bot page/i);
    // The hub goes on, with one chat fewer.
    const asked = telegram.messages().length;
    await telegram.type('/update status web', { place: 'direct' });
    await world.shown('the answer', ({ text }) => text.includes('web 1.0.0'), asked);
    expect(discord.connections()).toBe(0);
  } finally {
    await world.close();
    await discord.close();
  }
});
