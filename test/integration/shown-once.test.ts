import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createOutbox, type Outbox } from '../../src/chat/outbox.ts';
import { createRedactor } from '../../src/domain/redact.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';
import { createFakeChat, type FakeChat } from '../support/fake-chat.ts';
import { until } from '../support/until.ts';

/** One-time codes in replies: in the database's files only until they were shown, or are worth nothing. */

const CODE = 'k7k2-m9xw-dd3f-7k2m-9xwd-3fgh';
const GONE = 'It is not kept: ask again.';
const START = Date.parse('2026-11-21T12:00:00Z');

let folder: string;
let now: number;
let store: OpenStore;
let chat: FakeChat;
let outbox: Outbox;

async function start(): Promise<void> {
  store = await openStore(join(folder, 'hub.db'));
  outbox = createOutbox({
    db: store.db,
    clock: { now: () => now, monotonic: () => now },
    adapters: [chat],
    redact: createRedactor(),
    random: () => 0,
    log: () => undefined,
  });
  outbox.start();
}

async function stop(): Promise<void> {
  await outbox.stop();
  await store.close();
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-once-'));
  now = START;
  chat = createFakeChat();
  await start();
});
afterEach(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

async function put(): Promise<void> {
  const reply = {
    tone: 'info',
    title: 'A line',
    code: `run ${CODE}`,
    once: { until: START + 600_000, afterwards: GONE },
  } as const;
  await store.db.transaction().execute((trx) =>
    outbox.put(trx, {
      ...{ key: 'k', route: { platform: 'fake', chat: 'c' }, reply, answers: 'e', final: true, failed: false, now },
    }),
  );
  outbox.wake();
}

/** Is it anywhere in the database's files, also in pages that are free and in the log? */
const isOnDisk = () =>
  ['', '-wal', '-shm'].some((end) => {
    const file = join(folder, `hub.db${end}`);
    return existsSync(file) && readFileSync(file, 'latin1').includes(CODE);
  });
const row = () => store.db.selectFrom('outbox').selectAll().executeTakeFirstOrThrow();
const forgotten = () => until('it to be forgotten', async () => (await row()).once === null);
const codes = () => chat.shown.map(({ message }) => message.reply.code);

test('sent: nothing of it is left on disk, and the row stays', async () => {
  await put();
  await forgotten();
  expect(codes()).toEqual([`run ${CODE}`]);
  expect(isOnDisk()).toBe(false);
  expect(await row()).toMatchObject({ state: 'sent', reply: JSON.stringify({ tone: 'info', title: GONE }) });
  // Who lost it is told so; it is not sent a second time.
  expect((await outbox.answersTo('fake', 'e')).map(({ reply }) => reply.title)).toEqual([GONE]);
  await stop();
  await start();
  outbox.wake();
  expect(chat.calls).toHaveLength(1);
});

test('nobody there to read it: kept until its time is over, also over a restart, then what stands for it is shown', async () => {
  chat.attended = false;
  await put();
  await until('it to be handed out', () => chat.calls.length > 0);
  expect(isOnDisk()).toBe(true);
  await stop();
  await start();
  expect(isOnDisk()).toBe(true);
  now = START + 600_000;
  outbox.wake();
  await forgotten();
  expect(isOnDisk()).toBe(false);
  chat.attended = true;
  outbox.deliverable('fake');
  await until('it to be shown', () => chat.shown.length > 0);
  expect(chat.shown.map(({ message }) => message.reply.title)).toEqual([GONE]);
});

test('given up, or sent by a hub that was killed right then: forgotten as well', async () => {
  chat.next({ result: 'impossible', reason: 'kicked' });
  await put();
  await forgotten();
  expect((await row()).state).toBe('dead');
  expect(isOnDisk()).toBe(false);
  await store.db.deleteFrom('outbox').execute();

  chat.attended = false;
  await put();
  await until('it to be handed out', () => chat.calls.length > 1);
  await outbox.stop();
  await store.db.updateTable('outbox').set({ state: 'sent', ref: 'm1', sent_at: now }).execute();
  expect(isOnDisk()).toBe(true);
  await store.close();
  await start();
  await forgotten();
  expect(isOnDisk()).toBe(false);
});

test('a reader in the way: nobody waits for it, and the log is emptied after it', async () => {
  const other = await openStore(join(folder, 'hub.db'));
  const reading = Promise.withResolvers<void>();
  try {
    chat.attended = false;
    await put();
    await until('it to be handed out', () => chat.calls.length > 0);
    const begun = Promise.withResolvers<void>();
    const reader = other.db.transaction().execute(async (trx) => {
      await trx.selectFrom('outbox').select('seq').execute();
      begun.resolve();
      await reading.promise;
    });
    await begun.promise;
    chat.attended = true;
    outbox.deliverable('fake');
    await until('it to be out of the table', async () => !(await row()).reply.includes(CODE));
    expect((await row()).once).not.toBeNull();
    expect(isOnDisk()).toBe(true);
    reading.resolve();
    await reader;
    await forgotten();
    expect(isOnDisk()).toBe(false);
  } finally {
    reading.resolve();
    await other.close();
  }
});
