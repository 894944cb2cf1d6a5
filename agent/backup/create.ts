import { constants, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { chmod, lchown, open, readdir, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { makeFolder, syncFolder, writeDurably } from '../../src/files/durable.ts';
import { folderOf } from './inside.ts';
import { BackedUp, DUMP, type Manifest, readManifest, type Skipped } from './manifest.ts';
import { hashFile, type PassMode, save } from './save.ts';
import { SIDECARS } from './sqlite.ts';

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
  /** The app runs on while the backup is completed: it is never stopped, or not for this. */
  readonly running?: boolean | undefined;
  /** Writes what `backup.command` prints into a file. @throws {FettleError} `backup_failed` */
  readonly dump?: ((to: string, signal: AbortSignal) => Promise<void>) | undefined;
  /** Made beside the agent, under {@link makingLock}: the agent leaves it alone. */
  readonly beside?: boolean | undefined;
  /** The last word before it counts. @throws where it must not */
  readonly beforeSealing?: (() => void) | undefined;
  /** Who asked for it by hand. */
  readonly by?: string | undefined;
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
  await pass(request, new Map(), 'first', signal);
}

/**
 * Second pass: copies what changed since the first (size, mtime, ctime, inode), removes what is gone, hashes, makes
 * everything durable and seals the backup with its manifest. With the app stopped everything is copied as it is,
 * databases with their `-wal`; while it runs (`running`), databases are copied as they are at one moment, and the
 * manifest names files that kept changing.
 *
 * Idempotent: a sealed backup is left as it is.
 * @throws {FettleError} `backup_failed` · `no_space`; nothing but the unfinished backup was touched
 */
export async function seal(request: BackupRequest, signal: AbortSignal): Promise<Manifest> {
  const final = join(request.folder, String(request.seq));
  const sealed = readManifest(final);
  if (sealed?.update === request.update) return sealed;
  if (sealed)
    throw new FettleError('backup_failed', {
      data: { app: request.app, reason: `its number, ${request.seq}, is taken` },
    });
  const work = workFolder(request);
  makeFolder(work);
  const known = new Map(readPass(work).map((entry) => [entry.path, entry]));
  const { entries, skipped, changing } = await pass(request, known, request.running ? 'running' : 'stopped', signal);
  try {
    const dump = await dumpInto(work, request, signal);
    const manifest: Manifest = {
      format: 'fettle-backup/1',
      seq: request.seq,
      app: request.app,
      update: request.update,
      from: request.from,
      to: request.to,
      ...(request.restores === undefined ? {} : { restores: request.restores }),
      ...(request.by === undefined ? {} : { by: request.by }),
      at: request.now,
      roots: [...request.roots],
      entries,
      ...(dump ? { dump } : {}),
      ...(skipped.length > 0 ? { skipped: skipped.slice(0, MOST_TOLD) } : {}),
      ...(changing.length > 0 ? { changing: changing.slice(0, MOST_TOLD) } : {}),
    };
    await makeDurable(work, entries);
    signal.throwIfAborted();
    request.beforeSealing?.();
    writeDurably(join(work, 'manifest.json'), `${JSON.stringify(manifest)}\n`);
    await rm(final, { recursive: true, force: true });
    await rename(work, final);
    syncFolder(request.folder);
    return manifest;
  } catch (error) {
    throw toFettleError(error, 'backup_failed', { app: request.app });
  }
}

const workFolder = (request: BackupRequest) =>
  join(request.folder, `${request.seq}.${request.beside ? 'making' : 'unfinished'}`);

/** The lock of who makes a backup of an app beside the agent. */
export const makingLock = (folder: string) => join(folder, 'making.lock');

/** Takes a number for a backup beside the agent: who takes one after this takes another. */
export function reserveSequence(folder: string): number {
  makeFolder(folder);
  const seq = nextSequence(folder);
  makeFolder(join(folder, `${seq}.making`));
  return seq;
}
const PASS_FILE = 'pass.json';
/** Names of what was not saved whole: more are not told. */
const MOST_TOLD = 100;

interface Passed {
  readonly entries: readonly BackedUp[];
  readonly skipped: readonly Skipped[];
  readonly changing: readonly string[];
}

async function pass(
  request: BackupRequest,
  known: ReadonlyMap<string, BackedUp>,
  mode: PassMode,
  signal: AbortSignal,
): Promise<Passed & { readonly entries: BackedUp[] }> {
  const work = workFolder(request);
  const entries: BackedUp[] = [];
  const skipped: Skipped[] = [];
  const changing: string[] = [];
  /** Companions of databases, where what is in them is in the copy already. */
  const included = new Set<string>();
  const queue = request.roots.flatMap((root) => SIDECARS.map((suffix) => ({ root, path: root + suffix })));
  const roots = queue.length;
  for (let next = 0; next < queue.length; next += 1) {
    signal.throwIfAborted();
    const { root, path } = queue[next] as (typeof queue)[number];
    if (included.has(path)) continue;
    try {
      const { shared } = request;
      const folder = folderOf(shared, root);
      const what = { shared, folder, work, path, known: known.get(path), listed: next >= roots, mode };
      const saved = await save(what, signal);
      if (!saved) continue;
      if (saved.what === 'special') {
        skipped.push({ path, kind: saved.kind });
        continue;
      }
      entries.push(saved.entry);
      if (saved.changing) changing.push(path);
      // A database's name sorts before those of its companions.
      if (saved.whole) for (const suffix of SIDECARS.slice(1)) included.add(path + suffix);
      if (saved.entry.type === 'folder') {
        const names = await readdir(join(request.shared, path));
        queue.push(...names.sort().map((name) => ({ root, path: join(path, name) })));
      }
    } catch (error) {
      signal.throwIfAborted();
      const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (gone && mode !== 'stopped') {
        // Half a copy of what has gone must not stay: the next pass does not know of it.
        await rm(join(work, 'data', path), { recursive: true, force: true });
        continue;
      }
      throw error instanceof FettleError
        ? new FettleError(error.code, {
            data: { app: request.app, ...error.data, path },
            retryable: error.retryable,
            cause: error,
          })
        : toFettleError(error, 'backup_failed', { app: request.app, path });
    }
  }
  const present = new Set(entries.map((entry) => entry.path));
  for (const old of [...known.keys()].reverse()) {
    if (!present.has(old)) await rm(join(work, 'data', old), { recursive: true, force: true });
  }
  writeDurably(join(work, PASS_FILE), JSON.stringify(entries));
  return { entries, skipped, changing };
}

/** What the first pass copied; nothing where it did not end (then the second copies all). */
function readPass(work: string): BackedUp[] {
  try {
    return BackedUp.array().parse(JSON.parse(readFileSync(join(work, PASS_FILE), 'utf8')));
  } catch {
    return [];
  }
}

async function dumpInto(work: string, request: BackupRequest, signal: AbortSignal): Promise<Manifest['dump']> {
  if (!request.dump) return undefined;
  const path = join(work, DUMP);
  await request.dump(path, signal);
  const file = await open(path, 'r');
  try {
    await file.sync();
    return { size: (await file.stat()).size, sha256: await hashFile(path) };
  } finally {
    await file.close();
  }
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
