import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkCredentials } from '../../adapters/discord/index.ts';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';
import { answer, type Bot, type BotOptions, makeBot, platformDeps, startBot } from '../support/discord/bot.ts';
import { type DiscordPlatform, startDiscord } from '../support/discord/index.ts';
import { until } from '../support/until.ts';

/** The connection to Discord: what ends it, what mends it, what is said of it. Real sockets, the library as it is. */

let discord: DiscordPlatform;
const bots: Bot[] = [];
const proxies: ConnectProxy[] = [];

beforeEach(async () => {
  discord = await startDiscord();
});
afterEach(async () => {
  for (const { adapter } of bots.splice(0)) await adapter.stop();
  for (const proxy of proxies.splice(0)) await proxy.close();
  await discord.close();
});

async function started(options: BotOptions = {}): Promise<Bot> {
  const bot = await startBot(discord, options);
  bots.push(bot);
  return bot;
}
/** Started, and perhaps never connected. */
async function made(options: BotOptions = {}): Promise<Bot> {
  const bot = makeBot(discord, options);
  bots.push(bot);
  await bot.adapter.start(bot.sink);
  return bot;
}
async function proxied(credentials?: { user: string; password: string }): Promise<ConnectProxy> {
  const proxy = await startConnectProxy({ credentials });
  proxies.push(proxy);
  return proxy;
}
const state = ({ adapter }: Bot, wanted: string) =>
  until(`that it is ${wanted}`, () => adapter.connection().state === wanted);
const dials = () => discord.calls().filter(({ what }) => what === 'connect').length;
const outgoing = (key: string) => ({
  key,
  route: { platform: 'discord', chat: discord.group },
  reply: { tone: 'info' as const, title: key },
  final: true,
  failed: false,
});

test('a token that can be none is failed at once, and nobody is asked', async () => {
  const bot = await made({ settings: { token: 'no-token' } });
  expect(bot.adapter.connection()).toMatchObject({
    state: 'failed',
    problem: { code: 'chat_credentials_malformed', data: { platform: 'discord' } },
  });
  expect(discord.calls()).toEqual([]);
  expect(await bot.adapter.send(outgoing('k1'))).toEqual({ result: 'unattended' });
});

test('a token that Discord refuses is failed, said once, and not tried again', async () => {
  const bot = await made({ settings: { token: `${discord.token.slice(0, -6)}wrong0` } });
  await state(bot, 'failed');
  expect(bot.adapter.connection().problem).toMatchObject({ code: 'chat_credentials_refused' });
  const { length } = discord.calls();
  const told = bot.sink.connectionChanges;
  // Longer than the library waits between two tries.
  await setTimeout(800);
  expect(discord.calls().length).toBe(length);
  expect(bot.sink.connectionChanges).toBe(told);
});

test.each([
  [4004, 'chat_credentials_refused'],
  [4010, 'chat_refused'],
  [4011, 'chat_refused'],
  [4012, 'chat_refused'],
  [4013, 'chat_intents_missing'],
  [4014, 'chat_intents_missing'],
])('closed with %i after it was ready: failed at once as %s, and not deaf in silence', async (code, problem) => {
  const bot = await started();
  const told = bot.sink.connectionChanges;
  discord.closeGateway(code);
  await state(bot, 'failed');
  expect(bot.adapter.connection()).toMatchObject({
    problem: { code: problem },
    lastError: expect.stringContaining(`${code}`),
  });
  expect(bot.sink.connectionChanges).toBe(told + 1);
  expect(dials()).toBe(1);
});

test('intents that are refused at the first connection are failed too', async () => {
  discord.refuseIdentify(4014);
  const bot = await made();
  await state(bot, 'failed');
  expect(bot.adapter.connection().problem).toMatchObject({ code: 'chat_intents_missing' });
});

test('a token that is revoked while it works is failed; what is to be said waits', async () => {
  const bot = await started();
  discord.revoke();
  await state(bot, 'failed');
  expect(bot.adapter.connection().problem).toMatchObject({ code: 'chat_credentials_refused' });
  expect(await bot.adapter.send(outgoing('k1'))).toEqual({ result: 'unattended' });
});

test('a token that is revoked where only the API says so is failed', async () => {
  const bot = await started();
  discord.revokeApi();
  expect(await bot.adapter.send(outgoing('k1'))).toEqual({ result: 'unattended' });
  expect(bot.adapter.connection().problem).toMatchObject({ code: 'chat_credentials_refused' });
});

test('a connection that was cut is resumed, and tells what was said meanwhile', async () => {
  const bot = await started();
  discord.disconnect();
  const id = await discord.type('/update check');
  await until('the event', () => bot.sink.events.has(id));
  await state(bot, 'connected');
  expect({ resumed: discord.resumed, identified: discord.identified }).toEqual({ resumed: 1, identified: 1 });
});

test.each([
  ['told to reconnect', { op: 7, d: null }],
  ['a session that may be resumed', { op: 9, d: true }],
  ['a session that is no more', { op: 9, d: false }],
])('%s: it is there again', async (_, frame) => {
  const bot = await started();
  discord.frame(frame);
  await until('the next session', () => discord.resumed + discord.identified === 2);
  await state(bot, 'connected');
  await bot.asked();
});

test.each([4000, 4003, 4009, 1000])('closed with %i: it is there again', async (code) => {
  const bot = await started();
  discord.closeGateway(code);
  await until('the next session', () => discord.resumed + discord.identified === 2);
  await state(bot, 'connected');
  await bot.asked();
});

test('sessions that Discord has forgotten are made anew', async () => {
  const bot = await started();
  discord.forgetSessions();
  discord.disconnect();
  await until('the next session', () => discord.identified === 2);
  await state(bot, 'connected');
  await bot.asked();
});

test('a handshake that is refused again and again is tried more and more seldom, and said', async () => {
  discord.fault({ on: 'connect', do: 'status', status: 503, times: 3 });
  const from = performance.now();
  const bot = await made({ deps: { random: () => 0 } });
  const problem = await until('the problem', () => bot.adapter.connection().problem);
  expect(problem).toMatchObject({ code: 'chat_unreachable' });
  await state(bot, 'connected');
  // Half a second each of the library's, and 250, 500, 1 000 ms of ours.
  expect(performance.now() - from).toBeGreaterThan(3_200);
  expect(dials()).toBe(4);
  expect(bot.adapter.connection().problem).toBeUndefined();
});

test('connections that are dropped before they are made are mended', async () => {
  discord.fault({ on: 'connect', do: 'drop', times: 2 });
  const bot = await made();
  await state(bot, 'connected');
  expect(dials()).toBe(3);
});

test('a connection that is silent is noticed and made anew', async () => {
  await discord.close();
  discord = await startDiscord({ heartbeatMs: 150 });
  const bot = await started();
  discord.silence(true);
  await state(bot, 'connecting');
  discord.silence(false);
  await state(bot, 'connected');
  await bot.asked();
});

test('frames that are no frames end neither the process nor the connection for long', async () => {
  const bot = await started();
  for (const frame of [
    'nonsense',
    '{}',
    'null',
    { op: 10, d: null },
    { op: 9, d: null },
    { op: 0, t: null, d: null, s: 0 },
  ]) {
    discord.frame(frame);
  }
  discord.dispatch('INTERACTION_CREATE', { id: 1 });
  discord.dispatch('MESSAGE_CREATE', { author: null });
  discord.dispatch('GUILD_CREATE', {});
  await until('the next session', () => discord.resumed + discord.identified >= 2);
  await until('that it hears again', async () => {
    if (bot.adapter.connection().state !== 'connected') return false;
    const id = await discord.type('/update');
    return until('the event', () => bot.sink.events.has(id), 2_000);
  });
});

test('a hub that starts again resumes: what was said meanwhile is told', async () => {
  const first = await started();
  await first.asked();
  await first.adapter.stop();
  const id = await discord.type('/update check');
  const mention = await discord.type('check it');
  const next = await started({ sink: first.sink });
  await until('both events', () => next.sink.events.has(id) && next.sink.events.has(mention));
  expect({ resumed: discord.resumed, identified: discord.identified }).toEqual({ resumed: 1, identified: 1 });
});

test('an event that was not stored when the hub was killed is told to the next one', async () => {
  const first = await started();
  const accept = first.sink.accept.bind(first.sink);
  let stuck = false;
  first.sink.accept = (request) => {
    if (request.text !== '/update check') return accept(request);
    stuck = true;
    return new Promise(() => undefined);
  };
  const id = await discord.type('/update check');
  await until('that it is being stored', () => stuck);
  // What came later is stored.
  await first.asked('and again');
  expect(discord.acknowledgedAfter(id)).toBeUndefined();
  await first.adapter.stop();
  first.sink.accept = accept;
  const next = await started({ sink: first.sink });
  await until('the event', () => next.sink.events.has(id));
});

test('a network that is away for a while costs no session', async () => {
  const bot = await started();
  discord.fault({ on: 'connect', do: 'drop', times: 2 });
  discord.disconnect();
  const id = await discord.type('/update check');
  await until('the event', () => bot.sink.events.has(id));
  expect({ resumed: discord.resumed, identified: discord.identified }).toEqual({ resumed: 1, identified: 1 });
});

test('with another token nothing is resumed', async () => {
  const first = await started();
  await first.adapter.stop();
  const kept = JSON.parse(first.sink.remembered.get('session') ?? '{}') as Record<string, unknown>;
  first.sink.remembered.set('session', JSON.stringify({ ...kept, token: 'of another' }));
  await started({ sink: first.sink });
  expect({ resumed: discord.resumed, identified: discord.identified }).toEqual({ resumed: 0, identified: 2 });
});

test('what is remembered of a session may be damaged', async () => {
  const first = await started();
  await first.adapter.stop();
  first.sink.remembered.set('session', '{');
  first.sink.remembered.set('commands', '{');
  first.sink.remembered.set('claims', '[');
  const next = await started({ sink: first.sink });
  await until('the registration', () => first.sink.remembered.get('commands') !== '{');
  const request = await next.asked();
  expect((await next.adapter.send(answer(request, 'k1', 'here'))).result).toBe('sent');
});

test('through a proxy of its own: REST and gateway are both tunnelled', async () => {
  const proxy = await proxied();
  const bot = await started({ settings: { proxy: proxy.url } });
  const request = await bot.asked();
  expect((await bot.adapter.send(answer(request, 'k1', 'here'))).result).toBe('sent');
  expect(proxy.plain).toEqual([]);
  expect(proxy.tunnels.length).toBeGreaterThanOrEqual(2);
  expect(discord.peers.length).toBe(proxy.tunnels.length);
  // Cut in the proxy, it comes back through the proxy.
  proxy.cut();
  await until('the next session', () => discord.resumed === 1);
  await state(bot, 'connected');
  await bot.asked();
  expect(discord.peers.length).toBe(proxy.tunnels.length);
});

test.each(['HTTP_PROXY', 'http_proxy'])('%s counts where the chat has no proxy of its own', async (name) => {
  const proxy = await proxied();
  await started({ deps: { environment: { [name]: proxy.url } } });
  expect(proxy.tunnels.length).toBeGreaterThanOrEqual(2);
});

test.each([
  ['`none`', { proxy: 'none' }, {}],
  ['NO_PROXY', {}, { NO_PROXY: 'example.org,127.0.0.1' }],
])('%s: the proxy of the environment is not used', async (_, settings, more) => {
  const proxy = await proxied();
  await started({ settings, deps: { environment: { HTTP_PROXY: proxy.url, ...more } } });
  expect([...proxy.tunnels, ...proxy.refused, ...proxy.plain]).toEqual([]);
});

test('a proxy that refuses is said, and tried again', async () => {
  const proxy = await proxied();
  proxy.refuse(502);
  const bot = await made({ settings: { proxy: proxy.url } });
  const problem = await until('the problem', () => bot.adapter.connection().problem);
  expect(problem).toMatchObject({
    code: 'chat_unreachable',
    data: { proxy: proxy.url, reason: 'the proxy answers 502' },
  });
  expect(await bot.adapter.send(outgoing('k1'))).toMatchObject({ result: 'retry', notSent: true });
  proxy.refuse(undefined);
  await state(bot, 'connected');
});

test('a proxy with a password: REST and gateway give it, a wrong one is said, and neither is shown', async () => {
  const proxy = await proxied({ user: 'me', password: 'se cret' });
  const bot = await started({ settings: { proxy: proxy.url.replace('//', '//me:se%20cret@') } });
  expect(proxy.tunnels.length).toBeGreaterThanOrEqual(2);
  expect([...proxy.refused, ...proxy.plain]).toEqual([]);
  const other = await made({ settings: { proxy: proxy.url.replace('//', '//me:wrong-cret@') } });
  const problem = await until('the problem', () => other.adapter.connection().problem);
  expect(problem).toMatchObject({ code: 'chat_unreachable', data: { proxy: proxy.url } });
  expect(proxy.refused.length).toBeGreaterThan(0);
  expect(JSON.stringify([bot.logs, other.logs, other.adapter.connection()])).not.toContain('cret');
});

test('a proxy that lets only the gateway down is said', async () => {
  const proxy = await proxied();
  const bot = await started({ settings: { proxy: proxy.url } });
  proxy.refuse(502);
  proxy.cut();
  const problem = await until('the problem', () => bot.adapter.connection().problem);
  expect(problem).toMatchObject({ code: 'chat_unreachable' });
  proxy.refuse(undefined);
  await state(bot, 'connected');
});

test('it can be stopped while it dials, and nothing is thrown later', async () => {
  const bot = await started();
  discord.hangHandshakes(true);
  discord.disconnect();
  await until('the next dial', () => dials() === 2);
  const from = performance.now();
  await bot.adapter.stop();
  expect(performance.now() - from).toBeLessThan(1_000);
  expect(bot.adapter.connection().state).toBe('stopped');
  // Nobody dials any more.
  await setTimeout(700);
  expect(dials()).toBe(2);
  expect(discord.openHandshakes).toBe(0);
});

const check = (settings = {}, environment = {}) =>
  checkCredentials(
    { token: discord.token, api: discord.api, ...settings },
    platformDeps({ environment }),
    AbortSignal.timeout(5_000),
  );

test('credentials that are good have no problem; nothing is changed or sent', async () => {
  expect(await check()).toEqual({ bot: 'fettle', problems: [] });
  expect(await check({ guilds: [discord.guild.id] })).toEqual({ bot: 'fettle', problems: [] });
  expect(new Set(discord.calls().map(({ name }) => name.split(' ')[0]))).toEqual(new Set(['GET']));
});

test('what is wrong with credentials is told one by one', async () => {
  expect(await check({ token: 'abc' })).toMatchObject({ problems: [{ code: 'chat_credentials_malformed' }] });
  const wrong = `${discord.token.slice(0, -6)}wrong0`;
  expect(await check({ token: wrong })).toMatchObject({ problems: [{ code: 'chat_credentials_refused' }] });
  expect(await check({ guilds: ['123456789012345678'] })).toMatchObject({
    problems: [{ code: 'chat_permission_missing' }],
  });
  discord.setPermissions(1n << 10n);
  discord.deny('commands');
  expect(await check()).toMatchObject({
    bot: 'fettle',
    problems: [
      {
        code: 'chat_permission_missing',
        data: { permissions: ['Send Messages', 'Embed Links', 'Read Message History', 'Send Messages in Threads'] },
      },
      { code: 'chat_permission_missing', data: { permissions: ['applications.commands'] } },
    ],
  });
  discord.setPermissions(1n << 3n);
  discord.deny();
  expect(await check()).toMatchObject({ problems: [] });
  discord.kick();
  expect(await check()).toMatchObject({ bot: 'fettle', problems: [{ code: 'chat_permission_missing' }] });
  expect(await check({ api: 'http://127.0.0.1:9/api' })).toMatchObject({ problems: [{ code: 'chat_unreachable' }] });
});
