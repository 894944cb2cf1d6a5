import { open, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { FettleError } from '../../src/domain/errors.ts';
import { sqlite } from '../keeper/lock.ts';

/** SQLite databases in what is backed up. They are known by their header alone; names say nothing. */

/** What SQLite keeps beside a database: part of it whenever it is there. */
export const SIDECARS = ['', '-wal', '-shm', '-journal'] as const;

/** More than any database has: all pages in one step. Paged, a copy may never end while others write ✗. */
const ALL_PAGES = 2 ** 31 - 1;
const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');
/** A writer that holds its lock for this long is one that never lets go. */
const BUSY_MS = 10_000;
const BUSY_WAIT_MS = 50;

/** `wal`: readers never stand in a writer's way. `rollback`: a reader makes its writes wait, or fail. */
export type JournalMode = 'wal' | 'rollback';

/** How a file is written where it is a database; `undefined` where it is none. */
export async function databaseMode(path: string): Promise<JournalMode | undefined> {
  const file = await open(path, 'r');
  try {
    const header = Buffer.alloc(20);
    const { bytesRead } = await file.read(header, 0, header.length, 0);
    if (bytesRead < header.length || !header.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
    // Bytes 18 and 19, "file format write and read version": 2 is WAL (https://sqlite.org/fileformat2.html).
    return header[18] === 2 && header[19] === 2 ? 'wal' : 'rollback';
  } finally {
    await file.close();
  }
}

/**
 * Copies a database that others write to, as it is at one moment, on a thread of its own: the caller's event loop goes
 * on. What is in its `-wal` is in the copy, which has no companions.
 *
 * @throws {FettleError} `backup_failed {path, reason}` where it is damaged, or its writer never lets go of it; `no_space`
 */
export async function copyDatabase(from: string, to: string, signal: AbortSignal): Promise<void> {
  const { backup, DatabaseSync } = sqlite();
  const end = performance.now() + BUSY_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      const source = new DatabaseSync(from, { readOnly: true });
      try {
        await backup(source, to, { rate: ALL_PAGES });
      } finally {
        source.close();
      }
      return;
    } catch (error) {
      await Promise.all(SIDECARS.map((suffix) => rm(to + suffix, { force: true })));
      const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
      if (code === SQLITE.full || code === SQLITE.ioerr) {
        const data = { path: from, reason: (error as Error).message };
        throw new FettleError(code === SQLITE.full ? 'no_space' : 'io_failed', { data, retryable: true, cause: error });
      }
      // Node has it as "not an error" where the lock is another's.
      const busy = code === SQLITE.busy || code === SQLITE.locked || code === 0;
      if (!busy || performance.now() >= end) {
        const reason = busy ? 'its writer does not let go of it' : `SQLite says: ${(error as Error).message}`;
        throw new FettleError('backup_failed', { data: { path: from, reason }, retryable: busy, cause: error });
      }
      await delay(BUSY_WAIT_MS, undefined, { signal });
    }
  }
}

/** https://sqlite.org/rescode.html */
const SQLITE = { busy: 5, locked: 6, ioerr: 10, full: 13 } as const;
