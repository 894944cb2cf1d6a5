import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ChatPlatform } from '../support/chat-platform.ts';
import { type ChatWorld, makeChatWorld } from '../support/chat-world.ts';
import { startDiscord } from '../support/discord/index.ts';
import { startFeishu } from '../support/feishu/index.ts';
import { startTelegram } from '../support/telegram/index.ts';

/** The bot is put out of the group while an update runs that was asked for there: the shipped hub, the real libraries. */

interface Removable {
  readonly chat: ChatPlatform;
  expel(): void;
  invite(): void;
}

const PLATFORMS: Readonly<
  Record<string, { start(): Promise<Removable>; logged: string; name: string; asks?: string }>
> = {
  telegram: {
    async start() {
      const chat = await startTelegram();
      return { chat, expel: () => chat.expel('group'), invite: () => chat.invite('group') };
    },
    logged: 'telegram_standing',
    name: 'Telegram',
  },
  feishu: {
    async start() {
      const chat = await startFeishu();
      return { chat, expel: () => chat.member(false), invite: () => chat.member(true) };
    },
    logged: 'feishu_removed_from_chat',
    name: 'Feishu',
  },
  // By a mention: what answers a slash command may be said for a while wherever the bot is.
  discord: {
    async start() {
      const chat = await startDiscord();
      return { chat, expel: () => chat.kick(), invite: () => chat.invite() };
    },
    logged: 'discord_removed',
    name: 'Discord',
    asks: 'update now slow',
  },
};

test.each(Object.entries(PLATFORMS))(
  '%s: the result is told to the admin, and all is well after it is let in again',
  {
    timeout: 120_000,
  },
  async (_, platform) => {
    let world: ChatWorld | undefined;
    const removable = await platform.start();
    try {
      const { chat } = removable;
      world = await makeChatWorld(async () => chat);
      const hub = world.pidOf('hub');
      await world.release('slow', '1.1.0');
      let from = chat.messages().length;
      await chat.type(platform.asks ?? '/update now slow', { place: 'group' });
      await world.shown('the progress', ({ place, earlier }) => place === 'group' && earlier.length > 0, from);
      removable.expel();
      const told = await world.shown(
        'the result elsewhere',
        ({ place, text }) => place === 'direct' && text.includes('was not told'),
        from,
        60_000,
      );
      expect(told.text).toContain('back online');
      expect(world.query("select state from updates where app = 'slow' and kind = 'update'")).toEqual([
        { state: 'succeeded' },
      ]);
      await world.quiet();
      const log = readFileSync(world.home.layout.appLog('hub'), 'utf8');
      expect(log).toContain(platform.logged);
      expect(log).toMatch(/message_impossible .*\/final/);
      const status = await world.home.fettle(['status']);
      expect(status.out).toMatch(
        new RegExp(`! ${platform.name}: 1 answer could not be given in the chat \\S+ \\(.*Add the bot`),
      );
      const doctor = await world.home.fettle(['doctor']);
      expect(doctor.out).toMatch(new RegExp(`${platform.name}: 1 answer could not be given in the chat`));
      // Nothing is tried for ever.
      const calls = chat.calls().filter(({ what }) => what === 'send' || what === 'edit').length;
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      expect(chat.calls().filter(({ what }) => what === 'send' || what === 'edit')).toHaveLength(calls);

      removable.invite();
      from = chat.messages().length;
      await chat.type('/update check slow', { place: 'group' });
      await world.shown('an answer', ({ place }) => place === 'group', from);
      await world.quiet();
      expect((await world.home.fettle(['status'])).out).not.toContain('could not be given');
      expect(world.pidOf('hub')).toBe(hub);
    } finally {
      await world?.close();
      if (!world) await removable.chat.close();
    }
  },
);
