import type { RandomBytes } from './id.ts';

/** Codes that people type: read aloud, typed on phones, good for minutes. Pure. */

/** Such a code is good for this long. Milliseconds. */
export const CODE_MS = 10 * 60_000;
/** Wrong tries after which it is good for nothing. */
export const CODE_TRIES = 5;

/** No vowels, no look-alikes. */
const ALPHABET = '23456789bcdfghjkmnpqrstvwxyz';
const LENGTH = 8;

/** `7k2m-9xwd`: 28^8 values, so that five tries find it once in 75 billion times. */
export function newCode(random: RandomBytes): string {
  const bytes = random(LENGTH * 4);
  let code = '';
  for (let i = 0; i < LENGTH; i += 1) {
    let value = 0;
    for (let j = 0; j < 4; j += 1) value = value * 256 + (bytes[i * 4 + j] ?? 0);
    code += `${i === LENGTH / 2 ? '-' : ''}${ALPHABET[value % ALPHABET.length]}`;
  }
  return code;
}

/** What was typed, as it is compared: case, spaces and dashes do not count. */
export function foldCode(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^0-9a-z]/g, '')
    .slice(0, 100);
}
