import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Delivery } from '../../../src/chat/contract.ts';
import { createOutbox, type Outbox } from '../../../src/chat/outbox.ts';
import { createRedactor } from '../../../src/domain/redact.ts';
import { type OpenStore, openStore } from '../../../src/store/open.ts';
import { createFakeChat, type FakeChat } from '../../support/fake-chat.ts';
import { until } from '../../support/until.ts';

/** Who waits for what in the outbox, and what ends the waiting: nothing may wait for ever, and no wait may be passed over. */

const HOUR = 60 * 60_000;

let store: OpenStore;
let chat: FakeChat;
let other: FakeChat;
let outbox: Outbox;
/** What somebody has set the clock forward by. */
let set: number;

const clock = { now: () => Date.now() + set, monotonic: () => performance.now() };

beforeEach(async () => {
  store = await openStore(':memory:');
  chat = createFakeChat('fake');
  other = createFakeChat('other');
  set = 0;
  outbox = createOutbox({
    db: store.db,
    clock,
    adapters: [chat, other],
    redact: createRedactor(),
    random: () => 1,
    log: () => undefined,
  });
  outbox.start();
});

afterEach(async () => {
  await outbox.stop();
  await store.close();
});

async function put(key: string, title: string, platform = 'fake'): Promise<void> {
  await outbox.put(store.db, {
    key,
    route: { platform, chat: 'c1' },
    reply: { tone: 'info', title },
    final: false,
    failed: false,
    now: clock.now(),
  });
  outbox.wake();
}

const rowOf = (key: string) =>
  store.db.selectFrom('outbox').selectAll().where('key', '=', key).executeTakeFirstOrThrow();
const settled = (key: string, limitMs?: number) =>
  until(`${key} sent`, async () => (await rowOf(key)).state === 'sent', limitMs);
const change = (key: string, to: { attempts?: number; next_at?: number }) =>
  store.db.updateTable('outbox').set(to).where('key', '=', key).execute();
const tried = (key: string, n: number) =>
  until(`${key} tried ${n} times`, async () => (await rowOf(key)).attempts === n);
const titles = () => chat.shown.map(({ message }) => message.reply.title);
const retry = (afterMs: number): Delivery => ({ result: 'retry', afterMs, reason: 'no' });

test('who comes while a message is handed out gets it', async () => {
  chat.next(async () => {
    outbox.deliverable('fake');
    return { result: 'unattended' };
  });
  await put('k1', 'for whoever has come');
  await settled('k1');
});

test('what is refused again and again holds up what comes after it for a while alone', async () => {
  chat.next(retry(HOUR), retry(HOUR));
  await put('k1', 'stuck');
  await put('k2', 'after it');
  await tried('k1', 1);
  expect(titles()).toEqual([]);
  await change('k1', { attempts: 7, next_at: clock.now() });
  outbox.wake();
  await settled('k2');
  expect([titles(), (await rowOf('k1')).attempts]).toEqual([['after it'], 8]);
});

test('a connection that is back is worth a try at once; what a platform asked for is waited out', async () => {
  chat.next('throw');
  await put('k1', 'unlucky');
  await tried('k1', 1);
  chat.next('throw');
  await change('k1', { attempts: 9, next_at: clock.now() });
  outbox.wake();
  await tried('k1', 10);
  // 256 s by our own choice.
  expect((await rowOf('k1')).next_at - clock.now()).toBeGreaterThan(200_000);
  outbox.deliverable('fake');
  await settled('k1');
  chat.next(retry(HOUR));
  await put('k2', 'told to wait');
  await tried('k2', 1);
  const calls = chat.calls.length;
  outbox.deliverable('fake');
  await put('k3', 'another platform, to see that it was looked at', 'other');
  await until('k3', () => other.shown.length === 1);
  expect(chat.calls).toHaveLength(calls);
});

test('an edit that is refused does not hold up what is new', async () => {
  await put('k1', 'card');
  await settled('k1');
  const refusing = Promise.withResolvers<Delivery>();
  chat.next('throw', { result: 'sent', ref: '' }, () => refusing.promise);
  await put('k1', 'card, further');
  await tried('k1', 1);
  await change('k1', { next_at: clock.now() - 1_000 });
  await put('k2', 'the result');
  await until('the edit again', () => chat.calls.length === 4);
  expect(chat.calls.map(({ key, what }) => `${what} ${key}`)).toEqual(['send k1', 'edit k1', 'send k2', 'edit k1']);
  refusing.resolve({ result: 'sent', ref: 'm1' });
  await settled('k1');
});

test('what nobody reads on one platform keeps nothing from another', async () => {
  chat.attended = false;
  // More than are looked at in one go.
  const many = Array.from({ length: 1_100 }, (_, n) => n);
  await store.db.transaction().execute(async (trx) => {
    for (const n of many)
      await outbox.put(trx, {
        key: `news/${n}`,
        route: { platform: 'fake', chat: `c${n}` },
        reply: { tone: 'info', title: 'news' },
        final: false,
        failed: false,
        now: clock.now(),
      });
  });
  outbox.wake();
  await until('all tried', () => chat.calls.length >= many.length);
  await put('k1', 'read', 'other');
  await until('k1', () => other.shown.length === 1);
  chat.attended = true;
  outbox.deliverable('fake');
  await until('all read', () => chat.shown.length === many.length);
});

test('replaced while the platform refuses it for good: the new one is another message, and is sent', async () => {
  chat.next(async () => {
    await put('k1', 'in other words');
    return { result: 'impossible', reason: 'not in these words' };
  });
  await put('k1', 'in these words');
  await settled('k1');
  expect(titles()).toEqual(['in other words']);
});

test.each([
  ['an hour', -HOUR],
  ['two years', -2 * 365 * 24 * HOUR],
])('a clock that is set back by %s: what waits is sent in its time, what is edited too', async (_, by) => {
  await put('k0', 'card');
  await settled('k0');
  chat.next(retry(1_000));
  await put('k1', 'waits');
  await tried('k1', 1);
  const began = performance.now();
  set = by;
  outbox.wake();
  await put('k0', 'card, further');
  await settled('k0', 3_000);
  await settled('k1', 4_000);
  // A clock that is a day off and more can't tell what was asked for.
  if (by === -HOUR) expect(performance.now() - began).toBeGreaterThan(500);
});

test('a clock that is set to the right day gives nothing up', async () => {
  set = -Date.now();
  chat.next('throw', 'throw');
  await put('k1', 'from 1970');
  await tried('k1', 1);
  set = 0;
  await settled('k1');
  expect(titles()).toEqual(['from 1970']);
});
