import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { makeFolder, syncFolder } from '../../src/files/durable.ts';
import { dumpInto, feedFrom } from '../backup/command.ts';
import { DUMP, type Manifest } from '../backup/manifest.ts';
import { asideBefore } from './aside.ts';
import { commandOf } from './data.ts';
import { problemOf, type Task } from './task.ts';

/**
 * What `backup.command` printed, on its way back through `backup.restore`. The data in question is elsewhere, so nothing can be
 * renamed: what is there now is dumped first, and a failure does not keep the old version from being started; it is told.
 */

/** Can what a backup holds of another program's data be put back? */
export function canFeed({ config }: Task, manifest: Manifest): boolean {
  return manifest.dump !== undefined && config.backup.restore !== undefined;
}

/** For `restore` and a rollback with data. @throws {FettleError} `backup_failed`: the update goes back then */
export async function placeDump(task: Task, manifest: Manifest, signal: AbortSignal): Promise<void> {
  const { entry, config, folder } = task;
  if (!manifest.dump || !entry.placing) return;
  const { restore } = config.backup;
  if (restore === undefined) return noteUnset(task);
  // Dumped once: after an interruption what is there may be half of the other.
  if (!entry.placing.fed) {
    if (sealedDump(task) === undefined) await dumpAside(task, join(folder.dir, asideBefore(task)), signal);
    task.note({ placing: { ...entry.placing, fed: true } });
  }
  await feedFrom(commandOf(task), restore, join(folder.backups, String(manifest.seq), DUMP), signal);
}

/** Undoes {@link placeDump}, with the dump that was made before it. Never throws but for the signal. */
export async function putDumpBack(task: Task, signal: AbortSignal): Promise<void> {
  const { folder, config } = task;
  const aside = join(folder.dir, asideBefore(task), DUMP);
  const from = sealedDump(task) ?? (existsSync(aside) ? aside : undefined);
  const { restore } = config.backup;
  if (restore === undefined) return;
  await telling(task, signal, async () => {
    if (from === undefined)
      throw new FettleError('backup_failed', {
        data: { app: task.app, reason: 'there is no dump of the data from before' },
      });
    await feedFrom(commandOf(task), restore, from, signal);
  });
}

/** After a version that failed: its data is dumped into `failed/ID`, then that of the backup put back. */
export async function bringDumpBack(task: Task, manifest: Manifest, signal: AbortSignal): Promise<void> {
  const { entry, folder, config } = task;
  if (!manifest.dump || entry.restored.includes(DUMP)) return;
  const { restore } = config.backup;
  if (restore === undefined) return noteUnset(task);
  await telling(task, signal, async () => {
    await dumpAside(task, join(folder.dir, 'failed', entry.order.update), signal);
    await feedFrom(commandOf(task), restore, join(folder.backups, String(manifest.seq), DUMP), signal);
    task.note({ restored: [...task.entry.restored, DUMP] });
  });
}

/** The dump in this update's own backup. */
function sealedDump({ entry, folder }: Task): string | undefined {
  const path = join(folder.backups, String(entry.backup), DUMP);
  return entry.backup !== null && existsSync(path) ? path : undefined;
}

/** Only where it is possible: a database that the failed version broke can't be dumped, and must come back all the same. */
async function dumpAside(task: Task, to: string, signal: AbortSignal): Promise<void> {
  const { command } = task.config.backup;
  const path = join(to, DUMP);
  if (command === undefined || existsSync(path)) return;
  makeFolder(to);
  try {
    // Whole or not there: it may be what the data is brought back from.
    await dumpInto(commandOf(task), command, `${path}.part`, signal);
    renameSync(`${path}.part`, path);
    syncFolder(to);
  } catch (error) {
    rmSync(`${path}.part`, { force: true });
    signal.throwIfAborted();
    task.deps.log(`${task.app}: what is there could not be set aside: ${task.deps.redact(task.app, String(error))}`);
  }
}

async function telling(task: Task, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    task.deps.log(`${task.app}: its data is not all back: ${task.deps.redact(task.app, String(error))}`);
    task.note({ dataProblem: problemOf(error, task.app) });
  }
}

function noteUnset(task: Task): void {
  const reason = 'the backup has the output of backup.command, and `backup.restore` is not set';
  task.note({
    dataProblem: problemOf(new FettleError('backup_failed', { data: { app: task.app, reason } }), task.app),
  });
}
