import type { AgentMessage } from '../src/protocol/messages.ts';
import type { JournalEntry } from './journal.ts';

/** How an outcome is told. */
export type OutcomeMessage = Extract<AgentMessage, { type: 'outcome' | 'local-outcome' }>;

/** `undefined` where it has none yet. */
export function messageOf({ order, outcome }: JournalEntry): OutcomeMessage | undefined {
  if (!outcome) return undefined;
  const { local, backupSeq } = order;
  if (!local) return { type: 'outcome', outcome };
  return { type: 'local-outcome', outcome, by: local.by, ...(backupSeq === undefined ? {} : { backupSeq }) };
}
