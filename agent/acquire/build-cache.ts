import { constants, existsSync, lstatSync, realpathSync, renameSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCodeOf } from '../../src/domain/errors.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { removeTree } from './remove-tree.ts';

/**
 * Folders that builds share (`cache:`). They are copied in and, after a build that succeeded, copied back: what a failed build did
 * to them is gone with its slot, and no file of a slot that serves is ever the cache's own.
 */
export interface CacheOptions {
  readonly slot: string;
  /** The app's cache folder. */
  readonly cache: string;
  /** Relative to the slot. */
  readonly paths: readonly string[];
  readonly signal: AbortSignal;
}

/** Where the checkout brings the folder itself, that is what counts. */
export async function fillFromCache({ slot, cache, paths, signal }: CacheOptions): Promise<void> {
  for (const path of paths) {
    const [from, to] = [join(cache, path), join(slot, path)];
    if (!isFolder(from) || lstatSync(to, { throwIfNoEntry: false })) continue;
    makeFolder(dirname(to));
    await copy(from, to, signal);
  }
}

/** A disk that is too full for the cache does not fail a build. */
export async function saveToCache({ slot, cache, paths, signal }: CacheOptions): Promise<void> {
  for (const path of paths) {
    const from = join(slot, path);
    if (!isFolder(from) || !realpathSync(from).startsWith(`${realpathSync(slot)}/`)) continue;
    const to = join(cache, path);
    const next = `${to}.new`;
    makeFolder(dirname(to));
    removeTree(next);
    try {
      await copy(from, next, signal);
      removeTree(to);
      renameSync(next, to);
    } catch (error) {
      removeTree(next);
      if (!['ENOSPC', 'EDQUOT'].includes(systemCodeOf(error) ?? '')) throw error;
    }
  }
}

async function copy(from: string, to: string, signal: AbortSignal): Promise<void> {
  await cp(from, to, {
    recursive: true,
    verbatimSymlinks: true,
    preserveTimestamps: true,
    mode: constants.COPYFILE_FICLONE,
    filter: () => {
      signal.throwIfAborted();
      return true;
    },
  });
}

function isFolder(path: string): boolean {
  return existsSync(path) && lstatSync(path).isDirectory();
}
