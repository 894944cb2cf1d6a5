import type { Order } from '../../src/protocol/messages.ts';
import type { JournalEntry } from '../journal.ts';

/** The first entry of an update: nothing has been looked at yet. */
export function newEntry(order: Order, now: number): JournalEntry {
  return {
    v: 1,
    order,
    state: 'received',
    startedAt: now,
    enteredAt: now,
    seq: 0,
    resumes: 0,
    attempts: 0,
    from: null,
    fromVersion: null,
    to: null,
    toVersion: order.release?.version ?? null,
    baseline: 'stopped',
    startedNew: false,
    backup: null,
    restored: [],
    setAside: null,
    cancelled: false,
    lastGoodAnswerAt: null,
    outageMs: null,
    proof: null,
    problem: null,
    logTail: null,
    outcome: null,
    acknowledgedAt: null,
  };
}
