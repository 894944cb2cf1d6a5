import { stateOf, type UpdateState } from '../../src/domain/update.ts';
import type { JournalEntry } from '../journal.ts';
import type { FellBackFor } from '../keeper/protocol.ts';
import type { RestartDriver } from '../restart/contract.ts';

/** An update that is taken up more often than this goes in circles. */
const MAX_RESUMES = 10;
/** So often a new version may be interrupted while it proves itself. */
const MAX_PROBES = 3;

/** What is true of the app when the agent starts, as the keeper tells it. */
export interface Found {
  /** The keeper itself went back to the old version, because the agent did not return in time. */
  readonly fellBack: boolean;
  /** `current` names the new version already, and something else than the keeper may have started it since. */
  readonly mayHaveRun?: boolean;
}

/**
 * May the new version have run although its start was never journalled? What the keeper keeps is started by nobody else
 * while it is held; a service manager may do so at boot.
 */
export function mayHaveRun(
  { from, to }: Pick<JournalEntry, 'from' | 'to'>,
  kind: RestartDriver['kind'],
  current: string | undefined,
): boolean {
  return (kind === 'systemd' || kind === 'command') && to !== from && current === to;
}

/** What is true of the agent itself, where the interrupted update is its own. */
export interface FoundSelf extends Found {
  /** The slot that this process runs from. */
  readonly runs: string | undefined;
  /** What the keeper gave up on, where it knows it. */
  readonly fellBackFor?: FellBackFor | undefined;
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
  if (resumes > MAX_RESUMES) return tooOften(entry, resumes, found);

  switch (entry.state) {
    case 'received':
    case 'fetching':
    case 'rehearsing':
    case 'waiting':
      return entry.cancelled ? { state: 'discarding', patch: { resumes } } : again();
    case 'staged': {
      if (entry.cancelled) return { state: 'discarding', patch: { resumes } };
      // What was fetched may not have reached the disk before the power went: it is fetched again, and verified, unless
      // the slot was sealed.
      const fetched = entry.order.kind === 'update' || entry.order.kind === 'install';
      return fetched ? { state: 'fetching', patch: { resumes } } : again();
    }
    case 'stopping':
    case 'swapping':
      // The new version never ran: the old one is started, and no data is brought back. Where it may have run, the
      // backup is whole, since it is sealed before `current` changes.
      return found.mayHaveRun ? { ...revert, patch: { ...revert.patch, startedNew: true } } : revert;
    case 'starting':
      return found.fellBack ? revert : again();
    case 'probing': {
      const attempts = entry.attempts + 1;
      return found.fellBack || attempts >= MAX_PROBES ? revert : again({ attempts });
    }
    case 'reverting':
      return again(found.mayHaveRun ? { startedNew: true } : {});
    case 'committing':
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

/**
 * The same for the agent's own update: whether the new or the old one runs says which half of the work was done. The
 * keeper goes back to the old one only where the new one did not commit: that is the release's fault.
 */
export function resumeSelf(entry: JournalEntry, found: FoundSelf): Resumption {
  const resumes = entry.resumes + 1;
  const attempts = entry.attempts + 1;
  const isNew = found.runs === entry.to;
  // Only where the keeper gave up on it is it the release's fault; a power cut is not.
  const crashed = { code: 'crashed', data: { app: 'agent', reason: whyNotUp(found.fellBackFor) }, retryable: false };
  const problem = entry.problem ?? (found.fellBack ? crashed : INTERRUPTED);
  const revert: Resumption = { state: 'reverting', patch: { resumes, problem } };
  switch (entry.state) {
    case 'stopping':
    case 'swapping':
      // Nobody was stopped yet, so it is done again; but one that runs already had better prove itself.
      if (resumes > MAX_RESUMES || found.fellBack) return revert;
      if (isNew && entry.from !== entry.to) return { state: 'probing', patch: { resumes, attempts: 0 } };
      return { state: entry.state, patch: { resumes } };
    case 'starting':
      if (found.fellBack || (attempts >= MAX_PROBES && !isNew)) return revert;
      if (isNew) return { state: 'probing', patch: { resumes, attempts: 0 } };
      return { state: 'starting', patch: { resumes, attempts } };
    case 'probing':
      if (found.fellBack || !isNew || attempts >= MAX_PROBES) return revert;
      return { state: 'probing', patch: { resumes, attempts } };
    default:
      return resume(entry, found);
  }
}

/** For people: crashed and hung are told apart, since they are looked for in different places. */
function whyNotUp(why: FellBackFor | undefined): string {
  const back = 'the one before was started again';
  if (why?.why === 'time') return `it did not come up: it was started, and was not well in time; ${back}`;
  if (why?.why !== 'ends') return `it did not come up, or did not reach the hub in time; ${back}`;
  const { code } = why;
  const how = code === null ? '' : code > 128 ? ` by signal ${code - 128}` : ` with status ${code}`;
  return `it did not come up: it ended${how} each time it was started; ${back}`;
}

function tooOften(entry: JournalEntry, resumes: number, found: Found): Resumption {
  const ran = found.mayHaveRun ? { startedNew: true } : {};
  const problem = entry.problem ?? { code: 'interrupted_too_often', data: { times: resumes }, retryable: true };
  switch (stateOf(entry.state).phase) {
    case 'safe':
      return { state: 'discarding', patch: { resumes, problem } };
    case 'switching':
      return entry.state === 'committing'
        ? { state: 'committing', patch: { resumes } }
        : { state: 'reverting', patch: { resumes, problem, restored: [], ...ran } };
    case 'reverting':
    case 'final':
      // Going back is never given up by counting: each attempt is safe, and the keeper runs what there is.
      return { state: entry.state, patch: { resumes } };
  }
}
