import { orderDigest, readDeviceLine } from '../../src/protocol/audit-chain.ts';
import type { Order } from '../../src/protocol/messages.ts';
import type { OutcomeMessage } from '../outcome-message.ts';
import type { AuditLog, DeviceEntry } from './log.ts';
import { type Sent, saidBy } from './said.ts';
import { createSparing, type Sparing } from './sparing.ts';

/** What the audit log says of orders: that one came, what became of it at once, and how its update ended. */
export interface OrderAudit {
  /**
   * It is taken: on disk before it is in the journal, so before any of its work.
   * @throws {FettleError} `no_space` · `io_failed`: then it is not taken
   */
  taken(order: Order, sent?: Sent): void;
  /** The same for who goes on where it can't be written down. Never throws. */
  tookHere(order: Order): void;
  /** It is not: `code` says why; `known` is no error, but an order for an update that is here already. Never throws. */
  refused(order: Order, code: string, sent?: Sent): void;
  /** Never throws. */
  done(ended: OutcomeMessage): void;
  /** Writes down the ends of orders that a crash came before. Never throws. */
  catchUp(ended: readonly OutcomeMessage[]): void;
}

export function createOrderAudit(
  log: Pick<AuditLog, 'append' | 'note' | 'recent'>,
  clock: { monotonic(): number },
  sparing: Sparing = createSparing(log, clock),
): OrderAudit {
  return {
    taken(order, sent) {
      sparing.tellCounted();
      log.append(entryOf(order, 'taken', sent));
    },
    tookHere: (order) => log.note(entryOf(order, 'taken', undefined)),
    refused: (order, code, sent) => sparing.note(entryOf(order, code, sent)),
    done: (ended) => log.note(endOf(ended)),
    catchUp(all) {
      if (all.length === 0) return;
      const known = new Map<string, boolean>();
      for (const line of log.recent()) {
        const entry = entryIn(line);
        if (typeof entry?.update !== 'string') continue;
        if (entry.what === 'order' && !known.has(entry.update)) known.set(entry.update, false);
        if (entry.what === 'done') known.set(entry.update, true);
      }
      for (const ended of all) if (known.get(ended.outcome.update) === false) log.note(endOf(ended));
    },
  };
}

function entryOf(order: Order, verdict: string, sent: Sent | undefined): DeviceEntry {
  const { id, update, app, kind, release, withData, force, backupSeq, local } = order;
  const what = { what: 'order', order: id, update, app, kind };
  const more = {
    to: release?.version,
    release: release?.digest,
    backup: backupSeq,
    withData: withData || undefined,
    force: force || undefined,
  };
  if (!sent) return { ...what, ...more, local: local?.by ?? 'device', verdict };
  return { ...what, ...more, digest: digestIn(sent.text), ...saidBy(sent), verdict };
}

function endOf({ outcome }: OutcomeMessage): DeviceEntry {
  const { update, app, kind, state, running, problem } = outcome;
  return { what: 'done', update, app, kind, state, running, code: problem?.code };
}

/** The digest of the order in a message, over its exact text: not over what our schema made of it. */
function digestIn(text: string): string | undefined {
  const { order } = JSON.parse(text) as { order?: object };
  return order && orderDigest(order);
}

/** What a line says; `undefined` where it is no entry. */
export function entryIn(line: string): Record<string, unknown> | undefined {
  const read = readDeviceLine(line);
  try {
    return read && (JSON.parse(read.text) as Record<string, unknown>);
  } catch {
    return undefined;
  }
}
