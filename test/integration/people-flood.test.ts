import { expect, test } from 'vitest';
import {
  ask,
  chats,
  claim,
  claimCode,
  hub,
  MINUTE,
  pass,
  shownIn,
  start,
  tell,
  usePeopleHub,
} from '../support/people-hub.ts';

/** Strangers, as many as they like: what they are told and what is kept of them is bounded, and others are served meanwhile. */

usePeopleHub();

const rows = async (table: 'inbox' | 'outbox' | 'identities' | 'meta') =>
  (await hub.store.db.selectFrom(table).selectAll().execute()).length;

test('a flood of one stranger: one line, and nothing more is kept', async () => {
  await start();
  await claim('telegram:11', 'Ann');
  const before = [await rows('inbox'), await rows('outbox'), await rows('meta')];
  for (let i = 0; i < 400; i += 1)
    await tell('telegram:66', `你好 ${'x'.repeat(100_000)}`, { name: 'E'.repeat(100_000) });
  await pass(10_000);
  const after = [await rows('inbox'), await rows('outbox'), await rows('meta')];
  expect(after.map((count, i) => count - (before[i] ?? 0))).toEqual([1, 1, 0]);
  expect(shownIn('telegram', 'dm-66')).toHaveLength(1);
  const [kept] = await hub.store.db.selectFrom('inbox').select('request').orderBy('received_at', 'desc').execute();
  expect(kept?.request.length).toBeLessThan(5_000);
});

test('a flood of many strangers: a few lines in a chat, some in all, and an admin is answered meanwhile', async () => {
  await start();
  await claim('telegram:11', 'Ann');
  const told = () => chats.telegram.shown.length;
  let before = told();
  for (let i = 0; i < 300; i += 1) await tell(`telegram:${1_000 + i}`, 'hi', { group: 'all' });
  await pass(5_000);
  expect(told() - before).toBeGreaterThan(5);
  expect(told() - before).toBeLessThanOrEqual(10);
  before = told();
  for (let i = 0; i < 700; i += 1) {
    await tell(`telegram:${2_000 + i}`, 'hi');
    await pass(2);
  }
  const mine = await ask('telegram:11', '/update');
  expect(mine.title).not.toBe('');
  await pass(10_000);
  expect(told() - before).toBeLessThanOrEqual(35);
  // The newest are in the list, told or not, so that they can be let in.
  expect(await rows('identities')).toBeLessThanOrEqual(610);
  expect((await hub.people.strangers()).some(({ id }) => id === 'telegram:2699')).toBe(true);
  expect(await rows('inbox')).toBeLessThan(60);
});

test('wrong codes of many accounts are answered only so often; a right one is all the same', async () => {
  await start();
  const code = await claimCode();
  for (let i = 0; i < 400; i += 1) await tell(`telegram:${1_000 + i}`, '/admin claim 2222-2222');
  await pass(5_000);
  expect(chats.telegram.shown.length).toBeLessThanOrEqual(70);
  // Five of them were tries: that code is worth nothing any more, and neither are further tries.
  expect((await ask('discord:22', `/admin claim ${code}`)).text?.join() ?? '').not.toContain('admin of this hub');
  expect(await hub.people.roleOf('discord', '22')).toBeUndefined();
  const fresh = await claimCode();
  expect((await ask('telegram:11', `/admin claim ${fresh}`)).title).toBe('You are an admin of this hub now');
});

test('a stranger who goes on is told once an hour that it is too much', async () => {
  await start();
  await claim('telegram:11');
  for (let minute = 0; minute < 30; minute += 1) {
    for (let i = 0; i < 4; i += 1) await tell('telegram:66', '/admin claim 2222-2222');
    await pass(MINUTE);
  }
  const titles = shownIn('telegram', 'dm-66').map(({ title }) => title);
  expect(titles.filter((title) => !/claim|code/i.test(title))).toHaveLength(1);
  expect(titles.length).toBeLessThan(45);
});
