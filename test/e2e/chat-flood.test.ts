import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { numbers } from '../support/numbers.ts';
import { makeThreeChats, type ThreeChats } from '../support/three-chats.ts';
import { until } from '../support/until.ts';

/**
 * kill -9 of a hub under a flood of commands on three platforms at once, at moments drawn by a seed. `FLOOD_ROUNDS` and
 * `FLOOD_SEED` ask for more of it, and for others.
 */

const rounds = Number(process.env.FLOOD_ROUNDS ?? 2);
const seed = Number(process.env.FLOOD_SEED ?? 1_000);
/** Commands of each platform in a round. */
const COMMANDS = 8;

let three: ThreeChats;
beforeAll(async () => {
  three = await makeThreeChats();
}, 120_000);
afterAll(() => three?.close(), 60_000);

test.each(Array.from({ length: rounds }, (_, round) => seed + round))(
  'a flood with kills, seed %i',
  {
    timeout: 180_000,
  },
  async (one) => {
    const { world, chats } = three;
    const random = numbers(one);
    const asked: { platform: string; event: string; word: string }[] = [];
    const floods = chats.map(async (chat) => {
      for (let i = 0; i < COMMANDS; i += 1) {
        await delay(random(400));
        const word = `app-${one}-${chat.platform}-${i}`;
        const place = random(2) === 0 ? 'direct' : 'group';
        const event = await chat.type(`/update now ${word}`, { place });
        asked.push({ platform: chat.platform, event, word });
      }
      if (chat.platform !== chats[one % 3]?.platform) return;
      const event = await chat.type('/update restart web');
      asked.push({ platform: chat.platform, event, word: '' });
    });
    for (let kills = 0; kills < 2; kills += 1) {
      await delay(random(1_500));
      await three.kill();
    }
    await Promise.all(floods);
    const chatOf = (platform: string) => chats.find((chat) => chat.platform === platform);
    const isTold = ({ platform, event }: (typeof asked)[number]) =>
      // Nobody acknowledges a message of Discord, nor tells a command again that was not acknowledged.
      platform === 'discord' || chatOf(platform)?.acknowledgedAfter(event) !== undefined;
    await until('all to be acknowledged', () => asked.every(isTold), 60_000);
    await three.settled();

    const wrong = asked.flatMap(({ platform, event, word }) => {
      const chat = chatOf(platform);
      const must = platform !== 'discord' || chat?.acknowledgedAfter(event) !== undefined;
      const finals = world.query<{ state: string }>(
        `select state from outbox where platform = '${platform}' and answers = '${event}' and final = 1`,
      );
      const shown = word === '' ? 1 : chat?.messages().filter(({ text }) => new RegExp(`${word}\\b`).test(text)).length;
      const right = finals.length === 1 && finals[0]?.state === 'sent' && shown === 1;
      const none = !must && finals.length === 0 && (word === '' || shown === 0);
      return right || none ? [] : [{ platform, event, word, finals, shown, must }];
    });
    expect(wrong).toEqual([]);
    const [restart] = asked.filter(({ word }) => word === '');
    const updates = world.query(`select 1 from updates where event_id = '${restart?.event}'`).length;
    expect(updates).toBe(
      chatOf(restart?.platform ?? '')?.acknowledgedAfter(restart?.event ?? '') === undefined ? updates : 1,
    );
    expect(updates).toBeLessThanOrEqual(1);
    expect(world.query('pragma integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    expect(world.query("select key, state from outbox where state = 'dead' or sending_since is not null")).toEqual([]);
    const { megabytes } = three.uses();
    console.log(`seed ${one}: ${asked.length} commands, 2 kills, the hub has ${megabytes} MB`);
    expect(megabytes).toBeLessThan(400);
  },
);
