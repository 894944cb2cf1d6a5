/** Short ids for people (`u-7k2m`) and the sources of time and chance, all passed in. */

/** What everything time-dependent is given instead of reading the clock. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /** Monotonic milliseconds. Never jumps; means nothing across a restart. */
  monotonic(): number;
}

/** Uniform random bytes. */
export type RandomBytes = (length: number) => Uint8Array;

/** No vowels, no look-alikes: ids are read aloud and typed on phones. */
const ALPHABET = '23456789bcdfghjkmnpqrstvwxyz';

/** `prefix-xxxx`: 4 characters give 614,656 values; the caller retries where the store says it is taken. */
export function shortId(prefix: string, random: RandomBytes, length = 4): string {
  const bytes = random(length * 2);
  let id = '';
  for (let i = 0; i < length; i += 1) {
    const value = ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0);
    id += ALPHABET[value % ALPHABET.length];
  }
  return `${prefix}-${id}`;
}
