import { createHash } from 'node:crypto';
import { type BigIntStats, constants, createReadStream, existsSync } from 'node:fs';
import { copyFile, lstat, mkdir, readlink, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { heldPath, openInside } from './inside.ts';
import type { BackedUp, Skipped } from './manifest.ts';
import { copyDatabase, databaseMode } from './sqlite.ts';

/**
 * When a pass copies. `first`: the app runs, and what changes meanwhile is copied again later. `stopped`: everything as it is.
 * `running`: the app runs, and this is the last pass.
 */
export type PassMode = 'first' | 'stopped' | 'running';

export type Saved =
  | {
      readonly what: 'saved';
      readonly entry: BackedUp;
      /** A database with all that its companions hold. */
      readonly whole: boolean;
      /** It was written to each time that it was copied. */
      readonly changing: boolean;
    }
  | { readonly what: 'special'; readonly kind: Skipped['kind'] };

/** A file that changes while it is copied is copied so often. */
const COPY_ATTEMPTS = 3;
/**
 * File systems tell times by ticks of up to 10 ms. A file that was written to in the tick in which it was looked at may
 * be written to once more without looking different.
 */
const TICK_MS = 20;

/** Copies one thing; `undefined` where it does not exist. */
export async function save(
  of: {
    readonly shared: string;
    /** The real folder that the data's root is in. */
    readonly folder: string;
    readonly work: string;
    readonly path: string;
    readonly known: BackedUp | undefined;
    /** Its folder just listed it. */
    readonly listed: boolean;
    readonly mode: PassMode;
  },
  signal: AbortSignal,
): Promise<Saved | undefined> {
  const { path, known, listed, mode } = of;
  const from = join(of.shared, path);
  const to = join(of.work, 'data', path);
  const stat = await lstat(from, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    // A root need not exist. A name that the folder just listed must: one that is no UTF-8 is not found by its text.
    if (!listed && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  });
  if (!stat) return undefined;
  const common = about(path, stat);
  const saved = (entry: BackedUp, more: { whole?: boolean; changing?: boolean } = {}): Saved => {
    return { what: 'saved', entry, whole: false, changing: false, ...more };
  };
  if (stat.isDirectory()) {
    if (known && known.type !== 'folder') await rm(to, { recursive: true, force: true });
    await mkdir(to, { recursive: true, mode: 0o700 });
    return saved({ ...common, type: 'folder', size: 0 });
  }
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  if (stat.isSymbolicLink()) {
    const target = await readlink(from);
    await rm(to, { recursive: true, force: true });
    await symlink(target, to);
    return saved({ ...common, type: 'link', size: 0, target });
  }
  if (!stat.isFile()) {
    await rm(to, { recursive: true, force: true });
    return { what: 'special', kind: stat.isFIFO() ? 'fifo' : stat.isSocket() ? 'socket' : 'device' };
  }
  if (known?.sha256 !== undefined && looksUnchanged(known, stat) && mode !== 'running' && existsSync(to)) {
    return saved({ ...known, ...common, type: 'file', size: known.size });
  }
  if (await copiedOnline(of.folder, from, to, mode, signal)) {
    const size = Number((await lstat(to)).size);
    const original = size === Number(stat.size) ? {} : { original: Number(stat.size) };
    return saved({ ...common, type: 'file', size, ...original, sha256: await hashFile(to) }, { whole: true });
  }
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    await rm(to, { recursive: true, force: true });
    const before = await copyHeld(of.folder, from, to);
    const sha256 = await hashFile(to);
    const after = await lstat(from, { bigint: true });
    const stable = after.mtimeNs === before.mtimeNs && after.size === before.size && after.ino === before.ino;
    // Somebody else writes to it: the copy is what there is, and what its hash says.
    if (stable || attempt === COPY_ATTEMPTS) {
      const size = Number((await lstat(to)).size);
      return saved({ ...about(path, before), type: 'file', size, sha256 }, { changing: !stable });
    }
  }
}

/**
 * A database that is being written to. In the first pass only one in WAL mode, since reading any other makes its app's writes
 * wait or fail, and the second pass copies it as it is anyway.
 */
async function copiedOnline(
  folder: string,
  from: string,
  to: string,
  mode: PassMode,
  signal: AbortSignal,
): Promise<boolean> {
  if (mode === 'stopped') return false;
  const database = await modeInside(folder, from);
  if (database === undefined || (mode === 'first' && database !== 'wal')) return false;
  await rm(to, { recursive: true, force: true });
  try {
    await copyDatabase(from, to, signal);
    // By its name, since its companions have names: what that led to is looked at once more.
    await modeInside(folder, from);
    return true;
  } catch (error) {
    // The first pass only saves the second some work.
    if (mode === 'first' && error instanceof FettleError && error.code === 'backup_failed') return false;
    throw error;
  }
}

async function modeInside(folder: string, from: string) {
  const handle = await openInside(folder, from);
  try {
    return await databaseMode(heldPath(handle));
  } finally {
    await handle.close();
  }
}

/** @returns what it looked like before it was read: what changed since is copied again by a later pass */
async function copyHeld(folder: string, from: string, to: string): Promise<BigIntStats> {
  const handle = await openInside(folder, from);
  try {
    const before = await handle.stat({ bigint: true });
    await copyFile(heldPath(handle), to, constants.COPYFILE_FICLONE);
    return before;
  } finally {
    await handle.close();
  }
}

/** What is recorded of the original, as it was looked at. */
function about(path: string, stat: BigIntStats) {
  return {
    path,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: String(stat.mtimeNs),
    ctime: isFresh(stat) ? '' : String(stat.ctimeNs),
    inode: String(stat.ino),
  };
}

function looksUnchanged(known: BackedUp, stat: BigIntStats): boolean {
  return (
    known.type === 'file' &&
    (known.original ?? known.size) === Number(stat.size) &&
    known.mtime === String(stat.mtimeNs) &&
    known.ctime === String(stat.ctimeNs) &&
    known.inode === String(stat.ino)
  );
}

/** The file system's clock is the machine's, whatever else time is told by. */
function isFresh(stat: BigIntStats): boolean {
  return Math.abs(Date.now() - Number(stat.mtimeNs / 1_000_000n)) < TICK_MS;
}

/** sha256 of a file, lower-case hex, in reads of 1 MB. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
