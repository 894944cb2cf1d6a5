import {
  chmodSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { cp } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { FettleError, systemCodeOf, toFettleError } from '../../src/domain/errors.ts';
import { makeFolder, syncFolder } from '../../src/files/durable.ts';
import { syncTree } from '../install/sync-tree.ts';
import { folderOf } from './inside.ts';
import { type BackedUp, type Manifest, readManifest } from './manifest.ts';
import { SIDECARS } from './sqlite.ts';
import { verifyBackup } from './verify.ts';

export interface RestoreRequest {
  readonly shared: string;
  /** The sealed backup's folder. It stays as it is: a copy is put in place. (See `onLinked`.) */
  readonly backup: string;
  /** Paths to put back; all that it holds unless given. */
  readonly roots?: readonly string[] | undefined;
  /** Where the data that is there now goes: `failed/ID` of the app. Nothing is destroyed. */
  readonly setAside: string;
  /** Where the copy is made, on the same file system: nobody but Fettle may write there. */
  readonly work: string;
  /** Paths that an earlier attempt has finished. */
  readonly done: readonly string[];
  /** Called after each path, before the next: the caller writes it to the journal. */
  readonly onDone: (path: string) => void;
  /**
   * Where the disk has no room for a copy, the backup's own files are linked into place, and this is called: from the
   * app's start on they are no backup any more, and the caller removes it. Without this, a full disk is a failure.
   */
  readonly onLinked?: (() => void) | undefined;
}

/**
 * Puts a backup's data in place of what is there, path by path, each by one rename. May be interrupted anywhere
 * and run again.
 *
 * @throws {FettleError} `backup_failed` where the backup is not whole (hashes are checked before anything is moved)
 */
export async function restore(request: RestoreRequest, signal: AbortSignal): Promise<Manifest> {
  const manifest = readManifest(request.backup);
  if (!manifest)
    throw new FettleError('backup_failed', { data: { path: request.backup, reason: 'it has no manifest' } });
  if (request.done.length === 0) await verifyBackup(request.backup, manifest, signal);
  for (const root of request.roots ?? manifest.roots) {
    if (request.done.includes(root)) continue;
    signal.throwIfAborted();
    try {
      for (const suffix of SIDECARS) await restorePath(request, manifest, root + suffix, signal);
    } catch (error) {
      throw toFettleError(error, 'io_failed', { path: root });
    }
    request.onDone(root);
  }
  return manifest;
}

/**
 * 1 copy the backup's where nobody else writes · 2 make it durable · 3 move what is there aside · 4 rename the copy into
 * place. A failure in the long part (1, 2) leaves the data that was there; between the two renames lies no work.
 * Once something stands in `setAside`, what stands at the path is either nothing or the finished copy.
 */
async function restorePath(
  request: RestoreRequest,
  manifest: Manifest,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  // Only a name is made there: no link of the app's user is passed, and none is written through.
  const folder = folderOf(request.shared, path);
  const live = join(folder, basename(path));
  const aside = join(request.setAside, path);
  const entries = manifest.entries.filter((e) => e.path === path || e.path.startsWith(`${path}/`));
  const there = exists(live);
  if (there && exists(aside)) return;
  if (!there && entries.length === 0) return;
  const copy = join(request.work, basename(path));
  const data = join(request.backup, 'data');
  const known = new Set(entries.map((entry) => entry.path));
  if (entries.length > 0) {
    rmSync(copy, { recursive: true, force: true });
    makeFolder(request.work);
    mkdirSync(folder, { recursive: true });
    try {
      await cp(join(data, path), copy, {
        recursive: true,
        // What came into the folder otherwise was never verified.
        filter: (source) => known.has(relative(data, source)),
        verbatimSymlinks: true,
        preserveTimestamps: true,
        mode: constants.COPYFILE_FICLONE,
      });
      applyMetadata(copy, path, entries);
      await syncTree(copy, signal);
    } catch (error) {
      // A disk that is full must not be left fuller.
      rmSync(copy, { recursive: true, force: true });
      if (!request.onLinked || !['ENOSPC', 'EDQUOT'].includes(systemCodeOf(error) ?? '')) throw error;
      linkInto(copy, path, data, entries);
      applyMetadata(copy, path, entries);
      await syncTree(copy, signal);
      request.onLinked();
    }
  }
  signal.throwIfAborted();
  if (there) {
    makeFolder(dirname(aside));
    renameSync(live, aside);
  }
  if (entries.length > 0) renameSync(copy, live);
  syncFolder(dirname(live));
  if (there) syncFolder(dirname(aside));
}

/** The backup's files themselves, at a second place: takes no room but for names. */
function linkInto(copy: string, root: string, data: string, entries: readonly BackedUp[]): void {
  // Folders come before what is in them.
  for (const { path, type } of [...entries].sort((a, b) => a.path.split('/').length - b.path.split('/').length)) {
    const [from, to] = [join(data, path), copy + path.slice(root.length)];
    if (type === 'folder') mkdirSync(to, { recursive: true });
    else if (type === 'link') symlinkSync(readlinkSync(from), to);
    else linkSync(from, to);
  }
}

const exists = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

function applyMetadata(copy: string, root: string, entries: readonly BackedUp[]): void {
  for (const entry of [...entries].reverse()) {
    const path = copy + entry.path.slice(root.length);
    try {
      lchownSync(path, entry.uid, entry.gid);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
    }
    if (entry.type === 'link') continue;
    chmodSync(path, entry.mode);
    const time = Number(BigInt(entry.mtime) / 1_000n) / 1e6;
    utimesSync(path, time, time);
  }
}
