import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { mountOf, mountsWithin, readMounts } from '../install/mounts.ts';
import { backupRoots } from './data.ts';
import type { Task } from './task.ts';

/**
 * Can what is backed up be brought back? What is there then is moved into the app's folder by renames. That a rename is not
 * possible must be known before the app is touched, not when its data is half back.
 *
 * @throws {FettleError} `backup_failed {path, reason}` for links · `other_filesystem {path, other, advice}` for mount
 *   points, and data on another file system than Fettle's home
 */
export function refuseUnmovable({ app, config, folder, self }: Pick<Task, 'app' | 'config' | 'folder' | 'self'>): void {
  // The hub goes on with the database that there is: it is never moved.
  if (self) return;
  const mounts = readMounts();
  for (const path of backupRoots(config)) {
    const place = join(folder.shared, path);
    const stat = lstatSync(place, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) {
      // It would be backed up as a link: its data would not come back.
      const reason = 'it is a link; move the data there, or leave it out of `backup`';
      throw new FettleError('backup_failed', { data: { app, path, reason } });
    }
    const above = realFolder(dirname(place));
    const [mount] = mountsWithin(join(above, basename(place)), mounts);
    if (mount !== undefined) {
      const advice = `Mount a folder above it (${folder.shared}) instead, or leave it out of \`backup\``;
      throw new FettleError('other_filesystem', { data: { app, path: mount, other: folder.dir, advice } });
    }
    // Where it is not there yet, it will be where its folder is.
    const home = realFolder(folder.dir);
    // Two mounts of one file system are as far apart as two file systems.
    if (deviceOf(above) !== deviceOf(home) || mountOf(above, mounts) !== mountOf(home, mounts)) {
      const advice = "Move one of them (`data:`, or Fettle's home), or leave it out of `backup`";
      throw new FettleError('other_filesystem', { data: { app, path: place, other: folder.dir, advice } });
    }
  }
}

/** The file system of a folder that is there. */
function deviceOf(path: string): number {
  return lstatSync(path).dev;
}

/** The nearest folder at a path, or above it, that is there; links resolved. */
function realFolder(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return dirname(path) === path ? path : realFolder(dirname(path));
  }
}
