import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { createOpener, createSealer, type Direction } from '../../../src/protocol/frames.ts';
import { signedBy } from '../../../src/protocol/key.ts';
import { MAX_MESSAGE_BYTES } from '../../../src/protocol/messages.ts';

const makeKey = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    sign: (text: string) => sign(null, Buffer.from(text), privateKey).toString('base64'),
    isSigned: signedBy(publicKey.export({ type: 'spki', format: 'pem' }).toString()),
  };
};
const nonces = { hub: 'hub-nonce-0123456789', agent: 'agent-nonce-0123456789' };

function pair(direction: Direction = 'hub', of = nonces, key = makeKey()) {
  return { key, sealer: createSealer(direction, of, key.sign), opener: createOpener(direction, of, key.isSigned) };
}
const sealed = (sealer: ReturnType<typeof pair>['sealer'], message: unknown): Record<string, unknown> =>
  JSON.parse(sealer.seal(message) ?? '{}') as Record<string, unknown>;

test('frames are opened in their order, each once', () => {
  const { sealer, opener } = pair();
  const frames = [1, 2, 3].map((n) => sealed(sealer, { type: 'cancel', update: `u-${n}` }));
  expect(frames.map((frame) => frame.seq)).toEqual([1, 2, 3]);
  expect(frames.map((frame) => opener.open(frame))).toEqual(frames.map((frame) => frame.body));
  for (const frame of frames) expect(opener.open(frame)).toBeUndefined();
});

test('one that comes before its turn is refused, and the one whose turn it is still opens', () => {
  const { sealer, opener } = pair();
  const [first, second] = [sealed(sealer, 1), sealed(sealer, 2)];
  expect(opener.open(second)).toBeUndefined();
  expect(opener.open(first)).toBe('1');
  expect(opener.open(second)).toBe('2');
});

test.each<[string, (frame: Record<string, unknown>) => unknown]>([
  ['another body', (frame) => ({ ...frame, body: '{"type":"cancel","update":"u-2"}' })],
  ['a body with a space more', (frame) => ({ ...frame, body: `${String(frame.body)} ` })],
  ['another number', (frame) => ({ ...frame, seq: 2 })],
  ['number 0', (frame) => ({ ...frame, seq: 0 })],
  ['a number that is text', (frame) => ({ ...frame, seq: '1' })],
  ['no signature', ({ signature: _, ...frame }) => frame],
  ['an empty signature', (frame) => ({ ...frame, signature: '' })],
  ['another type', (frame) => ({ ...frame, type: 'order' })],
  ['no object', () => null],
  ['a bare message', (frame) => JSON.parse(String(frame.body))],
])('refused: %s', (_, change) => {
  const { sealer, opener } = pair();
  const frame = sealed(sealer, { type: 'cancel', update: 'u-1' });
  expect(opener.open(change(frame))).toBeUndefined();
  expect(opener.open(frame)).toBe('{"type":"cancel","update":"u-1"}');
});

test.each<[string, Partial<{ direction: Direction; hub: string; agent: string; key: ReturnType<typeof makeKey> }>]>([
  ['the other direction', { direction: 'agent' }],
  ["another connection's hub nonce", { hub: 'hub-nonce-9876543210' }],
  ["another connection's agent nonce", { agent: 'agent-nonce-9876543210' }],
  ['another key', { key: makeKey() }],
])('a frame from %s is refused', (_, { direction = 'hub', key, ...other }) => {
  const here = pair();
  const there = pair(direction, { ...nonces, ...other }, key ?? here.key);
  expect(there.opener.open(sealed(there.sealer, 'x'))).toBe('"x"');
  expect(
    here.opener.open(sealed(pair(direction, { ...nonces, ...other }, key ?? here.key).sealer, 'x')),
  ).toBeUndefined();
});

test('one that would be too large is not made, and uses up no number', () => {
  const { sealer, opener } = pair();
  expect(sealer.seal('x'.repeat(MAX_MESSAGE_BYTES))).toBeUndefined();
  expect(sealer.seal('"'.repeat(MAX_MESSAGE_BYTES / 4))).toBeUndefined();
  const largest = sealer.seal('x'.repeat(MAX_MESSAGE_BYTES - 200));
  expect(Buffer.byteLength(largest ?? '')).toBeGreaterThan(MAX_MESSAGE_BYTES - 200);
  expect(opener.open(JSON.parse(largest ?? ''))).toHaveLength(MAX_MESSAGE_BYTES - 198);
});
