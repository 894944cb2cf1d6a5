import { LoggerLevel, WSClient } from '@larksuiteoapi/node-sdk';
import { expect, test } from 'vitest';
import { boundFragments } from '../../../adapters/feishu/fragments.ts';

/** On the SDK's own client: what it keeps of events that never become whole is bounded. */

interface Inside {
  readonly dataCache: {
    readonly cache: Map<string, { readonly buffer: readonly (Uint8Array | undefined)[] }>;
    mergeData(part: { message_id: string; sum: number; seq: number; trace_id: string; data: Uint8Array }): unknown;
    destroy(): void;
  };
}

function client(): Inside['dataCache'] {
  const made = new WSClient({ appId: 'cli_0123456789abcdef', appSecret: 'x', loggerLevel: LoggerLevel.fatal });
  boundFragments(made);
  return (made as unknown as Inside).dataCache;
}

const part = (message_id: string, seq: number, sum: number, data = Buffer.from('{')) => ({
  ...{ message_id, seq, sum, trace_id: '', data },
});
const bytes = (cache: Inside['dataCache']) =>
  [...cache.cache.values()].flatMap(({ buffer }) => buffer).reduce((size, data) => size + (data?.byteLength ?? 0), 0);

test('events in fragments are put together, also after a flood of ones that never end', () => {
  const cache = client();
  for (let i = 0; i < 5_000; i += 1) cache.mergeData(part(`m${i}`, 0, 2));
  expect(cache.cache.size).toBeLessThanOrEqual(128);
  for (let i = 0; i < 100; i += 1) cache.mergeData(part(`big${i}`, 0, 2, Buffer.alloc(1_000_000)));
  expect(bytes(cache)).toBeLessThan(10_000_000);
  expect(cache.mergeData(part('good', 1, 2, Buffer.from('"a":1}')))).toBeNull();
  expect(cache.mergeData(part('good', 0, 2))).toEqual({ a: 1 });
  expect(cache.mergeData(part('whole', 0, 1, Buffer.from('{"b":2}')))).toEqual({ b: 2 });
  cache.destroy();
});

test('no room is made for more parts than an event can have', () => {
  const cache = client();
  for (const sum of [257, 100_000, 4_000_000_000, Number.POSITIVE_INFINITY])
    expect(() => cache.mergeData(part('m', 0, sum))).toThrow();
  expect(cache.cache.size).toBe(0);
  cache.destroy();
});
