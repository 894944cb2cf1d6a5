import { z } from 'zod';
import { readDuration } from '../src/domain/duration.ts';

/** A duration between two bounds (inclusive, written the same way), parsed to milliseconds. */
export function duration(least: string, most: string) {
  const min = readDuration(least) ?? 0;
  const max = readDuration(most) ?? Number.MAX_SAFE_INTEGER;
  const expected = `a duration from ${least} to ${most}, such as ${least}`;
  return z
    .string({ error: `expected ${expected}` })
    .transform((text, context) => {
      const ms = readDuration(text);
      if (ms === undefined || ms < min || ms > max) {
        context.addIssue({ code: 'custom', message: `expected ${expected}` });
        return z.NEVER;
      }
      return ms;
    })
    .meta({ description: expected, pattern: '^\\s*\\d+(\\.\\d+)?\\s*(ms|s|m|h|d)\\s*$' });
}
