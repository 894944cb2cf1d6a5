import { lstatSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { makeFolder, syncFolder } from '../../src/files/durable.ts';
import type { Restored } from '../../src/protocol/messages.ts';
import { listBackups, type Manifest } from '../backup/manifest.ts';
import { reportOf } from '../backup/report.ts';
import { restore } from '../backup/restore.ts';
import { SIDECARS } from '../backup/sqlite.ts';
import { verifyBackup } from '../backup/verify.ts';
import type { JournalEntry } from '../journal.ts';
import { asideBefore } from './aside.ts';
import { backupRoots } from './data.ts';
import { canFeed, placeDump } from './dump.ts';
import type { Task } from './task.ts';

type Placing = NonNullable<JournalEntry['placing']>;
const NOTHING_KEPT = 'nothing that it holds is backed up any more';

/**
 * Older data in place of today's, and the way back: for `restore`, and for a rollback with data.
 *
 * Invariants: the backup itself stays; what is there now is moved by a rename, never copied or removed, so that going back
 * needs no room on the disk; which paths were there is in the journal before the first of them is moved.
 */

/**
 * The backup that a `restore` names, found whole, and how much it holds. Nothing is touched. What it holds of paths that
 * are no longer backed up is left out: the data that is there now could not be brought back.
 *
 * @throws {FettleError} `unknown_backup {backup, known}` · `backup_failed {backup, path?, reason}`
 */
export async function chooseBackup(task: Task, signal: AbortSignal): Promise<{ chosen: Restored; bytes: number }> {
  const { entry, app, folder, slots } = task;
  const seq = entry.order.backupSeq;
  const all = listBackups(folder.backups, app);
  const manifest = all.find((m) => m.seq === seq);
  if (!manifest) {
    const known = all.map((m) => `${app}/${m.seq}`).reverse();
    throw new FettleError('unknown_backup', {
      data: { app, backup: `${app}/${seq ?? '?'}`, known: known.slice(0, 10) },
    });
  }
  const backup = `${app}/${manifest.seq}`;
  const { taken, skipped, absent } = divide(manifest, backupRoots(task.config));
  if (taken.length === 0 && !canFeed(task, manifest)) {
    throw new FettleError('backup_failed', { data: { app, backup, reason: NOTHING_KEPT } });
  }
  try {
    await verifyBackup(join(folder.backups, String(manifest.seq)), manifest, signal);
  } catch (error) {
    const { code, data, retryable } = toFettleError(error, 'io_failed', { app });
    throw new FettleError(code, { data: { ...data, app, backup }, retryable, cause: error });
  }
  const { at, from, to, restores, bytes } = reportOf(manifest, slots.current());
  const chosen = {
    seq: manifest.seq,
    at,
    from,
    to,
    restores,
    skipped: forMessage(skipped),
    absent: forMessage(absent),
  };
  return { chosen, bytes };
}

/**
 * The backup that a rollback with data puts back: of the switch to the release that runs.
 *
 * @throws {FettleError} `backup_failed` where there is none
 */
export function backupOfSwitch(task: Task, to: string, from: string | null): Manifest {
  const { app, folder } = task;
  const backup = listBackups(folder.backups, app).findLast((m) => m.from === to && m.to === from);
  if (backup) return backup;
  const reason = 'there is no backup of the switch to this version';
  throw new FettleError('backup_failed', { data: { app, reason } });
}

/** What is about to be replaced, for the journal; `undefined` where this update replaces no data. */
export function planPlacing(task: Task): JournalEntry['placing'] {
  const { entry, folder, app, config } = task;
  const { order, to, from, chosen } = entry;
  const restores = order.kind === 'restore';
  if (!restores && !(order.kind === 'rollback' && order.withData && to !== null)) return undefined;
  const manifest = restores
    ? listBackups(folder.backups, app).find((m) => m.seq === chosen?.seq)
    : backupOfSwitch(task, to ?? '', from);
  const roots = manifest ? divide(manifest, backupRoots(config)).taken : [];
  if (!manifest || (roots.length === 0 && !canFeed(task, manifest))) {
    const reason = manifest ? NOTHING_KEPT : 'it is no longer there';
    throw new FettleError('backup_failed', { data: { app, backup: `${app}/${manifest?.seq ?? chosen?.seq}`, reason } });
  }
  const present = withCompanions(roots).filter((path) => exists(join(folder.shared, path)));
  return { seq: manifest.seq, roots, present };
}

/** Puts the data of a backup in place, path by path, each noted. May be interrupted anywhere and run again. */
export async function placeData(task: Task, placing: Placing, signal: AbortSignal): Promise<void> {
  const { entry, folder } = task;
  const manifest = await restore(
    {
      shared: folder.shared,
      backup: join(folder.backups, String(placing.seq)),
      roots: placing.roots,
      setAside: join(folder.dir, asideBefore(task)),
      work: join(folder.tmp, 'restoring'),
      done: entry.restored,
      onDone: (path) => task.note({ restored: [...task.entry.restored, path] }),
    },
    signal,
  );
  await placeDump(task, manifest, signal);
}

/** Does {@link putBack} bring back all that is backed up? */
export function coversAll(task: Task, placing: Placing): boolean {
  return backupRoots(task.config).every((root) => placing.roots.includes(root));
}

/**
 * Undoes {@link placeData}: the data from before is where it was, and what was written since is in `failed/ID`. Renames
 * only. May be interrupted anywhere and run again, also where nothing or half of it was placed.
 */
export function putBack(task: Task, { roots, present }: Placing): void {
  const { entry, folder } = task;
  const written = join('failed', entry.order.update);
  if (entry.setAside !== written) task.note({ setAside: null });
  let touched = false;
  for (const path of withCompanions(roots)) {
    const live = join(folder.shared, path);
    const before = join(folder.dir, asideBefore(task), path);
    const after = join(folder.dir, written, path);
    // Not moved, or back already: what is there is the data from before.
    if (present.includes(path) && !exists(before)) continue;
    if (exists(live)) {
      if (task.entry.setAside !== written) task.note({ setAside: written });
      move(live, after);
    } else if (!present.includes(path)) continue;
    if (present.includes(path)) move(before, live);
    touched = true;
  }
  // An attempt that was interrupted after its last move leaves nothing to touch, and has brought the data back.
  if (touched || task.entry.setAside === written) task.note({ restored: [...roots] });
}

/** A backup's paths: to be put back, no longer backed up; and what is backed up now without being in it. */
function divide(manifest: Manifest, now: readonly string[]) {
  const within = (path: string, roots: readonly string[]) =>
    roots.some((root) => path === root || path.startsWith(`${root}/`));
  return {
    taken: manifest.roots.filter((root) => within(root, now)),
    skipped: manifest.roots.filter((root) => !within(root, now)),
    absent: now.filter((root) => !manifest.roots.some((old) => within(root, [old]) || within(old, [root]))),
  };
}

const withCompanions = (roots: readonly string[]) => roots.flatMap((root) => SIDECARS.map((suffix) => root + suffix));

/** What a message has room for. */
const forMessage = (paths: readonly string[]) => paths.slice(0, 50).map((path) => path.slice(0, 300));

function move(from: string, to: string): void {
  makeFolder(dirname(to));
  renameSync(from, to);
  syncFolder(dirname(to));
  syncFolder(dirname(from));
}

const exists = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
