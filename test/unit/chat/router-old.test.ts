import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { timeOf } from '../../../adapters/discord/requests.ts';
import type { Request } from '../../../src/chat/contract.ts';
import { createOutbox, type Outbox } from '../../../src/chat/outbox.ts';
import { createRouter, type Router } from '../../../src/chat/router.ts';
import { createRedactor } from '../../../src/domain/redact.ts';
import { storeEvent } from '../../../src/store/inbox.ts';
import { type OpenStore, openStore } from '../../../src/store/open.ts';
import { createFakeChat, type FakeChat } from '../../support/fake-chat.ts';

/** Events that come late, come again, or were left behind: nothing that is older than a day is done. */

const HOUR = 60 * 60_000;
const clock = { now: () => Date.now(), monotonic: () => performance.now() };
let folder: string;
let store: OpenStore;
let chat: FakeChat;
let outbox: Outbox;
let router: Router;
let ran: string[];

async function startHub(): Promise<void> {
  store = await openStore(join(folder, 'hub.db'));
  const { db } = store;
  const log = () => undefined;
  outbox = createOutbox({ db, clock, adapters: [chat], redact: createRedactor(), random: () => 0, log });
  router = createRouter({
    ...{ db, clock, outbox, log, redact: createRedactor() },
    commands: {
      interpret: async (text) => ({
        ok: true,
        name: text,
        role: 'viewer',
        run: async () => {
          ran.push(text);
          return { reply: { tone: 'good', title: `did ${text}` } };
        },
      }),
      complete: async () => [],
    },
    roleOf: () => 'operator',
    language: () => 'en',
    rateOf: () => undefined,
  });
  await router.start();
  outbox.start();
}

async function stopHub(): Promise<void> {
  const stopping = Promise.all([router.stop(), outbox.stop()]);
  await pass(1_000);
  await stopping;
  await store.close();
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const titles = () => chat.shown.map(({ message }) => message.reply.title);

/** Tells an event, and waits until there was time to answer it. */
async function tell(eventId: string, at?: number): Promise<string> {
  const event: Request = { route: { platform: 'fake', chat: 'c' }, eventId, person: 'ann', text: '/update now', at };
  const result = await router.sink('fake').accept(event);
  await pass(1_000);
  return result;
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  vi.setSystemTime(Date.parse('2026-06-01T12:00:00Z'));
  folder = mkdtempSync(join(tmpdir(), 'fettle-old-'));
  chat = createFakeChat();
  ran = [];
  await startHub();
});
afterEach(async () => {
  await stopHub();
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

test('an event that was done is not done again, however late it is told again, and its answer stays', async () => {
  const at = Date.now();
  await tell('e1', at);
  expect(titles()).toEqual(['did /update now']);
  for (const hours of [1, 22, 3, 21, 3, 24, 24, 24 * 7]) {
    await pass(hours * HOUR);
    await tell('e1', at);
    expect(ran).toEqual(['/update now']);
    expect(titles()).toEqual(['did /update now']);
  }
  // It was not known any more: this is no test of the store.
  expect(await store.db.selectFrom('inbox').select('done').execute()).toEqual([{ done: 1 }]);
  await pass(49 * HOUR);
  expect(await store.db.selectFrom('inbox').select('done').execute()).toEqual([]);
});

test('with a clock that is behind by most of a day as well', async () => {
  const at = Date.now() + 20 * HOUR;
  await tell('e1', at);
  for (let hours = 0; hours < 96; hours += 1) {
    await pass(HOUR);
    await tell('e1', at);
  }
  expect(ran).toEqual(['/update now']);
});

test('what comes late is done within a day; later it is refused, with what to do', async () => {
  const at = Date.now();
  await pass(23 * HOUR);
  await tell('e1', at);
  expect(ran).toEqual(['/update now']);
  await pass(2 * HOUR);
  await tell('e2', at);
  expect(ran).toEqual(['/update now']);
  expect(titles()[1]).toContain('This is from 2026-06-01T12:00:00.000Z, and is not done any more');
  expect(chat.shown[1]?.message).toMatchObject({ answers: 'e2', final: true, failed: true });
});

test('an event without a time counts from when it came', async () => {
  const request = { route: { platform: 'fake', chat: 'c' }, eventId: 'e1', person: 'ann', text: '/update now' };
  await tell('e0');
  expect(ran).toHaveLength(1);
  const [row] = await store.db.selectFrom('inbox').select('request').execute();
  expect(JSON.parse(row?.request ?? '{}')).toMatchObject({ at: expect.any(Number) });
  // As a hub left it that was killed three days ago.
  const at = Date.now();
  await storeEvent(store.db, {
    ...{ platform: 'fake', eventId: 'e1', receivedAt: at },
    request: JSON.stringify({ ...request, at }),
  });
  await stopHub();
  await pass(72 * HOUR);
  await startHub();
  await pass(1_000);
  expect(ran).toHaveLength(1);
  expect(titles().at(-1)).toContain('is not done any more');
});

test('a store that refuses for long: what it kept is answered once it takes it again, once, with no restart', async () => {
  await sql`create trigger full before update on inbox begin select raise(abort, 'full'); end`.execute(store.db);
  await tell('e1', Date.now());
  await pass(2 * HOUR);
  expect(titles()).toEqual([]);
  // Tries, and no loop: six in the first minutes, six more each quarter of an hour.
  expect(ran.length).toBeLessThan(80);
  await sql`drop trigger full`.execute(store.db);
  await pass(HOUR / 2);
  expect(titles()).toEqual(['did /update now']);
  expect(await store.db.selectFrom('inbox').select('done').execute()).toEqual([{ done: 1 }]);
  const tries = ran.length;
  await pass(HOUR);
  expect(ran).toHaveLength(tries);
});

test("Discord's ids say when", () => {
  // The example of the documentation (Reference, Snowflakes).
  expect(timeOf('175928847299117063')).toBe(Date.parse('2016-04-30T11:18:25.796Z'));
  expect(timeOf('soon')).toBeUndefined();
});
