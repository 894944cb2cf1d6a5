import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UPDATE_STATES } from '../src/domain/update.ts';
import { makeFolder, namesIn, syncFolder, writeDurably } from '../src/files/durable.ts';
import { Order, Outcome, Problem, Restored } from '../src/protocol/messages.ts';

/**
 * The journal: one file an update, `journal/ID.json`. A state is written here, durably, before its work begins,
 * so after any crash the file says what may have happened. It is the agent's own outbox too: an outcome stays
 * until the hub has acknowledged it, and {@link KEEP_ACKNOWLEDGED_MS} more.
 *
 * Additive only: an older agent that is rolled back to must be able to read what a newer one wrote.
 */

/** Acknowledged outcomes are kept this long and offered again at each connect. */
export const KEEP_ACKNOWLEDGED_MS = 7 * 86_400_000;

export const JournalEntry = z.object({
  v: z.literal(1),
  order: Order,
  state: z.enum(UPDATE_STATES),
  /** Wall clock. For people; never compared. */
  startedAt: z.number(),
  enteredAt: z.number(),
  /** Rises by 1,000 a write; reports in between count up from it. */
  seq: z.number().int(),
  /** How often this update was taken up again after a crash. */
  resumes: z.number().int(),
  /** Of the current state (probing, restarting), across restarts of the agent. */
  attempts: z.number().int(),
  /** Slot that ran before, by name; null for a first installation. */
  from: z.string().nullable(),
  fromVersion: z.string().nullable(),
  /** Slot that is to run. Null until it is known. */
  to: z.string().nullable(),
  toVersion: z.string().nullable(),
  /** How the old version was before anything was touched. It is not held to more when it is brought back. */
  baseline: z.enum(['healthy', 'ill', 'stopped']),
  /** `starting` was journalled: the new version may have written data. */
  startedNew: z.boolean(),
  /** The backup of this update: sequence number; sealed once it is complete. */
  backup: z.number().int().nullable(),
  /** Paths whose data has been brought back in `reverting` (or placed by a rollback with data), in order. */
  restored: z.array(z.string()),
  setAside: z.string().nullable(),
  /** `restore`: what is put back, once it has been found whole. */
  chosen: Restored.optional(),
  /**
   * Older data is put in place (`restore`, a rollback with data): the backup, its paths, and which of them (with SQLite's
   * companions) were there before; `fed`: `backup.restore` may have run. Noted before the first is moved, so that going back needs nothing else.
   */
  placing: z
    .object({
      seq: z.number().int(),
      roots: z.array(z.string()),
      present: z.array(z.string()),
      fed: z.boolean().optional(),
    })
    .optional(),
  /** Went back, and the data stays as the failed version left it. */
  dataLeft: z.boolean().optional(),
  /** There is no backup, and the app's file lets an update go on without: why. */
  backupProblem: Problem.optional(),
  /** Part of the data could not be brought back: why. */
  dataProblem: Problem.optional(),
  /** A person cancelled; honoured at the next point where that is possible. */
  cancelled: z.boolean(),
  /** A person insisted while it was under way: the app's lock is passed. */
  forced: z.boolean().optional(),
  /** Last good answer of the old version, wall clock; null where it gave none. */
  lastGoodAnswerAt: z.number().nullable(),
  outageMs: z.number().nullable(),
  proof: z.enum(['reported', 'slot']).nullable(),
  /** Why it failed. Set once, by the first failure. */
  problem: Problem.nullable(),
  logTail: z.string().nullable(),
  outcome: Outcome.nullable(),
  acknowledgedAt: z.number().nullable(),
});
export type JournalEntry = z.infer<typeof JournalEntry>;

export interface Journal {
  /** All readable entries, oldest first. */
  list(): readonly JournalEntry[];
  get(update: string): JournalEntry | undefined;
  /** Durable when it returns. @throws the system's error (disk full): the entry on disk is then the one before */
  write(entry: JournalEntry): void;
  /** Ids of files that can't be read, or whose state this version does not know. */
  readonly unreadable: readonly string[];
  /**
   * Makes the journal this agent's: puts those files aside as `ID.json.unreadable`. Not done at once: an older agent may
   * still be able to read them.
   */
  setAside(): void;
  /** Removes acknowledged outcomes that are old enough. */
  prune(now: number): void;
}

/** Opens the journal in `folder`. Changes nothing there. */
export function openJournal(folder: string): Journal {
  const entries = new Map<string, JournalEntry>();
  const unreadable: string[] = [];
  for (const file of namesIn(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()) {
    const path = join(folder, file);
    const entry = read(path);
    if (entry) {
      entries.set(entry.order.update, entry);
    } else {
      unreadable.push(file.slice(0, -'.json'.length));
    }
  }
  return {
    unreadable,
    setAside() {
      makeFolder(folder);
      for (const update of unreadable) {
        const path = join(folder, `${update}.json`);
        if (existsSync(path)) renameSync(path, `${path}.unreadable`);
      }
      if (unreadable.length > 0) syncFolder(folder);
    },
    list: () => [...entries.values()].sort((a, b) => a.startedAt - b.startedAt),
    get: (update) => entries.get(update),
    write(entry) {
      // Checked where it came in; a file outside this folder must not depend on that alone.
      if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(entry.order.update)) throw new Error('not an id of an update');
      writeDurably(join(folder, `${entry.order.update}.json`), `${JSON.stringify(entry)}\n`);
      entries.set(entry.order.update, entry);
    },
    prune(now) {
      for (const entry of entries.values()) {
        if (entry.acknowledgedAt === null || now - entry.acknowledgedAt < KEEP_ACKNOWLEDGED_MS) continue;
        rmSync(join(folder, `${entry.order.update}.json`), { force: true });
        entries.delete(entry.order.update);
      }
    },
  };
}

/** One entry as it is on disk now; `undefined` where there is none, or it can't be read. */
export function readJournalEntry(folder: string, update: string): JournalEntry | undefined {
  return read(join(folder, `${update}.json`));
}

function read(path: string): JournalEntry | undefined {
  try {
    return JournalEntry.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}
