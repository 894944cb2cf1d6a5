import { describe, expect, test } from 'vitest';
import { checkCredentials, createPlatformAdapter, type PlatformName } from '../../../adapters/index.ts';
import { proxyFor } from '../../../adapters/proxy.ts';
import type { PlatformDeps } from '../../../src/chat/contract.ts';
import { MESSAGES } from '../../../src/chat/messages/index.ts';

const API = 'https://discord.com/api';
const E = 'http://e:1';

test.each([
  [API, undefined, {}, undefined],
  [API, undefined, { HTTPS_PROXY: E }, E],
  [API, undefined, { https_proxy: E, HTTPS_PROXY: 'http://q:1' }, E],
  [API, undefined, { HTTPS_PROXY: 'e:1' }, E],
  [API, undefined, { HTTP_PROXY: E }, undefined],
  [API, undefined, { ALL_PROXY: E }, E],
  [API, undefined, { ALL_PROXY: 'socks5://e:1' }, undefined],
  [API, undefined, { HTTPS_PROXY: E, ALL_PROXY: 'socks5://e:2' }, E],
  [API, undefined, { HTTPS_PROXY: '' }, undefined],
  [API, undefined, { HTTPS_PROXY: 'http://me:word@e:1' }, E],
  [API, 'http://own:2', { HTTPS_PROXY: E, NO_PROXY: '*' }, 'http://own:2'],
  [API, 'none', { HTTPS_PROXY: E }, undefined],
  ['wss://gateway.discord.gg', undefined, { HTTPS_PROXY: E }, E],
  ['ws://127.0.0.1:5', undefined, { HTTP_PROXY: E, HTTPS_PROXY: 'http://q:1' }, E],
  ['http://127.0.0.1:5', undefined, { HTTPS_PROXY: E }, E],
  [API, undefined, { HTTPS_PROXY: E, NO_PROXY: 'discord.com' }, undefined],
  [API, undefined, { HTTPS_PROXY: E, no_proxy: 'x.org, .com' }, undefined],
  [API, undefined, { HTTPS_PROXY: E, NO_PROXY: '*.discord.com' }, undefined],
  [API, undefined, { HTTPS_PROXY: E, NO_PROXY: 'cord.com' }, E],
  [API, undefined, { HTTPS_PROXY: E, NO_PROXY: 'discord.com:80' }, E],
  [API, undefined, { HTTPS_PROXY: E, NO_PROXY: 'discord.com:443' }, undefined],
  [API, undefined, { HTTPS_PROXY: E, NO_PROXY: '*' }, undefined],
  ['http://[::1]:5', undefined, { HTTPS_PROXY: E, NO_PROXY: '::1' }, undefined],
])('%s with %s and %j: %s', (address, own, environment, proxy) => {
  expect(proxyFor('discord', address, own, environment)?.shown).toBe(proxy);
});

describe('a proxy that is none is that chat’s trouble alone', () => {
  const secrets: Readonly<Record<PlatformName, string>> = {
    feishu: 'secret',
    discord: `${Buffer.from('123456789012345678').toString('base64url')}.abcdef.${'x'.repeat(38)}`,
    telegram: `123456789:${'x'.repeat(35)}`,
  };
  const deps = (environment: PlatformDeps['environment']): PlatformDeps => ({
    commands: [],
    clock: { now: () => 5, monotonic: () => 5 },
    random: () => 0,
    log: () => undefined,
    environment,
  });
  const names = Object.keys(secrets) as PlatformName[];

  test.each(
    names.flatMap((name) => [
      [name, 'socks5://me:word@127.0.0.1:1080', 'socks5://127.0.0.1:1080'] as const,
      [name, 'not an address', undefined] as const,
    ]),
  )('%s, HTTPS_PROXY=%s', async (name, proxy, shown) => {
    const settings = { secret: { found: true, value: secrets[name] }, appId: 'cli_0123456789abcdef' } as const;
    const adapter = await createPlatformAdapter(name, settings, deps({ HTTPS_PROXY: proxy }));
    const data = { platform: name, where: 'HTTPS_PROXY', ...(shown === undefined ? {} : { proxy: shown }) };
    const problem = { code: 'chat_proxy_unusable', data };
    expect(adapter.connection()).toMatchObject({ state: 'failed', problem });
    const check = await checkCredentials(name, settings, deps({ HTTPS_PROXY: proxy }), AbortSignal.timeout(5_000));
    expect(check.problems).toEqual([problem]);
    for (const language of ['en', 'zh'] as const) {
      const said = MESSAGES[language].problem('chat_proxy_unusable', data);
      expect(said.text).toContain('HTTPS_PROXY');
      expect(said.next).toContain(`chats.${name}.proxy`);
      expect(JSON.stringify(said)).not.toContain('word');
    }
  });
});
