import { writeSync } from 'node:fs';
import { createRedactor, secretValues } from '../../src/domain/redact.ts';

/** One line of the keeper's own log. */
export type Log = (text: string) => void;

/**
 * Lines with the time on stderr, without the secrets of the apps. A log that can't be written (full disk, closed pipe) is
 * no reason to end.
 * @param environments of the apps, as they are now: each is another object when it changes
 */
export function createKeeperLog(environments: () => readonly Readonly<Record<string, string>>[]): Log {
  let known: readonly Readonly<Record<string, string>>[] = [];
  let redact = createRedactor();
  return (text) => {
    const now = environments();
    if (now.length !== known.length || now.some((env, i) => env !== known[i])) {
      redact = createRedactor({ secrets: now.flatMap(secretValues) });
      known = now;
    }
    try {
      writeSync(2, `${new Date().toISOString()} keeper: ${redact(text).replaceAll('\n', ' ')}\n`);
    } catch {
      // Nowhere left to say it.
    }
  };
}

/** A short text for whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
