import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readLink, syncFile, syncFolder } from './durable.ts';

/**
 * One executable that is replaced where it is. The files of its slots are hidden ones in its own folder, so that each
 * switch is a hard link and one rename: `robot` has `.robot.fettle-1.0.0-1f2e3d4c` beside it. `releases/SLOT/executable`
 * is a link to that file. Shared by agent and keeper, which both must be able to go back.
 */

/** The link in a slot's folder that leads to its file. */
export const EXECUTABLE = 'executable';

/** What hidden files beside an executable begin with. */
export function besidePrefix(name: string): string {
  return `.${name}.fettle-`;
}

/** Where the file of a slot is. @param target the executable, links resolved */
export function besideOf(target: string, slot: string): string {
  return join(dirname(target), `${besidePrefix(basename(target))}${slot}`);
}

/** The file of a slot, and the executable that it may become; `undefined` where the slot is a folder like any other. */
export function executableOf(slotFolder: string): { readonly file: string; readonly target: string } | undefined {
  const file = readLink(join(slotFolder, EXECUTABLE));
  if (file === undefined) return undefined;
  const [name, ending] = [basename(file), `.fettle-${basename(slotFolder)}`];
  if (!name.startsWith('.') || !name.endsWith(ending)) return undefined;
  return { file, target: join(dirname(file), name.slice(1, -ending.length)) };
}

/** Are both the same file on disk? */
export function isSameFile(a: string, b: string): boolean {
  const [first, second] = [a, b].map((path) => lstatSync(path, { throwIfNoEntry: false, bigint: true }));
  return first !== undefined && second !== undefined && first.ino === second.ino && first.dev === second.dev;
}

/**
 * Puts `file` at `target` too, by one rename: whoever opens or runs `target` meanwhile gets the old one or the new one,
 * whole. `file` stays; both are one inode where the file system allows it. Durable when it returns. Both are in one folder.
 *
 * @throws the system's error; `target` is then what it was
 */
export function switchFile(target: string, file: string): void {
  const temporary = `${join(dirname(target), besidePrefix(basename(target)))}new`;
  rmSync(temporary, { force: true });
  // To rename one name of a file over another does nothing, and leaves both.
  if (!isSameFile(target, file)) {
    try {
      linkOrCopy(file, temporary);
      renameSync(temporary, target);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }
  syncFolder(dirname(target));
}

/** Codes of file systems without hard links, and of those that refuse this one. */
const NO_LINK = ['EPERM', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EACCES', 'EXDEV'];

/** A second name for a file; where linking is refused (FAT, some FUSE, somebody else's file), a durable copy. */
export function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
    return;
  } catch (error) {
    if (!NO_LINK.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  const { uid, gid, mode } = statSync(from);
  copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  // In this order: a new owner takes set-id bits away.
  giveTo(to, uid, gid);
  chmodSync(to, mode & 0o7777);
  syncFile(to);
}

/** Only root may give files away, and some file systems know no owners. */
function giveTo(path: string, uid: number, gid: number): void {
  try {
    chownSync(path, uid, gid);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
  }
}
