import { expect, test } from 'vitest';
import { fuzzHub } from '../support/fuzz-hub.ts';
import { fuzzLink } from '../support/fuzz-link.ts';

/** The short form of `npm run fuzz`, with a seed that stays. */
test('generated messages: the hub goes on as before', async () => {
  const { unhandled, closes } = await fuzzHub(6, 400);
  expect(unhandled).toEqual([]);
  // It was not turned away at the door: connections ended for what was said on them, in more than one way.
  expect(closes).toMatchObject({ '1002': expect.any(Number), '4006': expect.any(Number) });
}, 120_000);

test('generated messages: the agent goes on as before', async () => {
  const { unhandled, closes } = await fuzzLink(6, 1_000);
  expect(unhandled).toEqual([]);
  expect(closes).toMatchObject({ '4006': expect.any(Number), order: expect.any(Number), cancel: expect.any(Number) });
}, 120_000);
