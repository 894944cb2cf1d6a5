import { createConnection } from 'node:net';
import { join } from 'node:path';
import { openChat } from './chat.ts';
import { startFettle } from './fettle.ts';
import { type Benchmark, median, percentile, show, spread, valueFigure } from './figure.ts';
import { startHelper } from './helper.ts';

const COMMANDS = 300;
const MEDIAN_BAR = 30;
const P99_BAR = 100;
const TEXTS = ['/help', '/update status app', '/update'];

/** From a command at a terminal to its first reply, less what a round trip on such a socket takes at least. */
export const reply: Benchmark = {
  name: 'reply',
  about: 'chat command to first reply over the terminal socket, less its own round trip',
  async run(tools) {
    const fettle = await startFettle(tools, ['1.0.0']);
    const chat = await openChat(tools, fettle);
    const path = join(fettle.layout.runtime.dir, 'echo.sock');
    await (await startHelper<{ path: string }, 'listening'>(tools, 'echo.ts')).ask({ path });
    const socket = createConnection(path);
    tools.cleanup(() => socket.destroy());
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const roundTrip = (text: string) =>
      new Promise<number>((resolve) => {
        const sent = performance.now();
        socket.once('data', () => resolve(performance.now() - sent));
        socket.write(`${JSON.stringify({ type: 'request', eventId: 'x'.repeat(36), text })}\n`);
      });
    const replies: number[] = [];
    const trips: number[] = [];
    for (let i = 0; i < COMMANDS; i += 1) {
      const text = TEXTS[i % TEXTS.length] ?? '';
      trips.push(await roundTrip(text));
      replies.push((await chat.say(text)).firstMs);
      if ((i + 1) % 100 === 0) tools.progress(`${i + 1} of ${COMMANDS} commands`);
    }
    const floor = median(trips);
    const note = `${COMMANDS} commands (${TEXTS.join(', ')}); middle half ${spread(replies)}, longest ${show(Math.max(...replies))}`;
    const above = { unit: 'ms', floor, note };
    return [
      valueFigure('reply-median', { ...above, value: median(replies) - floor, bar: MEDIAN_BAR }),
      valueFigure('reply-p99', { ...above, value: percentile(replies, 0.99) - floor, bar: P99_BAR }),
    ];
  },
};
