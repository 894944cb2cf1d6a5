import { expect, test } from 'vitest';
import { checkCredentials } from '../../adapters/feishu/index.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { depsOf, withHub } from '../support/feishu/hub.ts';
import { startFeishu } from '../support/feishu/index.ts';
import { until } from '../support/until.ts';

/** The long connection: lost, refused, silent, behind a proxy; and what people are told of it. */

const nothing = () => undefined;
const endpoints = (calls: readonly { readonly what: string }[]) =>
  calls.filter(({ what }) => what === 'connect').length;

test.each([
  ['an app id of another form', { appId: 'cli_123' }],
  ['no app id', { appId: '' }],
  ['a secret with a space in it', { token: 'abc def' }],
])('%s is refused before anything is asked', (_, settings) =>
  withHub({ settings }, async ({ feishu, adapter, sink }) => {
    expect(adapter.connection()).toMatchObject({ state: 'failed', problem: { code: 'chat_credentials_malformed' } });
    expect(sink.connectionChanges).toBe(1);
    expect(feishu.calls()).toEqual([]);
    const route = { platform: 'feishu', chat: 'oc_1' };
    const reply = { tone: 'info' as const, title: 'x' };
    expect(await adapter.send({ key: 'k', route, reply, final: true, failed: false })).toEqual({
      result: 'unattended',
    });
  }),
);

test('a wrong secret: said once, asked once, and shown nowhere', () =>
  withHub({ settings: { token: 'wrongwrongwrong' } }, async ({ feishu, adapter, sink, logs }) => {
    expect(adapter.connection()).toMatchObject({
      state: 'failed',
      problem: { code: 'chat_credentials_refused', data: { reason: 'code 10014: app secret invalid' } },
    });
    expect(sink.connectionChanges).toBe(2);
    const asked = feishu.calls().length;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(feishu.calls()).toHaveLength(asked);
    expect(logs.join('\n')).not.toContain('wrongwrongwrong');
  }));

test('credentials that are revoked while it is connected end in a clear failure, by the socket or by a message', () =>
  withHub({}, async ({ feishu, state, adapter, logs }) => {
    feishu.revoke();
    await state('failed');
    expect(adapter.connection().problem?.code).toBe('chat_credentials_refused');
    expect(logs.join('\n')).not.toContain(feishu.secret);
  }));

test('credentials that are revoked, noticed at the next message', () =>
  withHub({}, async ({ feishu, adapter, asked, answer, state }) => {
    const message = answer(await asked(), 'k');
    feishu.revokeQuietly();
    expect(await adapter.send(message)).toEqual({ result: 'unattended' });
    await state('failed');
    expect(adapter.connection().problem?.code).toBe('chat_credentials_refused');
    await until('the end of the connection', () => feishu.connections() === 0);
  }));

test.each([
  ['busy', { code: 1, msg: 'busy' }],
  ['busy, with no data', { code: 1_000_040_343, msg: 'internal error' }],
  ['well, and names no address', { code: 0, msg: '', data: {} }],
  ['well, without a pause between pings', { code: 0, msg: '', data: { URL: 'ws://127.0.0.1:1/', ClientConfig: {} } }],
])('an endpoint that is %s is asked again', (_, answer) =>
  withHub({ before: (feishu) => feishu.endpoint(answer) }, async ({ feishu, adapter, state, sink }) => {
    expect(adapter.connection()).toMatchObject({ state: 'connecting', problem: { code: 'chat_unreachable' } });
    await until('a second try', () => endpoints(feishu.calls()) >= 2);
    feishu.endpoint(undefined);
    await state('connected');
    expect(adapter.connection().problem).toBeUndefined();
    expect(sink.deliverables).toBeGreaterThan(0);
  }),
);

test.each([
  ['forbidden', { code: 403, msg: 'forbidden' }],
  ['not for this brand', { code: 1_000_040_351, msg: 'Incorrect domain name' }],
  ['refused for its credentials, though they are good', { code: 514, msg: 'auth failed' }],
])('an endpoint that is %s: given up, with its words', (_, answer) =>
  withHub({ before: (feishu) => feishu.endpoint(answer) }, async ({ adapter, feishu }) => {
    expect(adapter.connection()).toMatchObject({ state: 'failed', problem: { code: 'chat_refused' } });
    expect(String(adapter.connection().problem?.data.reason)).toContain(answer.msg);
    expect(endpoints(feishu.calls())).toBe(1);
  }),
);

test('too many connections: said as a conflict, and not asked in a hurry', () =>
  withHub(
    { before: (feishu) => feishu.endpoint({ code: 1_000_040_350, msg: 'exceed_conn_limit' }) },
    async ({ adapter, feishu }) => {
      expect(adapter.connection()).toMatchObject({ state: 'connecting', problem: { code: 'chat_conflict' } });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(endpoints(feishu.calls())).toBe(1);
    },
  ));

test.each([
  ['cut', { on: 'connect', do: 'drop', times: 2 }],
  ['HTTP 500', { on: 'connect', do: 'status', status: 500, times: 2 }],
] as const)('an endpoint that answers with %s is asked again', (_, fault) =>
  withHub({ before: (feishu) => feishu.fault(fault) }, async ({ adapter, state }) => {
    expect(adapter.connection().state).toBe('connecting');
    await state('connected');
  }),
);

test('a connection that is cut is made again, and events go on', () =>
  withHub({}, async ({ feishu, adapter, state, asked }) => {
    for (let i = 0; i < 2; i += 1) {
      feishu.disconnect();
      await state('connecting');
      await state('connected');
      await feishu.connected();
      await asked(`/update ${i}`);
    }
    expect(feishu.connections()).toBe(1);
    expect(adapter.connection().problem).toBeUndefined();
  }));

test('a connection that falls silent is noticed, and made again', () =>
  withHub({ pingInterval: 1, settings: { pongS: 0.5 } }, async ({ feishu, state, asked }) => {
    feishu.silence(true);
    await state('connecting');
    feishu.silence(false);
    await state('connected');
    await feishu.connected();
    await asked();
  }));

test('stopped: no connection, no timer, no further try', () =>
  withHub({}, async ({ feishu, adapter }) => {
    await adapter.stop();
    await until('the end', () => feishu.connections() === 0);
    const asked = feishu.calls().length;
    feishu.disconnect();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(feishu.calls()).toHaveLength(asked);
    expect(adapter.connection().state).toBe('stopped');
  }));

test('through a proxy of its own: requests and the socket, all by CONNECT; refused and cut, it is mended', async () => {
  const proxy = await startConnectProxy();
  await withHub({ settings: { proxy: proxy.url } }, async ({ feishu, adapter, asked, answer, state }) => {
    expect(await adapter.send(answer(await asked(), 'k'))).toMatchObject({ result: 'sent' });
    expect(new Set(proxy.tunnels)).toEqual(new Set([feishu.url.replace('http://', '')]));
    expect(proxy.tunnels.length).toBeGreaterThanOrEqual(2);
    expect(proxy.plain).toEqual([]);
    const waiting = await asked();
    // Its refusal is not taken for the platform's, which would be one for good.
    proxy.refuse(403);
    proxy.cut();
    const refused = { code: 'chat_unreachable', data: { proxy: proxy.url, reason: 'the proxy answers 403' } };
    await until('the problem', () => adapter.connection().problem?.data.reason === refused.data.reason);
    expect(adapter.connection()).toMatchObject({ state: 'connecting', problem: refused });
    expect(await adapter.send(answer(waiting, 'l'))).toMatchObject({
      result: 'retry',
      notSent: true,
      reason: 'the proxy answers 403',
    });
    proxy.refuse(undefined);
    await state('connected');
  });
  await proxy.close();
});

test('HTTPS_PROXY is used, NO_PROXY and `none` are not; its credentials are given to it alone', async () => {
  const credentials = { user: 'me', password: 'p%40ss' };
  const proxy = await startConnectProxy({ credentials: { ...credentials, password: 'p@ss' } });
  const HTTPS_PROXY = proxy.url.replace('//', `//${credentials.user}:${credentials.password}@`);
  await withHub({ environment: { HTTPS_PROXY } }, async ({ adapter, logs }) => {
    expect(adapter.connection().state).toBe('connected');
    expect(logs.join('\n')).not.toContain('p%40ss');
  });
  const used = proxy.tunnels.length;
  expect(used).toBeGreaterThanOrEqual(1);
  await withHub({ environment: { HTTPS_PROXY, NO_PROXY: 'example.com,127.0.0.1' } }, async ({ adapter }) => {
    expect(adapter.connection().state).toBe('connected');
  });
  await withHub({ environment: { HTTPS_PROXY }, settings: { proxy: 'none' } }, async ({ adapter }) => {
    expect(adapter.connection().state).toBe('connected');
  });
  expect(proxy.tunnels).toHaveLength(used);
  expect(proxy.refused).toEqual([]);
  await proxy.close();
});

test('credentials are looked at without anything being sent', async () => {
  const feishu = await startFeishu();
  const settings = { appId: feishu.appId, token: feishu.secret, api: feishu.url };
  const look = (given: object = {}) =>
    checkCredentials({ ...settings, ...given }, depsOf(nothing), AbortSignal.timeout(10_000));
  expect(await look()).toEqual({ bot: 'Fettle', problems: [] });
  expect(await look({ appId: 'cli_1' })).toMatchObject({ problems: [{ code: 'chat_credentials_malformed' }] });
  expect(await look({ token: 'wrong' })).toMatchObject({ problems: [{ code: 'chat_credentials_refused' }] });
  feishu.withdraw('im:message:send_as_bot');
  feishu.withdraw('im:message.p2p_msg:readonly');
  expect(await look()).toMatchObject({
    bot: 'Fettle',
    problems: [
      {
        code: 'chat_permission_missing',
        data: { permissions: ['im:message:send_as_bot', 'im:message.p2p_msg:readonly'] },
      },
    ],
  });
  feishu.refuse({ on: 'GET /open-apis/application/v6/scopes', code: 212100 });
  expect(await look()).toEqual({ bot: 'Fettle', problems: [] });
  feishu.activate(1);
  expect(await look()).toMatchObject({ problems: [{ code: 'chat_refused' }, { code: 'chat_permission_missing' }] });
  expect(feishu.calls().filter(({ name }) => !/^GET |tenant_access_token/.test(name))).toEqual([]);
  await feishu.close();
  expect(await look()).toMatchObject({ problems: [{ code: 'chat_unreachable' }] });
});
