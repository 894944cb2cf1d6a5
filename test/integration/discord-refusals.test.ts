import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DiscordAPIError } from 'discord.js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApi, failureOf } from '../../adapters/discord/api.ts';
import { createSession } from '../../adapters/discord/session.ts';
import type { Reply } from '../../src/chat/contract.ts';
import { answer, type Bot, makeBot, startBot } from '../support/discord/bot.ts';
import { type DiscordPlatform, startDiscord } from '../support/discord/index.ts';
import { until } from '../support/until.ts';

/** What Discord, and whoever stands before it, refuses; and what becomes of the message then. */

let discord: DiscordPlatform;
const bots: Bot[] = [];
const servers: Server[] = [];

beforeEach(async () => {
  discord = await startDiscord();
});
afterEach(async () => {
  for (const { adapter } of bots.splice(0)) await adapter.stop();
  for (const server of servers.splice(0)) server.close();
  await discord.close();
});

async function started(): Promise<Bot> {
  const bot = await startBot(discord);
  bots.push(bot);
  return bot;
}
const titles = () => discord.messages().map(({ title }) => title);
const sends = () => discord.calls().filter(({ what }) => what === 'send').length;

test.each([500, 502, 503])('status %i: tried again, with the same nonce', async (status) => {
  const bot = await started();
  const request = await bot.asked('hello');
  discord.fault({ on: 'send', do: 'status', status });
  const failed = await bot.adapter.send(answer(request, 'k1', 'once'));
  expect(failed).toMatchObject({ result: 'retry', reason: `HTTP ${status}` });
  expect((await bot.adapter.send(answer(request, 'k1', 'once'))).result).toBe('sent');
  const nonces = discord
    .calls()
    .flatMap(({ what, body }) => (what === 'send' ? [(body as { nonce: string }).nonce] : []));
  expect(new Set(nonces).size).toBe(1);
  expect(titles()).toEqual(['once']);
});

test('a rate limit is told with its wait, at once; an edit does not queue behind it', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  const sent = await bot.adapter.send(answer(request, 'k1', 'fetching'));
  if (sent.result !== 'sent') throw new Error(sent.result);
  discord.fault({ on: 'edit', do: 'rate-limit', retryAfterMs: 3_000 });
  const from = performance.now();
  const limited = await bot.adapter.edit(sent.ref, answer(request, 'k1', 'more'));
  expect(performance.now() - from).toBeLessThan(1_000);
  expect(limited).toMatchObject({ result: 'retry', notSent: true });
  expect(limited.result === 'retry' && limited.afterMs).toBeGreaterThanOrEqual(3_000);
  discord.fault({ on: 'send', do: 'rate-limit', retryAfterMs: 500 });
  expect(await bot.adapter.send(answer(request, 'k2', 'result'))).toMatchObject({ result: 'retry', notSent: true });
});

test('a message that was deleted, or that is none of Discord, can not be edited', async () => {
  const bot = await started();
  const request = await bot.asked();
  const sent = await bot.adapter.send(answer(request, 'k1', 'fetching'));
  if (sent.result !== 'sent') throw new Error(sent.result);
  discord.remove(discord.messages()[0]?.id ?? '');
  const done = answer(request, 'k1', 'done');
  expect(await bot.adapter.edit(sent.ref, done)).toMatchObject({ result: 'impossible', reason: /10008/ });
  expect(await bot.adapter.edit('om_other', done)).toMatchObject({ result: 'impossible' });
  expect(await bot.adapter.edit('1/2', done)).toMatchObject({ result: 'impossible', reason: /10003/ });
});

test('removed from the server, or without a permission: said why, in the log too; a promised way is used while it is open', async () => {
  const bot = await started();
  const mention = await bot.asked('hello');
  const slash = await bot.asked('/update');
  await until('the acknowledgement', () => discord.acknowledgedAfter(slash.eventId) !== undefined);
  discord.deny('send');
  expect(await bot.adapter.send(answer(mention, 'k1', 'x'))).toMatchObject({ result: 'impossible', reason: /50013/ });
  expect((await bot.adapter.send(answer(slash, 'k2', 'first', {}, false))).result).toBe('sent');
  expect((await bot.adapter.send(answer(slash, 'k3', 'second'))).result).toBe('sent');
  expect(titles()).toEqual(['first', 'second']);
  discord.deny();
  discord.kick();
  expect(await bot.adapter.send(answer(mention, 'k4', 'x'))).toMatchObject({ result: 'impossible', reason: /50001/ });
  expect(bot.logs.filter(({ event }) => event === 'discord_refused').length).toBe(2);
  await until('the log', () => bot.logs.some(({ event }) => event === 'discord_removed'));
  expect(bot.adapter.connection().state).toBe('connected');
});

test('without the permission to read the history, an answer is no reply, but is there', async () => {
  const bot = await started();
  discord.deny('history');
  const request = await bot.asked('hello');
  expect((await bot.adapter.send(answer(request, 'k1', 'here'))).result).toBe('sent');
  expect(discord.messages()).toMatchObject([{ title: 'here', answers: undefined }]);
});

test('a card that is far too large is cut, never refused; title and buttons stay; nobody is pinged', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  const long = '@everyone <@1> `*_~|[](x) 更新'.repeat(2_000);
  const many = Array.from({ length: 200 }, (_, i) => `${i} ${long.slice(0, 300)}`);
  const reply: Partial<Reply> = {
    tone: 'bad',
    text: [long, long],
    fields: many.map((value, i) => ({ name: i % 2 ? '' : value, value: i % 3 ? value : '' })),
    table: { columns: ['a', 'b'], rows: many.map((cell) => [cell, cell]) },
    progress: { label: long, step: 1, steps: 2, done: 5, total: 4, detail: long },
    code: many.join('\n'),
    buttons: many.map((label, i) => ({ label, command: `/update now ${label} ${i}`, style: 'danger' as const })),
    hints: many,
  };
  expect((await bot.adapter.send(answer(request, 'k1', long, reply))).result).toBe('sent');
  const [message] = discord.messages();
  expect(message?.buttons.length).toBe(25);
  expect(message?.title).toMatch(/^@everyone/);
  const [send] = discord.calls().filter(({ what }) => what === 'send');
  expect(send?.body).toMatchObject({ allowed_mentions: { parse: [] }, enforce_nonce: true });
  expect(sends()).toBe(1);
});

test('a form that Discord refuses is sent without what may be refused', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  discord.refuseEmbeds();
  const message = answer(request, 'k1', 'title', { text: ['words'], buttons: [{ label: 'Go', command: '/update' }] });
  expect((await bot.adapter.send(message)).result).toBe('sent');
  expect(discord.messages()[0]?.text).toBe('title\nwords');
  expect(discord.messages()[0]?.buttons.length).toBe(1);
});

test('where the bot may not embed, the words are text', async () => {
  const bot = await started();
  const request = await bot.asked('hello');
  discord.deny('embed');
  const words = { text: ['words'], fields: [{ name: 'version', value: '1' }] };
  const sent = await bot.adapter.send(answer(request, 'k1', 'title', words));
  if (sent.result !== 'sent') throw new Error(sent.result);
  expect(discord.messages()[0]?.text).toBe('title\nwords\nversion: 1');
  const before = discord.calls().length;
  await bot.adapter.edit(sent.ref, answer(request, 'k1', 'other', words));
  expect(discord.messages()[0]?.text).toBe('other\nwords\nversion: 1');
  expect(discord.calls().length).toBe(before + 1);
});

test('a web page in the place of Discord’s answer is no refusal of the message, and no end of the token', async () => {
  const asked: (string | undefined)[] = [];
  const pages = [401, 403, 404];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization);
    const status = pages.shift();
    if (status === undefined) response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"1"}');
    else response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Sign in</h1>');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
  const api = createApi({ token: discord.token, api: address, proxy: 'none', environment: {} });
  for (const status of [401, 403, 404]) {
    const failure = await api.rest.get('/users/@me').then(() => undefined, failureOf);
    expect(failure).toEqual({ kind: 'unsure', reason: `HTTP ${status} without an answer of Discord's` });
  }
  expect(await api.rest.get('/users/@me')).toEqual({ id: '1' });
  expect(asked).toEqual(Array.from({ length: 4 }, () => `Bot ${discord.token}`));
  await api.close();
});

test.each([
  [130000, 'limited'],
  [40062, 'limited'],
  [40004, 'limited'],
  [50013, 'refused'],
  [30046, 'refused'],
])('code %i: %s', (code, kind) => {
  const request = { body: undefined, files: undefined } as never;
  const error = new DiscordAPIError({ code, message: 'so it is' }, code, 400, 'POST', 'https://x/y', request);
  expect(failureOf(error)).toMatchObject({ kind, reason: `${code} so it is` });
});

test('an event that was never stored holds the place of its own session alone', async () => {
  const kept = new Map<string, string>();
  const memory = {
    get: async (key: string) => kept.get(key),
    set: async (k: string, v: string) => void kept.set(k, v),
  };
  const session = createSession({ mark: 'm', memory, onError: () => undefined });
  session.identify({ bot: { id: '1', username: 'b' }, application: '2' });
  const info = { sessionId: 's1', resumeURL: 'wss://x', sequence: 9, shardId: 0, shardCount: 1 };
  session.update(info);
  const late = session.begin(5);
  await session.save();
  expect(JSON.parse(kept.get('session') ?? '')).toMatchObject({ sessionId: 's1', sequence: 4 });
  session.update({ ...info, sessionId: 's2', sequence: 20 });
  const stored = session.begin(20);
  // Of the session before: it ends nothing of this one.
  late();
  await session.save();
  expect(JSON.parse(kept.get('session') ?? '')).toMatchObject({ sessionId: 's2', sequence: 19 });
  stored();
  await session.save();
  expect(JSON.parse(kept.get('session') ?? '')).toMatchObject({ sessionId: 's2', sequence: 20 });
});

test('stopped while it starts: nothing is dialled afterwards', async () => {
  const bot = makeBot(discord);
  const reading = Promise.withResolvers<void>();
  const { get } = bot.sink.memory;
  bot.sink.memory.get = async (key) => {
    await reading.promise;
    return get(key);
  };
  const starting = bot.adapter.start(bot.sink);
  await bot.adapter.stop();
  reading.resolve();
  await starting;
  expect(bot.adapter.connection().state).toBe('stopped');
  // The first dial comes at once where one comes at all.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(discord.calls()).toEqual([]);
});
