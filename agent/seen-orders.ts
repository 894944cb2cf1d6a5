import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { FettleError } from '../src/domain/errors.ts';
import { writeDurably } from '../src/files/durable.ts';
import type { Order } from '../src/protocol/messages.ts';

/** Hubs give five minutes. One that gives more than this would fill the list below for ever. */
const LONGEST_MS = 60 * 60_000;
/** The hub's clock may be set between two orders. */
const EARLY_MS = 60_000;
/** Orders that may be remembered at once: a hub that sends more within their lifetime sends no updates. */
const MOST = 2_000;

const Seen = z.record(z.string(), z.number());
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
  let seen = found ?? {};
  let unknownSince = found === undefined;
  return {
    take({ id, app, notBefore, expiresAt }, hubNow) {
      const data = { app };
      if (hubNow > expiresAt || expiresAt - hubNow > LONGEST_MS || hubNow < notBefore - EARLY_MS) {
        throw new FettleError('order_expired', { data, retryable: true });
      }
      if (Object.hasOwn(seen, id)) throw new FettleError('order_replayed', { data });
      // The first order tells hub time, and with it what hub time it was when nothing could be read.
      const floor = unknownSince ? hubNow - (monotonic() - openedAt) : seen[FLOOR];
      const reason = 'which orders it had before could not be read; newer ones are taken';
      if (floor !== undefined && notBefore < floor)
        throw new FettleError('order_replayed', { data: { ...data, reason } });
      const kept = Object.entries(seen).filter(([known, until]) => known !== FLOOR && until > hubNow);
      if (kept.length >= MOST) throw new FettleError('busy', { data, retryable: true });
      // The floor is kept while an order from before it may still be good.
      const stays = floor !== undefined && floor + LONGEST_MS > hubNow;
      const next = Object.fromEntries([...(stays ? [[FLOOR, floor] as const] : []), ...kept, [id, expiresAt]]);
      if (unknownSince) setAside(file);
      writeDurably(file, `${JSON.stringify(next)}\n`);
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
function readSeen(file: string): Record<string, number> | undefined {
  if (!existsSync(file)) return {};
  try {
    return Seen.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}
