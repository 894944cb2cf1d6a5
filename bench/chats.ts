import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type ChatWorld, makeChatWorld } from '../test/support/chat-world.ts';
import { startDiscord } from '../test/support/discord/index.ts';
import { startFeishu } from '../test/support/feishu/index.ts';
import { startTelegram } from '../test/support/telegram/index.ts';
import { type Benchmark, type Figure, median, percentile, show, spread, valueFigure } from './figure.ts';

const COMMANDS = 60;
const MEDIAN_BAR = 30;
const P99_BAR = 100;
const TEXTS = ['/help', '/update status web', '/update'];
/** Platforms let a bot say one thing a second in a chat. */
const PACE_MS = 1_050;
const STARTS = [startFeishu, startDiscord, startTelegram];

/** From an event that a platform tells to the first reply that it takes, less a bare round trip on loopback. */
export const chats: Benchmark = {
  name: 'chats',
  about: "chat command to first reply on each chat platform's own library, less a bare round trip",
  async run(tools) {
    const figures: Figure[] = [];
    for (const start of STARTS) {
      const world = await makeChatWorld(start);
      tools.cleanup(() => world.close());
      const trips: number[] = [];
      const replies: number[] = [];
      const bare = await bareServer();
      tools.cleanup(() => bare.close());
      for (let i = 0; i < COMMANDS; i += 1) {
        trips.push(await timed(() => fetch(bare.url).then((response) => response.text())));
        replies.push(await firstReply(world, TEXTS[i % TEXTS.length] ?? ''));
        if ((i + 1) % 20 === 0) tools.progress(`${world.chat.platform}: ${i + 1} of ${COMMANDS} commands`);
        await delay(PACE_MS);
      }
      const floor = median(trips);
      const note = `${COMMANDS} commands (${TEXTS.join(', ')}); middle half ${spread(replies)}, longest ${show(Math.max(...replies))}`;
      const above = { unit: 'ms', floor, note };
      const name = `reply-${world.chat.platform}`;
      figures.push(
        valueFigure(`${name}-median`, { ...above, value: median(replies) - floor, bar: MEDIAN_BAR }),
        valueFigure(`${name}-p99`, { ...above, value: percentile(replies, 0.99) - floor, bar: P99_BAR }),
      );
      await world.close();
      await bare.close();
    }
    return figures;
  },
};

async function firstReply({ chat }: ChatWorld, text: string): Promise<number> {
  const before = chat.messages().length;
  return timed(async () => {
    await chat.type(text, { place: 'direct' });
    const end = performance.now() + 20_000;
    while (chat.messages().length === before) {
      if (performance.now() > end) throw new Error(`${chat.platform} was not answered`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function bareServer(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((_, response) => response.end('{}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
