import { dirname } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { makeFolder } from '../../src/files/durable.ts';

/** A lock that is held until `release`, or until the process ends, however it ends. */
export interface Lock {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Takes a lock file for this process alone, at once or not at all. It is a write transaction on an empty SQLite
 * database, because SQLite's locks are right on every file system and go with their process, while a probed pid file
 * or socket has let three of four starters win ✗.
 *
 * `BEGIN IMMEDIATE`, not `locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE` ✗: there each starter keeps a shared lock that
 * refuses the exclusive one to all others, so of six that start in the same instant none wins.
 *
 * The journal stays in memory ✗: on a full disk a file for it can't be made, and no keeper could be started.
 *
 * Nothing else in the process may open the file: closing it would drop the lock (POSIX).
 *
 * @throws {FettleError} `home_in_use` where another process, or this one, holds it; `home_not_writable`
 */
export function takeLock(path: string): Lock {
  let database: InstanceType<typeof import('node:sqlite').DatabaseSync> | undefined;
  try {
    makeFolder(dirname(path));
    database = new (sqlite().DatabaseSync)(path);
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE');
  } catch (error) {
    database?.close();
    const code = (error as { errcode?: number }).errcode;
    if (code !== undefined && (code & 0xff) === SQLITE_BUSY) {
      throw new FettleError('home_in_use', { data: { path: dirname(dirname(path)) }, cause: error });
    }
    throw toFettleError(error, 'home_not_writable', { path });
  }
  const held = database;
  return { release: () => held.isOpen && held.close() };
}

/** Loaded here rather than imported, so that Node's note about an experimental module can be kept from people. */
export function sqlite(): typeof import('node:sqlite') {
  const warn = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = warn;
  }
}
