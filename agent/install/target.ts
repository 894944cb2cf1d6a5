import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { systemCodeOf } from '../../src/domain/errors.ts';

/** As the kernel: more in one path is a loop. */
const MAX_HOPS = 40;

/**
 * Where an executable's path leads, links resolved; also where nothing is there yet, by way of a link that leads nowhere.
 * Links that lead to themselves lead to where they are.
 */
export function resolveTarget(path: string): string {
  let at = path;
  for (let hops = 0; hops <= MAX_HOPS; hops += 1) {
    try {
      return realpathSync(at);
    } catch (error) {
      const code = systemCodeOf(error);
      if (code === 'ELOOP') break;
      if (code !== 'ENOENT') return at;
    }
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (!stat?.isSymbolicLink()) return join(realFolder(dirname(at)), basename(at));
    at = resolve(realFolder(dirname(at)), readlinkSync(at));
  }
  return path;
}

function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}
