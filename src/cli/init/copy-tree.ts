import { constants, type Stats } from 'node:fs';
import { chmod, copyFile, lchown, lstat, lutimes, mkdir, readdir, readlink, symlink, utimes } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';

/** Copies an app's code into a slot: modes, times, owners and links as they are. */

export interface CopyTree {
  readonly from: string;
  readonly to: string;
  /** Paths to begin with; everything unless given. */
  readonly only?: readonly string[] | undefined;
  /** Relative paths that are left out. */
  readonly without: readonly string[];
  readonly signal: AbortSignal;
}

/** Made again wherever they are missing. */
const EVERYWHERE = new Set(['__pycache__']);

/** Sockets, pipes and devices are no code, and left out. */
export async function copyTree(options: CopyTree): Promise<void> {
  for await (const { path, stat } of walk(options)) {
    options.signal.throwIfAborted();
    const [from, to] = [join(options.from, path), join(options.to, path)];
    if (stat.isDirectory()) await mkdir(to, { recursive: true });
    else if (stat.isSymbolicLink()) await symlink(linkFor(await readlink(from), from, options.from), to);
    else await copyFile(from, to, constants.COPYFILE_FICLONE);
    const mine = process.geteuid?.();
    if (mine === 0) await lchown(to, stat.uid, stat.gid);
    if (stat.isSymbolicLink()) await lutimes(to, stat.atime, stat.mtime);
    else await chmod(to, stat.mode & 0o7777);
    if (stat.isFile()) await utimes(to, stat.atime, stat.mtime);
  }
}

/** How much that is. */
export async function measureTree(options: Omit<CopyTree, 'to'>): Promise<{ files: number; bytes: number }> {
  let [files, bytes] = [0, 0];
  for await (const { stat } of walk(options)) {
    if (!stat.isFile()) continue;
    files += 1;
    bytes += stat.size;
  }
  return { files, bytes };
}

async function* walk(options: Omit<CopyTree, 'to'>): AsyncGenerator<{ path: string; stat: Stats }> {
  const skipped = new Set(options.without);
  const below = async function* (path: string): AsyncGenerator<{ path: string; stat: Stats }> {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (skipped.has(path) || EVERYWHERE.has(name)) return;
    const stat = await lstat(join(options.from, path));
    if (!stat.isFile() && !stat.isDirectory() && !stat.isSymbolicLink()) return;
    yield { path, stat };
    if (stat.isDirectory())
      for (const child of (await readdir(join(options.from, path))).sort()) yield* below(`${path}/${child}`);
  };
  for (const top of [...(options.only ?? (await readdir(options.from)))].sort()) {
    // Folders above what is named are made as they are.
    const parts = top.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const path = parts.slice(0, depth).join('/');
      yield { path, stat: await lstat(join(options.from, path)) };
    }
    yield* below(top);
  }
}

/** A relative link that leads out of the folder would lead elsewhere from the slot. */
function linkFor(target: string, link: string, root: string): string {
  if (isAbsolute(target)) return target;
  const end = resolve(dirname(link), target);
  return relative(root, end).startsWith('..') ? end : target;
}
