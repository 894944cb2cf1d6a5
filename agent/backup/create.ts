import { createHash } from 'node:crypto';
import { constants, createReadStream, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import {
  chmod,
  copyFile,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { makeFolder, syncFolder, writeDurably } from '../../src/files/durable.ts';
import { BackedUp, type Manifest, readManifest } from './manifest.ts';

/** What SQLite keeps beside a database: part of it whenever it is there. */
export const SIDECARS = ['', '-wal', '-shm', '-journal'] as const;

export interface BackupRequest {
  readonly shared: string;
  /** `backups/` of the app. */
  readonly folder: string;
  readonly seq: number;
  readonly app: string;
  readonly update: string;
  readonly from: string | null;
  readonly to: string | null;
  /** The backup that is put back afterwards, where a restore asks for this one. */
  readonly restores?: number | undefined;
  /** Kept paths to save, relative to `shared`. */
  readonly roots: readonly string[];
  readonly now: number;
}

/** The number for the next backup: above every one that was ever begun. */
export function nextSequence(folder: string): number {
  let highest = 0;
  if (existsSync(folder)) {
    for (const name of readdirSync(folder)) {
      const seq = Number.parseInt(name, 10);
      if (Number.isInteger(seq)) highest = Math.max(highest, seq);
    }
  }
  return highest + 1;
}

/**
 * First pass, while the app runs: copies everything, so that the second has little to do. What changes meanwhile
 * is of no matter: the second pass copies it again.
 *
 * @throws {FettleError} `backup_failed {path, reason}` · `no_space`
 */
export async function copyFirst(request: BackupRequest, signal: AbortSignal): Promise<void> {
  const work = workFolder(request);
  rmSync(work, { recursive: true, force: true });
  makeFolder(work);
  await pass(request, new Map(), signal, { tolerateChanges: true });
}

/**
 * Second pass, with the app stopped: copies what changed since the first (size, mtime, ctime, inode), removes what
 * is gone, hashes, makes everything durable and seals the backup with its manifest.
 *
 * Idempotent: a sealed backup is left as it is.
 * @throws {FettleError} `backup_failed` · `no_space`; nothing but the unfinished backup was touched
 */
export async function seal(request: BackupRequest, signal: AbortSignal): Promise<Manifest> {
  const final = join(request.folder, String(request.seq));
  const sealed = readManifest(final);
  if (sealed) return sealed;
  const work = workFolder(request);
  makeFolder(work);
  const known = new Map(readPass(work).map((entry) => [entry.path, entry]));
  const entries = await pass(request, known, signal, { tolerateChanges: false });
  const manifest: Manifest = {
    format: 'fettle-backup/1',
    seq: request.seq,
    app: request.app,
    update: request.update,
    from: request.from,
    to: request.to,
    ...(request.restores === undefined ? {} : { restores: request.restores }),
    at: request.now,
    roots: [...request.roots],
    entries,
  };
  try {
    await makeDurable(work, entries);
    writeDurably(join(work, 'manifest.json'), `${JSON.stringify(manifest)}\n`);
    await rm(final, { recursive: true, force: true });
    await rename(work, final);
    syncFolder(request.folder);
  } catch (error) {
    throw toFettleError(error, 'backup_failed', { app: request.app });
  }
  return manifest;
}

const workFolder = (request: BackupRequest) => join(request.folder, `${request.seq}.unfinished`);
const PASS_FILE = 'pass.json';
/** A file that changes while it is copied is copied so often. */
const COPY_ATTEMPTS = 3;

async function pass(
  request: BackupRequest,
  known: ReadonlyMap<string, BackedUp>,
  signal: AbortSignal,
  options: { readonly tolerateChanges: boolean },
): Promise<BackedUp[]> {
  const work = workFolder(request);
  const entries: BackedUp[] = [];
  const queue = request.roots.flatMap((root) => SIDECARS.map((suffix) => root + suffix));
  const roots = queue.length;
  for (let next = 0; next < queue.length; next += 1) {
    signal.throwIfAborted();
    const path = queue[next] as string;
    try {
      const entry = await save(request.shared, work, path, known.get(path), next >= roots);
      if (!entry) continue;
      entries.push(entry);
      if (entry.type === 'folder') {
        const names = await readdir(join(request.shared, path));
        queue.push(...names.sort().map((name) => join(path, name)));
      }
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (gone && options.tolerateChanges) {
        // Half a copy of what has gone must not stay: the next pass does not know of it.
        await rm(join(work, 'data', path), { recursive: true, force: true });
        continue;
      }
      throw error instanceof FettleError ? error : toFettleError(error, 'backup_failed', { app: request.app, path });
    }
  }
  const present = new Set(entries.map((entry) => entry.path));
  for (const old of [...known.keys()].reverse()) {
    if (!present.has(old)) await rm(join(work, 'data', old), { recursive: true, force: true });
  }
  writeDurably(join(work, PASS_FILE), JSON.stringify(entries));
  return entries;
}

/** What the first pass copied; nothing where it did not end (then the second copies all). */
function readPass(work: string): BackedUp[] {
  try {
    return BackedUp.array().parse(JSON.parse(readFileSync(join(work, PASS_FILE), 'utf8')));
  } catch {
    return [];
  }
}

/** Copies one thing; `undefined` where it does not exist or is nothing that can be saved (a socket, a FIFO). */
async function save(
  shared: string,
  work: string,
  path: string,
  known: BackedUp | undefined,
  listed: boolean,
): Promise<BackedUp | undefined> {
  const from = join(shared, path);
  const to = join(work, 'data', path);
  const stat = await lstat(from, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    // A root need not exist. A name that the folder just listed must: one that is no UTF-8 is not found by its text.
    if (!listed && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  });
  if (!stat) return undefined;
  const common = {
    path,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: String(stat.mtimeNs),
    ctime: String(stat.ctimeNs),
    inode: String(stat.ino),
  };
  if (stat.isDirectory()) {
    if (known && known.type !== 'folder') await rm(to, { recursive: true, force: true });
    await mkdir(to, { recursive: true, mode: 0o700 });
    return { ...common, type: 'folder', size: 0 };
  }
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  if (stat.isSymbolicLink()) {
    const target = await readlink(from);
    await rm(to, { recursive: true, force: true });
    await symlink(target, to);
    return { ...common, type: 'link', size: 0, target };
  }
  if (!stat.isFile()) return undefined;
  const size = Number(stat.size);
  const unchanged =
    known?.type === 'file' &&
    known.size === size &&
    known.mtime === common.mtime &&
    known.ctime === common.ctime &&
    known.inode === common.inode &&
    known.sha256 !== undefined &&
    existsSync(to);
  if (unchanged) return { ...known, ...common, type: 'file', size };
  for (let attempt = 1; ; attempt += 1) {
    await rm(to, { recursive: true, force: true });
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    const sha256 = await hashFile(to);
    const after = await lstat(from, { bigint: true });
    const stable = after.mtimeNs === stat.mtimeNs && after.size === stat.size && after.ino === stat.ino;
    // Somebody else writes to it: the copy is what there is, and what its hash says. A later pass copies it again,
    // because what is recorded of the original no longer fits.
    if (stable || attempt === COPY_ATTEMPTS) return { ...common, type: 'file', size, sha256 };
  }
}

/** sha256 of a file, lower-case hex, in reads of 1 MB. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function makeDurable(work: string, entries: readonly BackedUp[]): Promise<void> {
  const data = join(work, 'data');
  for (const entry of [...entries].reverse()) {
    const path = join(data, entry.path);
    if (entry.type === 'link') {
      await lchown(path, entry.uid, entry.gid).catch(ignoreNotPermitted);
      continue;
    }
    await lchown(path, entry.uid, entry.gid).catch(ignoreNotPermitted);
    await chmod(path, entry.mode | (entry.type === 'folder' ? 0o700 : 0o400));
    const time = Number(BigInt(entry.mtime) / 1_000n) / 1e6;
    await utimes(path, time, time);
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  if (existsSync(data)) syncFolder(data);
}

/** Only root may give files away; a backup made as the app's own user owns them anyway. */
function ignoreNotPermitted(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPERM') throw error;
}
