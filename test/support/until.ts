import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition, with a deadline; the error says what was waited for and what was seen last. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  limitMs = 20_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}; last: ${String(last)}`);
    await delay(20);
  }
}
