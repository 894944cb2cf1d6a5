import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTelegramAdapter } from '../../adapters/telegram/adapter.ts';
import { checkCredentials } from '../../adapters/telegram/index.ts';
import { FakeSink } from '../contract/adapter.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { makeDeps, outgoing, startBench } from '../support/telegram/adapter.ts';
import { startTelegram } from '../support/telegram/index.ts';
import { FAST } from '../support/telegram/timings.ts';
import { until } from '../support/until.ts';

/** The connection to Telegram: how it fails, what is said of it, how it mends. */

const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

const never = new AbortController().signal;

test.each([
  ['empty', ''],
  ['cut off', '612345678:'],
  ['without its number', 'a'.repeat(35)],
  ['with a line break', `612345678:${'a'.repeat(20)}\n${'a'.repeat(14)}`],
])('a token that is %s: said at once, and nobody is asked', async (_, token) => {
  await using bench = await startBench({ settings: { token }, connected: false });
  expect(bench.adapter.connection()).toMatchObject({
    state: 'failed',
    problem: { code: 'chat_credentials_malformed' },
  });
  expect(bench.sink.connectionChanges).toBe(1);
  expect(await bench.adapter.send(outgoing({ platform: 'telegram', chat: '1' }, 'k'))).toEqual({
    result: 'unattended',
  });
  expect(bench.telegram.calls()).toEqual([]);
  const check = await checkCredentials({ token, api: bench.telegram.url }, makeDeps(), never);
  expect(check).toMatchObject({ problems: [{ code: 'chat_credentials_malformed' }] });
  expect(check.bot).toBeUndefined();
});

test('a token that Telegram does not know: failed, said once, and not asked again', async () => {
  const token = `612345679:${'unknown'.padEnd(35, '-')}`;
  await using bench = await startBench({ settings: { token }, connected: false });
  await until('the refusal', () => bench.adapter.connection().state === 'failed');
  expect(bench.adapter.connection()).toMatchObject({
    problem: { code: 'chat_credentials_refused', data: { platform: 'telegram', reason: 'Unauthorized' } },
  });
  expect(bench.sink.connectionChanges).toBe(2);
  expect(bench.telegram.calls()).toHaveLength(1);
  expect(JSON.stringify([bench.adapter.connection(), bench.deps.logged])).not.toContain(token);
});

test('the token is revoked while the hub runs: failed, once, and what is to be said waits', async () => {
  await using bench = await startBench();
  const { route } = await bench.asked('/update');
  bench.telegram.revoke();
  await until('the failure', () => bench.adapter.connection().state === 'failed');
  const changes = bench.sink.connectionChanges;
  const calls = bench.telegram.calls().length;
  expect(await bench.adapter.send(outgoing(route, 'k'))).toEqual({ result: 'unattended' });
  expect(await bench.adapter.edit(`${route.chat}/41`, outgoing(route, 'k'))).toEqual({ result: 'unattended' });
  expect(bench.sink.connectionChanges).toBe(changes);
  expect(bench.telegram.calls()).toHaveLength(calls);
});

test('the token is revoked, and a message is the first to notice', async () => {
  await using bench = await startBench({ timings: { pollSeconds: 20 } });
  const { route } = await bench.asked('/update');
  bench.telegram.fault({ on: 'send', do: 'status', status: 401 });
  expect(await bench.adapter.send(outgoing(route, 'k'))).toEqual({ result: 'unattended' });
  expect(bench.adapter.connection()).toMatchObject({ state: 'failed', problem: { code: 'chat_credentials_refused' } });
});

test('another program takes the events: normal for a while, then said, tried on, and well again', async () => {
  await using bench = await startBench();
  bench.telegram.rival(true);
  await until('the conflict', () => bench.adapter.connection().state === 'connecting');
  expect(bench.adapter.connection().problem).toBeUndefined();
  expect(bench.adapter.connection().lastError).toMatch(/Conflict/);
  await until('that it is said', () => bench.adapter.connection().problem?.code === 'chat_conflict');
  bench.telegram.rival(false);
  await until('the connection', () => bench.adapter.connection().state === 'connected');
  expect((await bench.asked('/update')).text).toBe('/update');
});

test('a webhook is taken away: while it is there, no poll is answered', async () => {
  await using bench = await startBench();
  bench.telegram.webhook('https://old.example/hook');
  await until('that it is gone', () => bench.telegram.calls().some(({ name }) => name.endsWith('deleteWebhook')));
  await until('the connection', () => bench.adapter.connection().state === 'connected');
  expect((await bench.asked('/update')).text).toBe('/update');
});

test.each([
  ['500', { on: 'connect', do: 'status', status: 500, times: 4 }],
  ['502 in HTML', { on: 'connect', do: 'status', status: 502, times: 4 }],
  ['429', { on: 'connect', do: 'status', status: 429, times: 1 }],
  ['cut connections', { on: 'connect', do: 'drop', times: 4 }],
] as const)('%s: said, and mended', async (_, fault) => {
  await using bench = await startBench({ timings: { pollSeconds: 1, pollGraceMs: 200 } });
  bench.telegram.fault(fault);
  bench.telegram.disconnect();
  await until('that it is noticed', () => bench.adapter.connection().state === 'connecting');
  const early = bench.asked('/update');
  await until('the connection', () => bench.adapter.connection().state === 'connected');
  expect(bench.adapter.connection().problem).toBeUndefined();
  expect((await early).text).toBe('/update');
  // Tried with pauses, not in a loop.
  expect(bench.telegram.calls().length).toBeLessThan(40);
});

test('a connection that goes silent is noticed, said, and made anew', async () => {
  await using bench = await startBench({ timings: { pollSeconds: 1, pollGraceMs: 200 } });
  bench.telegram.silence(1);
  bench.telegram.disconnect();
  await until('that it is noticed', () => bench.adapter.connection().lastError === 'no answer in time');
  await until('the connection', () => bench.adapter.connection().state === 'connected');
  expect((await bench.asked('/update')).text).toBe('/update');
});

test('nobody is there: said with its reason, stopped at once, and found when it comes', async () => {
  const port = await freePort();
  const api = `http://127.0.0.1:${port}`;
  const sink = new FakeSink();
  const token = `612345678:${'local-test'.padEnd(35, '-')}`;
  const adapter = createTelegramAdapter({ token, api }, makeDeps(), FAST);
  await adapter.start(sink);
  await until('the problem', () => adapter.connection().problem);
  expect(adapter.connection()).toMatchObject({
    state: 'connecting',
    problem: { code: 'chat_unreachable', data: { platform: 'telegram', reason: 'ECONNREFUSED' } },
  });
  const route = { platform: 'telegram', chat: '700001001' };
  expect(await adapter.send(outgoing(route, 'k'))).toMatchObject({
    result: 'retry',
    notSent: true,
    reason: 'ECONNREFUSED',
  });
  expect(await checkCredentials({ token, api }, makeDeps(), never)).toMatchObject({
    problems: [{ code: 'chat_unreachable' }],
  });
  await adapter.stop();
  expect(adapter.connection().state).toBe('stopped');
});

test('something else answers at the address: unreachable, and no crash', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('SSH-2.0-OpenSSH_9.6\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await using bench = await startBench({ settings: { api: `http://127.0.0.1:${port}` }, connected: false });
  await until('the problem', () => bench.adapter.connection().problem?.code === 'chat_unreachable');
  server.close();
});

test('a stop in the middle of a poll is quick', async () => {
  await using bench = await startBench({ timings: { pollSeconds: 20, pollGraceMs: 5_000 } });
  const before = performance.now();
  await bench.adapter.stop();
  expect(performance.now() - before).toBeLessThan(2_000);
  await until('the end of the poll', () => bench.telegram.connections() === 0);
});

test.each([
  ['its own', (url: string) => ({ settings: { proxy: url } })],
  ['HTTPS_PROXY', (url: string) => ({ environment: { HTTPS_PROXY: url } })],
  [
    'its own, with a name and a password',
    (url: string) => ({ settings: { proxy: url.replace('//', '//me:se%20cret@') } }),
  ],
])('a proxy (%s): everything goes through it, and it breaks and mends', async (name, how) => {
  const credentials = name.includes('password') ? { user: 'me', password: 'se cret' } : undefined;
  await using proxy = disposable(await startConnectProxy({ credentials }));
  await using bench = await startBench(how(proxy.url));
  const { route } = await bench.asked('/update');
  expect((await bench.adapter.send(outgoing(route, 'k'))).result).toBe('sent');
  expect(new Set(proxy.tunnels)).toEqual(new Set([bench.telegram.url.replace('http://', '')]));
  expect(proxy.plain).toEqual([]);
  proxy.refuse(503);
  proxy.cut();
  await until('the problem', () => bench.adapter.connection().problem?.code === 'chat_unreachable');
  await until('the refusal of the proxy', () => bench.adapter.connection().lastError === 'the proxy answers 503');
  expect(bench.adapter.connection().problem?.data).toMatchObject({ proxy: proxy.url, reason: 'the proxy answers 503' });
  expect(JSON.stringify(bench.adapter.connection())).not.toContain('cret');
  proxy.refuse(undefined);
  await until('the connection', () => bench.adapter.connection().state === 'connected');
});

test('`none` and NO_PROXY: the proxy is not used', async () => {
  await using proxy = disposable(await startConnectProxy());
  await using own = await startBench({ settings: { proxy: 'none' }, environment: { HTTPS_PROXY: proxy.url } });
  await using listed = await startBench({ environment: { HTTPS_PROXY: proxy.url, NO_PROXY: 'example.org,127.0.0.1' } });
  expect([own.adapter.connection().state, listed.adapter.connection().state]).toEqual(['connected', 'connected']);
  expect(proxy.tunnels).toEqual([]);
});

test('a proxy that takes the call and is silent: noticed, said, mended', async () => {
  await using proxy = disposable(await startConnectProxy());
  await using bench = await startBench({
    settings: { proxy: proxy.url },
    timings: { pollSeconds: 1, pollGraceMs: 200 },
  });
  proxy.hang(true);
  await until('the problem', () => bench.adapter.connection().problem?.code === 'chat_unreachable');
  proxy.hang(false);
  proxy.cut();
  await until('the connection', () => bench.adapter.connection().state === 'connected');
});

test('a live look at the credentials: who, what is wrong; nothing is changed or sent', async () => {
  await using telegram = disposable(await startTelegram());
  const look = (token: string) => checkCredentials({ token, api: telegram.url }, makeDeps(), never);
  expect(await look(telegram.token)).toEqual({ bot: '@fettle_test_bot', problems: [] });
  expect(await look(`612345678:${'other'.padEnd(35, '-')}`)).toMatchObject({
    problems: [{ code: 'chat_credentials_refused' }],
  });
  telegram.webhook('https://old.example/hook');
  expect(await look(telegram.token)).toMatchObject({ bot: '@fettle_test_bot', problems: [{ code: 'chat_conflict' }] });
  const asked = new Set(telegram.calls().map(({ name }) => name.split('/').at(-1)));
  expect(asked).toEqual(new Set(['getMe', 'getWebhookInfo']));
  const ended = AbortSignal.abort();
  const check = await checkCredentials({ token: telegram.token, api: telegram.url }, makeDeps(), ended);
  expect(check).toMatchObject({ problems: [{ code: 'chat_unreachable' }] });
});

function disposable<T extends { close(): Promise<void> }>(thing: T): T & AsyncDisposable {
  return Object.assign(thing, { [Symbol.asyncDispose]: () => thing.close() });
}
