import { constants, type Stats } from 'node:fs';
import { copyFile, lchown, lstat, mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { copyInside, folderOf, heldPath, openInside } from '../backup/inside.ts';
import { SIDECARS } from '../backup/sqlite.ts';
import { copyDatabase, isDatabase } from './copy-database.ts';

/** What a boot is rehearsed in: the slot with a copy of the data in it, all of it to be thrown away. */
export interface RehearsalCopy {
  /** The candidate's slot. */
  readonly slot: string;
  readonly shared: string;
  readonly keep: readonly string[];
  /** Does not exist yet. */
  readonly to: string;
  readonly signal: AbortSignal;
}

/**
 * Copies the slot, and in it the kept paths as real files: code that uses its own folder finds the copy and never the live
 * data. Files are cloned where the file system can, else copied; never linked, because a candidate that writes into its
 * own files would change the slot that is about to run.
 *
 * Chat credentials stay behind: files that look like environment files are left empty. Links that lead out of the data
 * are left out. What goes while it is copied is left out, too.
 */
export async function copyForRehearsal(of: RehearsalCopy): Promise<void> {
  const { slot, shared, keep, to, signal } = of;
  const kept = new Set(keep);
  await copyFolder('');
  for (const path of keep) await copyKept(path, path);

  async function copyFolder(path: string): Promise<void> {
    signal.throwIfAborted();
    const from = join(slot, path);
    await makeFolder(from, join(to, path));
    for (const name of await readdir(from)) {
      const inside = join(path, name);
      if (kept.has(inside)) continue;
      const stat = await lstat(join(slot, inside));
      const target = join(to, inside);
      if (stat.isDirectory()) await copyFolder(inside);
      else if (stat.isSymbolicLink()) await copyLink(inside, target);
      else if (stat.isFile()) await clone(join(slot, inside), target, stat);
    }
  }

  /** A link into the slot leads into the copy; one to elsewhere, such as a runtime, leads there. */
  async function copyLink(path: string, target: string): Promise<void> {
    const written = await readlink(join(slot, path));
    const leads = resolve(join(slot, dirname(path)), written);
    if (isIn(leads, shared)) return;
    if (!isIn(leads, slot)) await symlink(leads, target);
    else await symlink(written.startsWith('/') ? join(to, leads.slice(slot.length)) : written, target);
  }

  async function copyKept(root: string, path: string): Promise<void> {
    signal.throwIfAborted();
    const from = join(shared, path);
    const target = join(to, path);
    await mkdir(dirname(target), { recursive: true });
    try {
      const stat = await lstat(from);
      if (stat.isDirectory()) {
        await makeFolder(from, target);
        for (const name of await readdir(from)) await copyKept(root, join(path, name));
      } else if (stat.isSymbolicLink()) {
        const written = await readlink(from);
        if (!written.startsWith('/') && isIn(resolve(dirname(from), written), shared)) await symlink(written, target);
      } else if (stat.isFile()) {
        await copyData(folderOf(shared, root), from, target, stat);
      }
    } catch (error) {
      // `backup_failed`: a link put there in this moment leads out of the data.
      const leftOut = error instanceof FettleError ? error.code === 'backup_failed' : isGone(error);
      if (!leftOut) throw error;
    }
  }

  async function copyData(folder: string, from: string, target: string, stat: Stats): Promise<void> {
    if (isEnvironmentFile(from)) {
      await writeFile(target, '', { mode: stat.mode & 0o7777 });
    } else if (await isDatabaseInside(folder, from)) {
      await copyDatabase(from, target);
    } else if (await isCompanion(from)) {
      // Of a database, whose copy is whole without it.
      return;
    } else {
      await copyInside(folder, from, target);
    }
    await giveTo(target, stat);
  }
}

async function isDatabaseInside(folder: string, path: string): Promise<boolean> {
  const handle = await openInside(folder, path);
  try {
    return await isDatabase(heldPath(handle));
  } finally {
    await handle.close();
  }
}

const isGone = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** `.env`, `bot.env`, `.env.production`. */
export function isEnvironmentFile(path: string): boolean {
  const name = path.split('/').at(-1) ?? '';
  return name.endsWith('.env') || name.startsWith('.env.');
}

async function isCompanion(path: string): Promise<boolean> {
  const suffix = SIDECARS.find((one) => one !== '' && path.endsWith(one));
  return suffix !== undefined && (await isDatabase(path.slice(0, -suffix.length)).catch(() => false));
}

async function makeFolder(from: string, to: string): Promise<void> {
  const stat = await lstat(from);
  await mkdir(to, { recursive: true, mode: stat.mode & 0o7777 });
  await giveTo(to, stat);
}

async function clone(from: string, to: string, stat: Stats): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await giveTo(to, stat);
}

/** Only root may give files away; otherwise they are the same user's anyway. */
async function giveTo(path: string, { uid, gid }: Stats): Promise<void> {
  await lchown(path, uid, gid).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPERM') throw error;
  });
}

const isIn = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
