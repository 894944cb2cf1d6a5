import { gunzipSync } from 'node:zlib';
import { defaultHttpInstance } from '@larksuiteoapi/node-sdk';
import { expect, test } from 'vitest';
import { ADDONS, registerFeishu } from '../../adapters/feishu/register.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { type Accounts, REGISTERED, startAccounts } from '../support/feishu/accounts.ts';
import { until } from '../support/until.ts';

/** An app that is made by a scan, with the SDK's own `registerApp`. */

async function withAccounts(run: (accounts: Accounts) => Promise<void>): Promise<void> {
  const accounts = await startAccounts();
  try {
    await run(accounts);
  } finally {
    await accounts.close();
  }
}
const patience = () => AbortSignal.timeout(20_000);

test('a scan that is confirmed gives id and secret; the page is asked for what Fettle needs', () =>
  withAccounts(async (accounts) => {
    const shown: [string, number][] = [];
    const making = registerFeishu({
      domain: accounts.url,
      signal: patience(),
      onQr: (url, s) => void shown.push([url, s]),
    });
    await until('some polling', () => accounts.forms.filter(({ action }) => action === 'poll').length >= 2);
    accounts.decide('allow');
    expect(await making).toEqual({ ...REGISTERED, domain: accounts.url });
    expect(shown).toHaveLength(1);
    const [[address, seconds] = ['', 0]] = shown;
    expect(seconds).toBe(600);
    const asked = new URL(address).searchParams;
    expect(asked.get('user_code')).toBe('ABCD');
    expect(asked.get('name')).toBe('Fettle');
    expect(JSON.parse(gunzipSync(Buffer.from(asked.get('addons') ?? '', 'base64url')).toString())).toEqual(ADDONS);
  }));

test.each([
  ['deny', 'access_denied: The user declined.'],
  ['expire', 'expired_token: Too late.'],
] as const)('a scan that ends with %s', (decision, reason) =>
  withAccounts(async (accounts) => {
    accounts.decide(decision);
    await expect(
      registerFeishu({ domain: accounts.url, signal: patience(), onQr: () => undefined }),
    ).rejects.toMatchObject({ code: 'chat_refused', data: { reason, setup: true } });
  }),
);

test('it ends at once when it is told to: while it polls, while nobody answers, and before it began', () =>
  withAccounts(async (accounts) => {
    const stop = new AbortController();
    const options = { domain: accounts.url, signal: stop.signal, onQr: () => undefined };
    const polling = registerFeishu(options);
    polling.catch(() => undefined);
    await until('the polling', () => accounts.forms.length >= 2);
    stop.abort();
    await expect(polling).rejects.toMatchObject({ code: 'chat_refused' });
    await expect(registerFeishu(options)).rejects.toMatchObject({ code: 'chat_unreachable' });
    accounts.hang();
    const other = new AbortController();
    const before = accounts.forms.length;
    const hanging = registerFeishu({ ...options, signal: other.signal });
    hanging.catch(() => undefined);
    await until('the question', () => accounts.forms.length > before);
    other.abort();
    await expect(hanging).rejects.toMatchObject({ code: 'chat_unreachable' });
  }));

test('nobody there, or through a proxy; the shared client of the SDK is left as it was', () =>
  withAccounts(async (accounts) => {
    const proxy = await startConnectProxy();
    accounts.decide('allow');
    const options = { domain: accounts.url, signal: patience(), onQr: () => undefined };
    await registerFeishu({ ...options, proxy: proxy.url });
    expect(proxy.tunnels.length).toBeGreaterThan(0);
    expect(proxy.plain).toEqual([]);
    proxy.refuse(403);
    proxy.cut();
    await expect(registerFeishu({ ...options, proxy: proxy.url })).rejects.toMatchObject({
      code: 'chat_unreachable',
      data: { reason: 'the proxy answers 403', proxy: proxy.url },
    });
    await proxy.close();
    const refused = await registerFeishu({ ...options, proxy: proxy.url }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'chat_unreachable', data: { reason: 'ECONNREFUSED', proxy: proxy.url } });
    const answer: unknown = await defaultHttpInstance.post(`${accounts.url}/x`, 'action=begin');
    expect(answer).toMatchObject({ device_code: 'device-1' });
  }));
