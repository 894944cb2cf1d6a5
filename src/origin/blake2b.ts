/**
 * BLAKE2b (RFC 7693) without a key, of up to 128 bytes. Minisign's secret key files end in a BLAKE2b-256, which
 * OpenSSL does not offer; nothing else uses this, and nothing that checks a signature does.
 */

const MASK = (1n << 64n) - 1n;
const BLOCK = 128;
const ROUNDS = 12;
/** Those of SHA-512. */
const IV = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
];
/** RFC 7693, 2.7; a digit is the number of a word. Rounds 10 and 11 are those of 0 and 1 again. */
const SIGMA = [
  '0123456789abcdef',
  'ea489fd61c02b753',
  'b8c052fdae367194',
  '7931dcbe265a40f8',
  '905724afe1bc683d',
  '2c6a0b834d75fe19',
  'c51fed4a0763928b',
  'db7ec13950f4862a',
  '6fe9b308c2d714a5',
  'a2847615fb9e3cd0',
].map(digits);
/** RFC 7693, 3.2: the columns, then the diagonals. */
const MIX = ['048c', '159d', '26ae', '37bf', '05af', '16bc', '278d', '349e'].map(digits);

/**
 * @param input 128 bytes at most: one block
 * @param length of the digest, 1 to 64 bytes
 */
export function blake2b(input: Uint8Array, length: number): Buffer {
  if (input.length > BLOCK) throw new RangeError(`blake2b here takes ${BLOCK} bytes at most, not ${input.length}`);
  const block = Buffer.alloc(BLOCK);
  block.set(input);
  const m = Array.from({ length: 16 }, (_, i) => block.readBigUInt64LE(i * 8));
  const h = [...IV];
  h[0] = word(h, 0) ^ 0x01010000n ^ BigInt(length);
  const v = [...h, ...IV];
  v[12] = word(v, 12) ^ BigInt(input.length);
  v[14] = word(v, 14) ^ MASK;
  for (let round = 0; round < ROUNDS; round += 1) {
    const s = SIGMA[round % SIGMA.length] ?? [];
    MIX.forEach((at, i) => {
      mix(v, at, word(m, s[2 * i] ?? 0), word(m, s[2 * i + 1] ?? 0));
    });
  }
  const digest = Buffer.alloc(64);
  h.forEach((value, i) => {
    digest.writeBigUInt64LE(value ^ word(v, i) ^ word(v, i + 8), i * 8);
  });
  return digest.subarray(0, length);
}

function mix(v: bigint[], at: readonly number[], x: bigint, y: bigint): void {
  const [a = 0, b = 0, c = 0, d = 0] = at;
  v[a] = (word(v, a) + word(v, b) + x) & MASK;
  v[d] = rotate(word(v, d) ^ word(v, a), 32n);
  v[c] = (word(v, c) + word(v, d)) & MASK;
  v[b] = rotate(word(v, b) ^ word(v, c), 24n);
  v[a] = (word(v, a) + word(v, b) + y) & MASK;
  v[d] = rotate(word(v, d) ^ word(v, a), 16n);
  v[c] = (word(v, c) + word(v, d)) & MASK;
  v[b] = rotate(word(v, b) ^ word(v, c), 63n);
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value >> bits) | (value << (64n - bits))) & MASK;
}

function word(from: readonly bigint[], i: number): bigint {
  return from[i] ?? 0n;
}

function digits(text: string): readonly number[] {
  return [...text].map((digit) => Number.parseInt(digit, 16));
}
