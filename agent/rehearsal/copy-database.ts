import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { sqlite } from '../keeper/lock.ts';

const ALL_PAGES = 2 ** 31 - 1;
const HEADER = Buffer.from('SQLite format 3\0');

/**
 * Copies an SQLite database that others may be writing. All pages in one step: paged, it may never end meanwhile.
 * @throws {FettleError} `io_failed`, `no_space`: ours, never the candidate's, which must not be blocked for it
 */
export async function copyDatabase(from: string, to: string): Promise<void> {
  const { backup, DatabaseSync } = sqlite();
  try {
    const source = new DatabaseSync(from, { readOnly: true });
    try {
      await backup(source, to, { rate: ALL_PAGES });
    } finally {
      source.close();
    }
  } catch (error) {
    const { code, data } = toFettleError(error, 'io_failed', { path: basename(from) });
    throw new FettleError(code, { data, retryable: true, cause: error });
  }
}

/** Does the file begin as SQLite's do? */
export async function isDatabase(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER.length), 0, HEADER.length, 0);
    return bytesRead === HEADER.length && buffer.equals(HEADER);
  } finally {
    await file.close();
  }
}
