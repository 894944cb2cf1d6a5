import type { Kysely } from 'kysely';
import type { Clock } from '../domain/id.ts';
import { addAudit } from '../store/audit.ts';
import type { Database } from '../store/schema.ts';

/** A connection that was not let in. `unproven`: it calls itself a device, and has not its key. */
export interface RefusedConnection {
  /** What it calls itself; proven only where it is held or revoked. */
  readonly device: string;
  readonly why: 'unproven' | 'held' | 'revoked';
  /** The address that it came from, as far as the hub sees it. */
  readonly from: string;
}

/** Writes connections that were refused into the audit log, sparingly: whoever causes them need not prove who they are. */
export interface RefusedConnections {
  /** Never throws. */
  refused(connection: RefusedConnection): Promise<void>;
}

const HOUR_MS = 60 * 60_000;
/** Of one device that is held or revoked: it dials for ever. */
const OF_DEVICE = 1;
/** Of all that prove nothing. */
const OF_STRANGERS = 20;
/** Devices that are counted one by one. */
const MOST_DEVICES = 1_000;

export function createRefusedConnections(deps: {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly nameOf: (device: string) => string | undefined;
  readonly log: (line: string) => void;
}): RefusedConnections {
  const { db, clock } = deps;
  const counts = new Map<string, { since: number; written: number; left: number }>();

  /** How many were left out since the last that was written; `undefined` where this one is, too. */
  function admit(key: string, most: number): number | undefined {
    const now = clock.monotonic();
    const before = counts.get(key);
    const isNew = !before || now - before.since >= HOUR_MS;
    const count = isNew ? { since: now, written: 0, left: before?.left ?? 0 } : before;
    counts.set(key, count);
    if (count.written >= most) {
      count.left += 1;
      return undefined;
    }
    count.written += 1;
    const { left } = count;
    count.left = 0;
    return left;
  }

  return {
    async refused({ device, why, from }) {
      const key = why === 'unproven' || counts.size >= MOST_DEVICES ? '' : `${device} ${why}`;
      const before = admit(key, key === '' ? OF_STRANGERS : OF_DEVICE);
      if (before === undefined) return;
      const name = why === 'unproven' ? undefined : deps.nameOf(device);
      const data = { device, from, before: before === 0 ? undefined : before };
      try {
        await db.transaction().execute((trx) =>
          addAudit(trx, {
            ...{ at: clock.now(), by: 'fettle', byName: 'Fettle', action: 'device-refused' },
            ...{ target: name ?? device, result: why, data },
          }),
        );
      } catch (error) {
        deps.log(`a refused connection could not be written down: ${String(error)}`);
      }
    },
  };
}
