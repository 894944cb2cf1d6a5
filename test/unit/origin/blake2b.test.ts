import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { blake2b } from '../../../src/origin/blake2b.ts';

test('64 bytes are what OpenSSL computes, for every length of input that there is', () => {
  for (let length = 0; length <= 128; length += 1) {
    const input = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + length) & 255));
    expect(blake2b(input, 64).toString('hex')).toBe(createHash('blake2b512').update(input).digest('hex'));
  }
});

test('32 bytes are what b2sum -l 256 prints', () => {
  // printf abc | b2sum -l 256; head -c 74 /dev/zero | b2sum -l 256
  expect(blake2b(Buffer.from('abc'), 32).toString('hex')).toBe(
    'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
  );
  expect(() => blake2b(Buffer.alloc(129), 32)).toThrow('128 bytes');
});
