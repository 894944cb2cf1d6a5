import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';
import { makeThreeChats, type ThreeChats } from '../support/three-chats.ts';
import { until } from '../support/until.ts';

/** The network of all three platforms is gone for a while: the only way to them is a proxy that refuses. */

const awayMs = Number(process.env.AWAY_SECONDS ?? 20) * 1_000;
const APPS = { telegram: 'web', discord: 'slow', feishu: 'vault' } as const;

let proxy: ConnectProxy;
let three: ThreeChats;
beforeAll(async () => {
  proxy = await startConnectProxy();
  three = await makeThreeChats({ proxy: proxy.url });
}, 120_000);
afterAll(async () => {
  await three?.close();
  await proxy?.close();
}, 60_000);

test('without a network the hub idles; when it is back, all that was due is told once, in order', {
  timeout: awayMs + 460_000,
}, async () => {
  const { world, chats } = three;
  const asked = new Map<string, string>();
  for (const chat of chats) {
    const words = ['first', 'second', 'third'].map((word) => `app-${word}`);
    asked.set(chat.platform, await chat.type(`/update restart ${APPS[chat.platform]}`, { place: 'direct' }));
    for (const word of words) await chat.type(`/update now ${word}`, { place: 'direct' });
  }
  await until('all of it to be stored', () => world.query('select 1 from inbox where done = 1').length >= 12);
  proxy.refuse(502);
  proxy.cut();
  const before = { cpu: three.uses(), at: performance.now(), messages: chats.map((chat) => chat.messages().length) };
  const ended = "select 1 from updates where kind = 'restart' and final_state = 'succeeded'";
  await until('the ends of the updates', () => world.query(ended).length === 3, 60_000);
  await delay(awayMs / 2);
  const half = { cpu: three.uses(), at: performance.now(), tries: proxy.refused.length };
  await delay(awayMs / 2);
  const end = { cpu: three.uses(), at: performance.now(), tries: proxy.refused.length };
  const spent = ((end.cpu.seconds - half.cpu.seconds) / (end.at - half.at)) * 1_000;
  console.log(
    `away ${Math.round((end.at - before.at) / 1_000)} s: ${end.tries} tries, ${end.tries - half.tries} of them in the last ` +
      `${Math.round((end.at - half.at) / 1_000)} s; ${(spent * 100).toFixed(1)} % of a processor then; ${end.cpu.megabytes} MB`,
  );
  expect(spent).toBeLessThan(0.1);
  // Three connections and as many chats with something to say: a loop without waits would make thousands.
  expect(end.tries - half.tries).toBeLessThan((end.at - half.at) / 500);
  expect(world.query("select 1 from outbox where state in ('pending', 'dirty')").length).toBeGreaterThan(0);
  const calls = chats.map((chat) => chat.calls().length);

  const back = performance.now();
  proxy.refuse(undefined);
  // Who has waited long looks rarely: a minute, or two.
  await until('all connections', () => three.connected().then(() => true), 180_000);
  await three.settled(180_000);
  console.log(`all told ${((performance.now() - back) / 1_000).toFixed(1)} s after it was back`);
  for (const [index, chat] of chats.entries()) {
    const edits = chat
      .calls()
      .slice(calls[index])
      .filter(({ what, answered }) => what === 'edit' && answered === 200);
    const told = chat.messages().map(({ text }) => text);
    const answers = told.flatMap((text) => /app-(first|second|third)\b/.exec(text)?.[1] ?? []);
    expect(answers, chat.platform).toEqual(['first', 'second', 'third']);
    const finals = world.query<{ state: string }>(
      `select state from outbox where platform = '${chat.platform}' and answers = '${asked.get(chat.platform)}' and final = 1`,
    );
    expect(finals, chat.platform).toEqual([{ state: 'sent' }]);
    const name = APPS[chat.platform];
    expect(
      told.filter((text) => text.includes(name) && /restarted|is back/.test(text)),
      chat.platform,
    ).toHaveLength(1);
    // The card of what went on meanwhile is brought to its end at once, without the steps in between.
    expect(edits.length, chat.platform).toBeLessThanOrEqual(2);
  }
});
