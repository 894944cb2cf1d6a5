import { readFileSync } from 'node:fs';
import { FettleError } from '../domain/errors.ts';
import { writeDurably } from '../files/durable.ts';
import type { Index } from './feed-format.ts';

/**
 * The highest number of each index that was seen. Whoever can replace a feed's files by older ones could otherwise
 * keep a fix from everybody, for ever, with everything still signed.
 */
export interface SeenNumbers {
  /** @param key one a source and app */
  highest(key: string): Promise<number | undefined>;
  /** Keeps it, durably, where it is higher. */
  saw(key: string, number: number): Promise<void>;
}

/**
 * The names of an app's index numbers by who signs, for a device that leaves it to the order where the index lies: whoever
 * changes the address does not begin anew. By each key, so that naming one more does not either.
 */
export function signedNumberKeys(app: string, keys: readonly string[]): string[] {
  return [...new Set(keys)].map((key) => `signed ${app} by ${key}`);
}

/**
 * @param keys one, or several that stand for the same: the highest counts, and all are kept
 * @throws {FettleError} `source_rolled_back` {source, number, seen}
 */
export async function checkNumber(
  seen: SeenNumbers,
  keys: string | readonly string[],
  source: string,
  index: Index,
): Promise<void> {
  const names = typeof keys === 'string' ? [keys] : keys;
  const numbers = (await Promise.all(names.map((key) => seen.highest(key)))).filter((one) => one !== undefined);
  const highest = numbers.length === 0 ? undefined : Math.max(...numbers);
  if (highest !== undefined && index.number < highest) {
    throw new FettleError('source_rolled_back', {
      data: {
        source,
        number: index.number,
        seen: highest,
        reason: `its index has number ${index.number}, but number ${highest} has been seen already`,
      },
    });
  }
  for (const key of names) await seen.saw(key, index.number);
}

/** Numbers in a JSON file (0600). A file that can't be read as one stops with an error: guessing would forget. */
export function createSeenFile(path: string): SeenNumbers {
  const read = (): Record<string, number> => {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw error;
    }
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, number>) : {};
  };
  return {
    highest: async (key) => {
      const value = read()[key];
      return typeof value === 'number' ? value : undefined;
    },
    saw: async (key, number) => {
      const all = read();
      const before = all[key];
      if (typeof before === 'number' && before >= number) return;
      writeDurably(path, `${JSON.stringify({ ...all, [key]: number })}\n`);
    },
  };
}
