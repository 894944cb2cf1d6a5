import type { HoldRecord } from './keep-file.ts';
import { bootId, monotonicMs } from './proc.ts';
import type { Hold } from './protocol.ts';

/** A hold whose time begins now. */
export function newHold({ fallback, forMs }: Hold): HoldRecord {
  return { fallback, forMs, boot: bootId(), since: monotonicMs(), expired: false };
}

/** The time that is left. Milliseconds; 0: it is up. */
export function leftMs(hold: HoldRecord): number {
  return hold.expired ? 0 : Math.max(0, hold.forMs - (monotonicMs() - hold.since));
}

/** After a reboot the whole time begins anew: nobody can tell how long the machine was off. */
export function afterBoot(hold: HoldRecord): HoldRecord {
  const sameBoot = hold.boot === bootId() && hold.since <= monotonicMs();
  return sameBoot ? hold : { ...hold, boot: bootId(), since: monotonicMs() };
}
