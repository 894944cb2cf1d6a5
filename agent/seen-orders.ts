import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { FettleError } from '../src/domain/errors.ts';
import { writeDurably } from '../src/files/durable.ts';
import type { Order } from '../src/protocol/messages.ts';
import { checkLifetime, LONGEST_MS } from './lifetime.ts';

/** Orders that may be remembered at once: a hub that sends more within their lifetime sends no updates. */
const MOST = 2_000;

/** Read as a map: `__proto__` is an id like any other, and a key that objects lose. */
const Seen = z.preprocess(
  (raw) => (typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? new Map(Object.entries(raw)) : raw),
  z.map(z.string(), z.number()),
);
/** Not an order's id, which is never empty. An agent that does not know it drops it when it is over. */
const FLOOR = '';

/**
 * Which orders were taken, on disk until they expire, so that none is taken twice, whatever restarts in between.
 * Where the file can't be read nobody knows: then no order counts that was made before that was found out.
 */
export interface SeenOrders {
  /**
   * Once for each order. On disk before it returns.
   * @throws {FettleError} `order_expired` · `order_replayed` · `busy`; `no_space`, and others of the system: it is not taken
   */
  take(order: Pick<Order, 'id' | 'app' | 'notBefore' | 'expiresAt'>, hubNow: number): void;
}

/** @param monotonic milliseconds; counts from before the file is read */
export function openSeenOrders(file: string, monotonic: () => number): SeenOrders {
  const openedAt = monotonic();
  const found = readSeen(file);
  let seen = found ?? new Map<string, number>();
  let unknownSince = found === undefined;
  return {
    take({ id, app, notBefore, expiresAt }, hubNow) {
      const data = { app };
      checkLifetime(app, { notBefore, expiresAt }, hubNow);
      if (seen.has(id)) throw new FettleError('order_replayed', { data });
      // The first order tells hub time, and with it what hub time it was when nothing could be read.
      const floor = unknownSince ? hubNow - (monotonic() - openedAt) : seen.get(FLOOR);
      const reason = 'which orders it had before could not be read; newer ones are taken';
      if (floor !== undefined && notBefore < floor)
        throw new FettleError('order_replayed', { data: { ...data, reason } });
      const kept = [...seen].filter(([known, until]) => known !== FLOOR && until > hubNow);
      if (kept.length >= MOST) throw new FettleError('busy', { data, retryable: true });
      // The floor is kept while an order from before it may still be good.
      const stays = floor !== undefined && floor + LONGEST_MS > hubNow;
      const next = new Map([...(stays ? [[FLOOR, floor] as const] : []), ...kept, [id, expiresAt]]);
      if (unknownSince) setAside(file);
      writeDurably(file, `${JSON.stringify(Object.fromEntries(next))}\n`);
      seen = next;
      unknownSince = false;
    },
  };
}

/** A copy, for people, if there is room for one: the file itself must be there until the next one is. */
function setAside(file: string): void {
  try {
    copyFileSync(file, `${file}.unreadable`);
  } catch {
    // It could not be read before.
  }
}

/** `undefined`: there is something, and it can't be read. */
function readSeen(file: string): Map<string, number> | undefined {
  if (!existsSync(file)) return new Map();
  try {
    return Seen.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}
