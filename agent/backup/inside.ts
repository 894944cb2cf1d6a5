import { constants, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { copyFile, type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';

/**
 * An app's data belongs to the app's user, who may put a link where a file or a folder was, at any moment, and has no
 * right to what that leads to. So what is read for a backup is opened first, and then looked at where it lies; and what
 * is put back passes through no link of that user's.
 */

/**
 * The real folder that a path of the data is in. What administrators linked elsewhere is followed: such a link is root's,
 * or of whoever Fettle runs as.
 *
 * @param shared where the data is
 * @param path relative to it
 * @throws {FettleError} `backup_failed {path, reason}` where a folder on the way is somebody else's link
 */
export function folderOf(shared: string, path: string): string {
  let at = real(shared);
  for (const name of dirname(path).split('/')) {
    if (name === '.') continue;
    const next = join(at, name);
    const stat = lstatSync(next, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink() && stat.uid !== 0 && stat.uid !== process.geteuid?.()) throw leadsAway(path);
    at = real(next);
  }
  return at;
}

/**
 * Opens a file for reading.
 * @param folder of {@link folderOf}
 * @throws as if there were none, where it is a link; {@link FettleError} `backup_failed {path, reason}` where it lies elsewhere
 */
export async function openInside(folder: string, path: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // A moment ago it was a file: that one is gone.
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw gone(path);
    throw error;
  }
  try {
    const lies = readlinkSync(heldPath(handle));
    if (lies.endsWith(' (deleted)')) throw gone(path);
    if (!lies.startsWith(`${folder}/`)) throw leadsAway(path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Names an open file, whatever is at its path by now. */
export function heldPath(handle: Pick<FileHandle, 'fd'>): string {
  return `/proc/self/fd/${handle.fd}`;
}

/** Copies a file of the data. @throws as {@link openInside} */
export async function copyInside(folder: string, from: string, to: string): Promise<void> {
  const handle = await openInside(folder, from);
  try {
    await copyFile(heldPath(handle), to, constants.COPYFILE_FICLONE);
  } finally {
    await handle.close();
  }
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Not there: neither is what would be in it.
    return path;
  }
}

function gone(path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${path} is gone`), { code: 'ENOENT' });
}

function leadsAway(path: string): FettleError {
  const reason = "a link of the app's user leads to it from elsewhere, and what is there may not be the app's";
  return new FettleError('backup_failed', { data: { path, reason } });
}
