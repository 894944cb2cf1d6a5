import { expect, test } from 'vitest';
import { shownProxy } from '../../../src/cli/chat-platforms.ts';

const secret = { found: true, value: 'x' } as const;

test.each([
  [undefined, undefined],
  ['none', undefined],
  ['http://127.0.0.1:7890', 'http://127.0.0.1:7890'],
  ['http://me:word@proxy.example:3128/', 'http://proxy.example:3128'],
])('the proxy %s is shown as %s', (proxy, shown) => {
  expect(shownProxy({ secret, proxy })).toBe(shown);
});
