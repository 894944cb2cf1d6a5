import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Call, CommandAnswer, CommandTable } from '../../../src/chat/command-table.ts';
import type { Request } from '../../../src/chat/contract.ts';
import { createOutbox, type Outbox } from '../../../src/chat/outbox.ts';
import type { Rate } from '../../../src/chat/rate-limit.ts';
import { createRouter, type Router } from '../../../src/chat/router.ts';
import type { Role } from '../../../src/domain/app.ts';
import { FettleError } from '../../../src/domain/errors.ts';
import { createRedactor } from '../../../src/domain/redact.ts';
import type { Language } from '../../../src/domain/reply.ts';
import { type OpenStore, openStore } from '../../../src/store/open.ts';
import { createFakeChat, type FakeChat } from '../../support/fake-chat.ts';
import { until } from '../../support/until.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const ROLES: Readonly<Record<string, Role>> = { ann: 'admin', olga: 'operator', vic: 'viewer' };

let folder: string;
let store: OpenStore;
let chat: FakeChat;
let outbox: Outbox;
let router: Router;
let ran: string[];
let log: string[];
let behaviour: (text: string, call: Call) => Promise<CommandAnswer>;
let rate: Rate | undefined;
let language: Language;
let admins: string[];

const table: CommandTable = {
  interpret: async (text) =>
    text.startsWith('/')
      ? {
          ok: true,
          name: text.split(' ')[0] ?? '',
          role: text.startsWith('/admin') ? 'admin' : 'viewer',
          open: text === '/open',
          run: async (call) => {
            ran.push(text);
            return behaviour(text, call);
          },
        }
      : { ok: false, error: new FettleError('unknown_command', { data: { typed: text } }) },
  complete: async (text) => [`${text}!`],
};

async function startHub(): Promise<void> {
  store = await openStore(join(folder, 'hub.db'));
  const note = (event: string, data: object) => void log.push(`${event} ${JSON.stringify(data)}`);
  const redact = createRedactor({ secrets: ['hunter22'] });
  outbox = createOutbox({ db: store.db, clock, adapters: [chat], redact, random: () => 0, log: note });
  router = createRouter({
    db: store.db,
    clock,
    commands: table,
    outbox,
    roleOf: (_, person) => ROLES[person],
    language: () => language,
    rateOf: () => rate,
    onAdmin: async ({ route, language }) => void admins.push(`${route.chat} ${language}`),
    redact,
    log: note,
  });
  await router.start();
  outbox.start();
}

async function stopHub(): Promise<void> {
  await router.stop();
  await outbox.stop();
  await store.close();
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-router-'));
  chat = createFakeChat();
  ran = [];
  admins = [];
  log = [];
  rate = undefined;
  language = 'en';
  behaviour = async (text) => ({ reply: { tone: 'info', title: `did ${text}` } });
  await startHub();
});

afterEach(async () => {
  await stopHub();
  rmSync(folder, { recursive: true, force: true });
});

let counter = 0;
function request(text: string, values: Partial<Request> & { chat?: string } = {}): Request {
  counter += 1;
  const { chat: name = 'c1', ...rest } = values;
  return { route: { platform: 'fake', chat: name }, eventId: `e${counter}`, person: 'ann', text, ...rest };
}

const accept = (event: Request) => router.sink('fake').accept(event);
const titles = () => chat.shown.map(({ message }) => message.reply.title);
const answers = (n: number) => until(`${n} answers`, () => chat.shown.length >= n);

test('one final answer, to the event that asked', async () => {
  const event = request('/x');
  expect(await accept(event)).toBe('stored');
  await answers(1);
  expect(chat.shown[0]?.message).toMatchObject({
    answers: event.eventId,
    final: true,
    failed: false,
    route: event.route,
  });
});

test('the same event told again is done once', async () => {
  const event = request('/x');
  const results = await Promise.all([accept(event), accept(event), accept(event)]);
  expect(results.toSorted()).toEqual(['duplicate', 'duplicate', 'stored']);
  await answers(1);
  expect(await accept(event)).toBe('duplicate');
  await delay(60);
  expect(ran).toEqual(['/x']);
  expect(chat.shown).toHaveLength(1);
});

test('after a restart the same event is still known, and what was interrupted is done', async () => {
  const done = request('/done');
  await accept(done);
  await answers(1);
  const blocked = Promise.withResolvers<void>();
  behaviour = async (_, { signal }) => {
    signal.addEventListener('abort', () => blocked.resolve());
    await blocked.promise;
    throw signal.reason;
  };
  const interrupted = request('/interrupted');
  await accept(interrupted);
  await until('it runs', () => ran.includes('/interrupted'));
  await stopHub();
  expect(chat.shown).toHaveLength(1);
  behaviour = async (text) => ({ reply: { tone: 'info', title: `did ${text}` } });
  await startHub();
  await answers(2);
  expect(await accept(done)).toBe('duplicate');
  expect(titles()).toEqual(['did /done', 'did /interrupted']);
  expect(ran).toEqual(['/done', '/interrupted', '/interrupted']);
});

test('an event that runs already is not begun again by a start', async () => {
  const gate = Promise.withResolvers<void>();
  behaviour = async (text) => {
    await gate.promise;
    return { reply: { tone: 'info', title: text } };
  };
  await accept(request('/x'));
  await until('it runs', () => ran.length === 1);
  await router.start();
  gate.resolve();
  await answers(1);
  expect(ran).toEqual(['/x']);
});

test('events of one chat begin in order; a slow one does not hold up the next for long; other chats not at all', async () => {
  const slow = Promise.withResolvers<void>();
  const began: Record<string, number> = {};
  behaviour = async (text) => {
    began[text] = Date.now();
    if (text === '/slow') await slow.promise;
    return { reply: { tone: 'info', title: text } };
  };
  const start = Date.now();
  for (const text of ['/slow', '/cancel', '/third']) await accept(request(text));
  await accept(request('/other', { chat: 'c2' }));
  await until('the other chat', () => began['/other']);
  expect((began['/other'] ?? 0) - start).toBeLessThan(500);
  await until('the next', () => began['/third'], 6_000);
  expect(ran.filter((text) => text !== '/other')).toEqual(['/slow', '/cancel', '/third']);
  expect((began['/cancel'] ?? 0) - start).toBeLessThan(3_500);
  slow.resolve();
  await answers(4);
});

test('a deferred answer is left to whoever ends the update', async () => {
  behaviour = async () => ({ deferred: 'u-7k2m' });
  const event = request('/now');
  await accept(event);
  await until('done', async () => {
    const row = await store.db.selectFrom('inbox').selectAll().where('event_id', '=', event.eventId).executeTakeFirst();
    return row?.done === 1;
  });
  expect(chat.shown).toEqual([]);
});

test('refusals are told by their code, in the language of the person', async () => {
  behaviour = async () => {
    throw new FettleError('no_source', { data: { app: 'web' } });
  };
  await accept(request('/x', { locale: 'zh' }));
  await answers(1);
  expect(titles()[0]).toBe('web 没有配置来源，无从知道有什么新版本。');
  expect(chat.shown[0]?.message).toMatchObject({ final: true, failed: true });
});

test('a chat without a language is answered in that of the setting, as it is at that moment', async () => {
  behaviour = async () => {
    throw new FettleError('no_source', { data: { app: 'web' } });
  };
  await accept(request('/x'));
  await answers(1);
  language = 'zh';
  await accept(request('/y'));
  await answers(2);
  expect(titles()).toEqual([
    'web has no source, so nobody can say what is new.',
    'web 没有配置来源，无从知道有什么新版本。',
  ]);
});

test('what was not foreseen is told without its text, and logged without secrets', async () => {
  behaviour = async () => {
    throw new TypeError('cannot read hunter22 of undefined');
  };
  await accept(request('/x hunter22'));
  await answers(1);
  expect(titles()[0]).toBe('Something went wrong inside Fettle.');
  expect(log.join('\n')).toContain('cannot read [hidden] of undefined');
  expect(log.join('\n')).not.toContain('hunter22');
});

test('roles: too low is refused, strangers get one polite line', async () => {
  await accept(request('/admin', { person: 'olga' }));
  await answers(1);
  expect(titles()[0]).toBe('This needs the role admin; you are operator.');
  for (let i = 0; i < 3; i += 1) await accept(request('/x', { person: 'mallory' }));
  await answers(2);
  await delay(80);
  expect(chat.shown).toHaveLength(2);
  expect(titles()[1]).toBe('Hello');
  expect(ran).toEqual([]);
});

test('too much at once: the rest is not run, and it is said once', async () => {
  rate = { burst: 3, perMinute: 1 };
  for (let i = 0; i < 8; i += 1) await accept(request('/x', { person: 'vic' }));
  await answers(4);
  await delay(80);
  expect(ran).toHaveLength(3);
  expect(titles().filter((title) => title.startsWith('That was too much'))).toHaveLength(1);
});

test('a stranger who speaks first, and much, costs those who are known nothing', async () => {
  rate = { burst: 30, perMinute: 1 };
  for (let i = 0; i < 10; i += 1) await accept(request('/open', { person: 'mallory' }));
  for (let i = 0; i < 25; i += 1) await accept(request('/x', { person: 'vic' }));
  await until('25 commands', () => ran.filter((text) => text === '/x').length === 25, 5_000);
  expect(ran).toContain('/open');
});

test('an answer and its being done are one transaction', async () => {
  const put = outbox.put;
  let failures = 0;
  outbox.put = async () => {
    failures += 1;
    throw new Error('disk full');
  };
  const event = request('/x');
  await accept(event);
  await until('the failure', () => log.some((line) => line.includes('disk full')));
  const row = await store.db.selectFrom('inbox').selectAll().where('event_id', '=', event.eventId).executeTakeFirst();
  expect(row?.done).toBe(0);
  outbox.put = put;
  await stopHub();
  await startHub();
  await answers(1);
  expect([failures, ran.length, chat.shown.length]).toEqual([1, 2, 1]);
});

test('a store that refuses for a moment: the event is done after all, without a restart', async () => {
  await sql`create trigger refuse before insert on outbox begin select raise(abort, 'disk full'); end`.execute(
    store.db,
  );
  const event = request('/x');
  await accept(event);
  await until('the failure', () => log.some((line) => line.startsWith('event_failed')));
  expect(chat.shown).toEqual([]);
  await sql`drop trigger refuse`.execute(store.db);
  await answers(1);
  expect(chat.shown[0]?.message.answers).toBe(event.eventId);
});

test('a row that can not be read keeps nothing from starting', async () => {
  await stopHub();
  store = await openStore(join(folder, 'hub.db'));
  const row = { platform: 'fake', event_id: 'bad', received_at: 1, request: '{"rou', done: 0 };
  await store.db.insertInto('inbox').values(row).execute();
  await store.close();
  await startHub();
  expect(log.join()).toContain('event_unreadable');
  await accept(request('/x'));
  await answers(1);
});

test('completion is passed on', async () => {
  expect(await router.sink('fake').complete('/up')).toEqual(['/up!']);
});

test('a chat in which an admin gave a command is made known; others are not', async () => {
  await accept(request('/x', { locale: 'zh' }));
  await accept(request('/x', { chat: 'c2', person: 'olga' }));
  await accept(request('/x', { chat: 'c3', person: 'nobody' }));
  await accept(request('what?', { chat: 'c4' }));
  await answers(4);
  expect(admins).toEqual(['c1 zh']);
});

test("the language of whoever asks: the account's, that of the text, that of before, over a restart", async () => {
  behaviour = async (_, call) => ({ reply: { tone: 'info', title: call.language } });
  const ask = async (text: string, values: Partial<Request> = {}) => {
    const n = chat.shown.length + 1;
    await accept(request(text, values));
    await answers(n);
    return titles().at(-1);
  };
  expect(await ask('/x')).toBe('en');
  expect(await ask('/x 重启')).toBe('zh');
  expect(await ask('/x')).toBe('zh');
  expect(admins).toEqual(['c1 undefined', 'c1 zh', 'c1 zh']);
  expect(await ask('/x', { person: 'olga' })).toBe('en');
  await stopHub();
  await startHub();
  expect(await ask('/x')).toBe('zh');
  expect(await ask('/x 重启', { locale: 'en' })).toBe('en');
  expect(await ask('/x')).toBe('en');
  // Not Chinese, though it has characters that Chinese has.
  expect(await ask('/x 更新して', { person: 'vic' })).toBe('en');
});
