/** Token buckets by name, in memory: a restart forgives. */

export interface Rate {
  /** How many at once. */
  readonly burst: number;
  readonly perMinute: number;
}

export interface RateLimiter {
  /** Takes one token; 0 where there was one, else milliseconds until there is. */
  take(name: string, now: number): number;
}

/** So many names are remembered before full ones are looked for. */
const MOST = 10_000;

/** Buckets that are full again are forgotten, so that names of strangers do not fill the memory. */
export function createRateLimiter(rate: Rate): RateLimiter {
  const buckets = new Map<string, { tokens: number; at: number }>();
  const perMs = rate.perMinute / 60_000;
  let most = MOST;
  return {
    take(name, now) {
      if (buckets.size > most) {
        for (const [key, bucket] of buckets) {
          if (bucket.tokens + (now - bucket.at) * perMs >= rate.burst) buckets.delete(key);
        }
        // Looked through once for each doubling: in a flood each look would find the same buckets not yet full.
        most = Math.max(MOST, buckets.size * 2);
      }
      const bucket = buckets.get(name) ?? { tokens: rate.burst, at: now };
      const tokens = Math.min(rate.burst, bucket.tokens + Math.max(0, now - bucket.at) * perMs);
      buckets.set(name, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
      return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / perMs);
    },
  };
}
