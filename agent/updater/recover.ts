import { stateOf, type UpdateState } from '../../src/domain/update.ts';
import type { JournalEntry } from '../journal.ts';

/** An update that is taken up more often than this goes in circles. */
const MAX_RESUMES = 10;
/** So often a new version may be interrupted while it proves itself. */
const MAX_PROBES = 3;

/** What is true of the app when the agent starts, as the keeper tells it. */
export interface Found {
  /** The keeper itself went back to the old version, because the agent did not return in time. */
  readonly fellBack: boolean;
}

/** Where an interrupted update goes on. */
export interface Resumption {
  readonly state: UpdateState;
  readonly patch: Partial<JournalEntry>;
}

const INTERRUPTED = { code: 'interrupted', data: {}, retryable: true } as const;

/**
 * The "crash here, on the next start" column of the table. Pure: the journal's state alone decides (with what the
 * keeper did meanwhile), because it was on disk before its work began.
 */
export function resume(entry: JournalEntry, found: Found): Resumption {
  const resumes = entry.resumes + 1;
  const again = (patch: Partial<JournalEntry> = {}): Resumption => ({
    state: entry.state,
    patch: { resumes, ...patch },
  });
  const problem = entry.problem ?? INTERRUPTED;
  const revert: Resumption = { state: 'reverting', patch: { resumes, problem, restored: [] } };
  if (resumes > MAX_RESUMES) return tooOften(entry, resumes);

  switch (entry.state) {
    case 'received':
    case 'fetching':
    case 'staged':
    case 'rehearsing':
    case 'waiting':
      return entry.cancelled ? { state: 'discarding', patch: { resumes } } : again();
    case 'stopping':
    case 'swapping':
      // The new version never ran: the old one is started, and no data is brought back.
      return revert;
    case 'starting':
      return found.fellBack ? revert : again();
    case 'probing': {
      const attempts = entry.attempts + 1;
      return found.fellBack || attempts >= MAX_PROBES ? revert : again({ attempts });
    }
    case 'committing':
    case 'reverting':
    case 'restarting':
    case 'reprobing':
    case 'discarding':
      return again();
    case 'requested':
    case 'announced':
    case 'approving':
    case 'queued':
    case 'sent':
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'rolled-back':
    case 'rollback-failed':
    case 'timed-out':
      return { state: entry.state, patch: {} };
  }
}

function tooOften(entry: JournalEntry, resumes: number): Resumption {
  const problem = entry.problem ?? { code: 'interrupted_too_often', data: { times: resumes }, retryable: true };
  switch (stateOf(entry.state).phase) {
    case 'safe':
      return { state: 'discarding', patch: { resumes, problem } };
    case 'switching':
      return entry.state === 'committing'
        ? { state: 'committing', patch: { resumes } }
        : { state: 'reverting', patch: { resumes, problem, restored: [] } };
    case 'reverting':
    case 'final':
      // Going back is never given up by counting: each attempt is safe, and the keeper runs what there is.
      return { state: entry.state, patch: { resumes } };
  }
}
