import { expect, test } from 'vitest';
import { looksLikeToken } from '../../../adapters/discord/token.ts';

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
