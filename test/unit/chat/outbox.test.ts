import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createOutbox, type Outbox } from '../../../src/chat/outbox.ts';
import { createRedactor } from '../../../src/domain/redact.ts';
import { type OpenStore, openStore } from '../../../src/store/open.ts';
import { createFakeChat, type FakeChat } from '../../support/fake-chat.ts';
import { until } from '../../support/until.ts';

let store: OpenStore;
let chat: FakeChat;
let outbox: Outbox;
const outboxes: Outbox[] = [];

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

function start(): Outbox {
  const made = createOutbox({
    db: store.db,
    clock,
    adapters: [chat],
    redact: createRedactor({ secrets: ['hunter22'] }),
    random: () => 0,
    log: () => undefined,
  });
  outboxes.push(made);
  made.start();
  return made;
}

beforeEach(async () => {
  store = await openStore(':memory:');
  chat = createFakeChat();
  outbox = start();
});

afterEach(async () => {
  for (const one of outboxes.splice(0)) await one.stop();
  await store.close();
});

async function put(key: string, title: string, options: { final?: boolean; chat?: string; answers?: string } = {}) {
  await store.db.transaction().execute(async (trx) => {
    await outbox.put(trx, {
      key,
      route: { platform: 'fake', chat: options.chat ?? 'c1' },
      reply: { tone: 'info', title },
      answers: options.answers,
      final: options.final ?? false,
      failed: false,
      now: Date.now(),
    });
  });
  outbox.wake();
}

const titles = () => chat.shown.map(({ message }) => message.reply.title);
const rowOf = (key: string) =>
  store.db.selectFrom('outbox').selectAll().where('key', '=', key).executeTakeFirstOrThrow();
const settled = (key: string) => until(`${key} sent`, async () => (await rowOf(key)).state === 'sent');

test('sends in order, once', async () => {
  for (const n of [1, 2, 3, 4]) await put(`k${n}`, `message ${n}`);
  await settled('k4');
  expect(titles()).toEqual(['message 1', 'message 2', 'message 3', 'message 4']);
  expect(chat.calls).toHaveLength(4);
});

test('a message whose transaction is undone is never sent', async () => {
  const undone = store.db.transaction().execute(async (trx) => {
    await outbox.put(trx, {
      key: 'k1',
      route: { platform: 'fake', chat: 'c1' },
      reply: { tone: 'info', title: 'never' },
      final: true,
      failed: false,
      now: Date.now(),
    });
    throw new Error('undone');
  });
  await expect(undone).rejects.toThrow('undone');
  outbox.wake();
  await delay(50);
  expect(chat.calls).toEqual([]);
});

test('secrets are hidden in every word that leaves', async () => {
  await put('k1', 'the password is hunter22');
  await settled('k1');
  expect(titles()).toEqual(['the password is [hidden]']);
});

describe('edits', () => {
  test('are coalesced: the newest state, at most one in an interval, the last one always', async () => {
    await put('k1', 'state 0');
    await settled('k1');
    const began = Date.now();
    for (let n = 1; n <= 40; n += 1) {
      await put('k1', `state ${n}`);
      await delay(5);
    }
    await until('the last state', () => titles()[0] === 'state 40');
    const edits = chat.calls.filter(({ what }) => what === 'edit');
    expect(edits.length).toBeGreaterThan(1);
    expect(edits.length).toBeLessThanOrEqual((Date.now() - began) / 60 + 1);
    expect(edits.length).toBeLessThan(40);
    for (const [i, edit] of edits.entries()) {
      const before = edits[i - 1];
      if (before) expect(edit.at - before.at).toBeGreaterThanOrEqual(59);
    }
  });

  test('states that came before the first sending are never sent', async () => {
    chat.attended = false;
    await put('k1', 'state 1');
    await put('k1', 'state 2');
    await delay(30);
    chat.attended = true;
    outbox.deliverable('fake');
    await settled('k1');
    expect(chat.shown.map(({ message }) => message.reply.title)).toEqual(['state 2']);
    expect(chat.calls.at(-1)).toMatchObject({ what: 'send', title: 'state 2' });
  });

  test('a state that comes while the one before is being sent follows it', async () => {
    chat.next(async () => {
      await put('k1', 'state 2', { final: true });
      return { result: 'sent', ref: '' };
    });
    await put('k1', 'state 1');
    await until('the last state', () => titles()[0] === 'state 2');
    await settled('k1');
    expect(chat.shown).toHaveLength(1);
  });

  test('the same state again is not sent', async () => {
    await put('k1', 'state 1');
    await settled('k1');
    await put('k1', 'state 1');
    await delay(120);
    expect(chat.calls).toHaveLength(1);
  });

  test('an impossible edit: the last state goes out as a new message, once; a state in between does not', async () => {
    await put('k1', 'fetching');
    await settled('k1');
    chat.next({ result: 'impossible', reason: 'message to edit not found' });
    await put('k1', 'starting');
    await settled('k1');
    await put('k1', 'done', { final: true, answers: 'e1' });
    await until('the new message', () => titles().includes('done'));
    await put('k1', 'done, again', { final: true, answers: 'e1' });
    await delay(150);
    expect(titles()).toEqual(['fetching', 'done']);
    expect(chat.shown[1]?.message).toMatchObject({ final: true, answers: 'e1' });
    expect(chat.calls.filter(({ what }) => what === 'edit')).toHaveLength(1);
  });

  test('a platform that cannot edit gets the first and the last state', async () => {
    await outbox.stop();
    chat = createFakeChat('fake', { edit: false });
    outbox = start();
    await put('k1', 'fetching');
    await settled('k1');
    await put('k1', 'starting');
    await delay(100);
    await put('k1', 'done', { final: true });
    await until('the last state', () => titles().includes('done'));
    expect(titles()).toEqual(['fetching', 'done']);
  });
});

describe('failures', () => {
  test('429 is obeyed, and later messages of that chat do not overtake', async () => {
    chat.next({ result: 'retry', afterMs: 1_500, reason: '429' });
    const began = Date.now();
    await put('k1', 'first');
    await put('k2', 'second');
    await put('k3', 'elsewhere', { chat: 'c2' });
    await settled('k3');
    expect(Date.now() - began).toBeLessThan(1_400);
    await settled('k2');
    expect(Date.now() - began).toBeGreaterThanOrEqual(1_500);
    expect(titles()).toEqual(['elsewhere', 'first', 'second']);
    expect(chat.calls.filter(({ key }) => key === 'k1')).toHaveLength(2);
  });

  test('what is thrown is tried again with the same key', async () => {
    chat.next('throw', 'throw');
    await put('k1', 'after all');
    await settled('k1');
    expect(chat.calls.map(({ key }) => key)).toEqual(['k1', 'k1', 'k1']);
    const [first, , third] = chat.calls;
    // 250 ms, then 500 ms: half of the backoff is jitter, which is 0 here.
    expect((third?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(740);
  });

  test('what can never be sent is given up, and does not hold up the next', async () => {
    chat.next({ result: 'impossible', reason: 'chat not found' });
    await put('k1', 'never');
    await put('k2', 'next');
    await settled('k2');
    expect(await rowOf('k1')).toMatchObject({ state: 'dead', last_error: 'chat not found' });
    expect(titles()).toEqual(['next']);
  });

  test('unattended: waits without counting, until there is somebody; deliverable ones pass', async () => {
    chat.attended = false;
    await put('k1', 'while nobody was there');
    await delay(80);
    expect(await rowOf('k1')).toMatchObject({ state: 'pending', attempts: 0 });
    const before = chat.calls.length;
    outbox.wake();
    await delay(50);
    expect(chat.calls.length).toBe(before);
    chat.attended = true;
    await put('k2', 'now');
    await settled('k2');
    expect(titles()).toEqual(['now']);
    outbox.deliverable('fake');
    await settled('k1');
  });
});

describe('a crash', () => {
  test('between sending and storing: sent again with the same key, shown once', async () => {
    const gate = Promise.withResolvers<void>();
    const send = chat.send.bind(chat);
    let crashed = false;
    const sent = Promise.withResolvers<void>();
    chat.send = async (message) => {
      const delivery = await send(message);
      if (!crashed) {
        crashed = true;
        sent.resolve();
        await gate.promise;
        throw new Error('the process is gone');
      }
      return delivery;
    };
    await put('k1', 'once');
    await sent.promise;
    // The hub that comes up finds the row as it was.
    expect((await rowOf('k1')).state).toBe('pending');
    outbox = start();
    await settled('k1');
    gate.resolve();
    await delay(30);
    expect(titles()).toEqual(['once']);
    expect(chat.calls.filter(({ what }) => what === 'send').length).toBeGreaterThanOrEqual(2);
  });

  test('a restart goes on where it was: pending, dirty, and refs', async () => {
    await put('k1', 'state 1');
    await settled('k1');
    await outbox.stop();
    await put('k1', 'state 2');
    await put('k2', 'new');
    expect(titles()).toEqual(['state 1']);
    outbox = start();
    await until('both', () => titles().join() === 'state 2,new');
  });
});

test('what was sent in answer to an event can be had again, redacted', async () => {
  await put('k1', 'working, hunter22', { answers: 'e1' });
  await put('k2', 'done', { answers: 'e1', final: true });
  await put('k3', 'of another', { answers: 'e2', final: true });
  await settled('k3');
  const again = await outbox.answersTo('fake', 'e1');
  expect(again.map(({ key, reply }) => [key, reply.title])).toEqual([
    ['k1', 'working, [hidden]'],
    ['k2', 'done'],
  ]);
});
