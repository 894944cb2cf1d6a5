import { expect, test } from 'vitest';
import { proxyFor } from '../../../adapters/discord/proxy.ts';
import { looksLikeToken } from '../../../adapters/discord/token.ts';

const API = 'https://discord.com/api';

test.each([
  [API, undefined, {}, undefined],
  [API, undefined, { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
  [API, undefined, { https_proxy: 'http://p:1', HTTPS_PROXY: 'http://q:1' }, 'http://p:1'],
  [API, undefined, { HTTPS_PROXY: 'p:1' }, 'http://p:1'],
  [API, undefined, { HTTP_PROXY: 'http://p:1' }, undefined],
  [API, undefined, { ALL_PROXY: 'http://p:1' }, 'http://p:1'],
  [API, undefined, { HTTPS_PROXY: '' }, undefined],
  [API, 'http://own:2', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '*' }, 'http://own:2'],
  [API, 'none', { HTTPS_PROXY: 'http://p:1' }, undefined],
  ['wss://gateway.discord.gg', undefined, { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
  ['ws://127.0.0.1:5', undefined, { HTTP_PROXY: 'http://p:1' }, 'http://p:1'],
  [API, undefined, { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'discord.com' }, undefined],
  [API, undefined, { HTTPS_PROXY: 'http://p:1', no_proxy: 'x.org, .com' }, undefined],
  [API, undefined, { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'cord.com' }, 'http://p:1'],
  [API, undefined, { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'discord.com:80' }, 'http://p:1'],
  [API, undefined, { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'discord.com:443' }, undefined],
  [API, undefined, { HTTPS_PROXY: 'http://p:1', NO_PROXY: '*' }, undefined],
])('%s with %s and %j: %s', (address, own, environment, proxy) => {
  expect(proxyFor(address, own, environment)).toBe(proxy);
});

const part = (text: string) => Buffer.from(text).toString('base64url');

test.each([
  [`${part('123456789012345678')}.abcdef.${'x'.repeat(38)}`, true],
  [`${part('not a number at all')}.abcdef.${'x'.repeat(38)}`, false],
  [`${part('123456789012345678')}.abcdef`, false],
  [`Bot ${part('123456789012345678')}.abcdef.${'x'.repeat(38)}`, false],
  ['x'.repeat(32), false],
  ['', false],
])('%s looks like a token: %s', (token, looks) => {
  expect(looksLikeToken(token)).toBe(looks);
});
