import { setTimeout as delay } from 'node:timers/promises';
import { type ChatWorld, makeChatWorld } from '../test/support/chat-world.ts';
import { startDiscord } from '../test/support/discord/index.ts';
import { startFeishu } from '../test/support/feishu/index.ts';
import { startTelegram } from '../test/support/telegram/index.ts';
import { type Benchmark, median, percentile, show, spread, valueFigure } from './figure.ts';

const COMMANDS = 60;
const MEDIAN_BAR = 30;
const P99_BAR = 100;
const TEXTS = ['/help', '/update status web', '/update'];
/** Platforms let a bot say one thing a second in a chat. */
const PACE_MS = 1_050;
const LIMIT_MS = 20_000;
const STARTS = [startFeishu, startDiscord, startTelegram];

/**
 * From an event that a platform's local server tells to the first reply that it shows, less what one request to that
 * server takes at least. A reply is more than one request on each platform (the event, the acknowledgement, the
 * message), so the rest is Fettle's time and some of the platform's.
 */
export const chats: Benchmark = {
  name: 'chats',
  about: 'chat command to first reply over Feishu, Discord and Telegram, less a bare request to the same server',
  async run(tools) {
    const measured = [];
    for (const start of STARTS) {
      tools.progress('starting Fettle with a chat');
      const world = await makeChatWorld(start);
      tools.cleanup(() => world.close());
      measured.push({ world, trips: [] as number[], replies: [] as number[] });
    }
    for (let i = 0; i < COMMANDS; i += 1) {
      const pace = delay(PACE_MS);
      // One after the other, so that one hub alone has work to do.
      for (const { world, trips, replies } of measured) {
        trips.push(await bareTrip(world));
        replies.push(await firstReply(world, TEXTS[i % TEXTS.length] ?? ''));
      }
      if ((i + 1) % 20 === 0) tools.progress(`${i + 1} of ${COMMANDS} commands`);
      await pace;
    }
    return measured.flatMap(({ world, trips, replies }) => {
      const floor = median(trips);
      const note = `${COMMANDS} commands (${TEXTS.join(', ')}); middle half ${spread(replies)}, longest ${show(Math.max(...replies))}`;
      const above = { unit: 'ms', floor, note };
      const name = `reply-${world.chat.platform}`;
      return [
        valueFigure(`${name}-median`, { ...above, value: median(replies) - floor, bar: MEDIAN_BAR }),
        valueFigure(`${name}-p99`, { ...above, value: percentile(replies, 0.99) - floor, bar: P99_BAR }),
      ];
    });
  },
};

/** Milliseconds of a request that the platform's server answers at once: there is nothing at the address. */
async function bareTrip({ chat }: ChatWorld): Promise<number> {
  const address = Object.values(chat.config).find((value) => String(value).startsWith('http://'));
  const began = performance.now();
  const response = await fetch(`${String(address)}/nothing`);
  await response.arrayBuffer();
  return performance.now() - began;
}

async function firstReply({ chat }: ChatWorld, text: string): Promise<number> {
  const before = chat.messages().length;
  const began = performance.now();
  await chat.type(text, { place: 'direct' });
  while (chat.messages().length === before) {
    if (performance.now() > began + LIMIT_MS) throw new Error(`${chat.platform}: ${text} was not answered`);
    // The server is in this process: looking without a pause would take the time of what is measured.
    await delay(1);
  }
  return performance.now() - began;
}
