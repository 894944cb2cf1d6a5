import { z } from 'zod';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const PATTERN = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/;

/** `90s`, `5m`, `1.5h`, `14d` as milliseconds; `undefined` where it is none of these. A bare number is refused: it has no unit. */
export function readDuration(text: string): number | undefined {
  const match = PATTERN.exec(text.trim());
  if (!match) return undefined;
  return Math.round(Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]);
}

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
    .meta({ description: expected });
}
