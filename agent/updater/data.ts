import { rmSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import { type CommandOf, dumpInto } from '../backup/command.ts';
import type { BackupRequest } from '../backup/create.ts';
import type { Manifest } from '../backup/manifest.ts';
import { SIDECARS } from '../backup/sqlite.ts';
import { problemOf, type Task } from './task.ts';

/** What is backed up: what `backup:` names, else all that is kept. */
export function backupRoots(config: AppConfig): readonly string[] {
  return config.backup.paths ?? config.keep;
}

/** The backup of an update. */
export function backupRequest(task: Task, seq: number): BackupRequest {
  const { entry, folder, app, config } = task;
  const { command } = config.backup;
  return {
    shared: folder.shared,
    folder: folder.backups,
    seq,
    app,
    update: entry.order.update,
    from: entry.from,
    to: entry.to,
    restores: entry.order.kind === 'restore' ? entry.chosen?.seq : undefined,
    roots: backupRoots(config),
    // Such an app replaces itself: it is not stopped for the backup.
    running: config.restart.kind === 'signal',
    ...(command === undefined ? {} : { dump: (to, signal) => dumpInto(commandOf(task), command, to, signal) }),
    by: entry.order.local?.backup ? entry.order.local.by : undefined,
    now: task.deps.clock.now(),
  };
}

/** Is there anything that a backup would hold? */
export function hasData(config: AppConfig): boolean {
  return backupRoots(config).length > 0 || config.backup.command !== undefined;
}

/** What commands about an app's data are run with. */
export function commandOf({ app, config, folder, deps }: Task): CommandOf {
  return { app, config, folder, environment: deps.environment, redact: (text) => deps.redact(app, text) };
}

/**
 * Work on the backup of an update. Where the app's file says that none is required, a failure is noted, and the update has no
 * backup from then on. One that a person asked for is required.
 */
export async function orWithoutBackup(task: Task, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    const { config, entry, app, folder, deps } = task;
    if (config.backup.required || entry.order.local?.backup) throw error;
    deps.log(`${entry.order.update} ${app}: goes on without a backup: ${deps.redact(app, String(error))}`);
    rmSync(join(folder.backups, `${entry.backup}.unfinished`), { recursive: true, force: true });
    task.note({ backup: null, backupProblem: problemOf(error, app) });
  }
}

/** What a backup does not have, for who looks into the log. */
export function logGaps({ deps, app }: Task, { seq, skipped = [], changing = [] }: Manifest): void {
  for (const { path, kind } of skipped) deps.log(`${app}: backup ${seq} is without ${path}, which is a ${kind}`);
  for (const path of changing) deps.log(`${app}: backup ${seq}: ${path} was written to while it was copied`);
}

/** Bytes below the given paths of a folder. */
export async function measure(folder: string, roots: readonly string[]): Promise<number> {
  let bytes = 0;
  const queue = roots.flatMap((root) => SIDECARS.map((suffix) => join(folder, root + suffix)));
  for (let next = 0; next < queue.length; next += 1) {
    const path = queue[next] as string;
    // What is not there, or goes while we look, counts as nothing: this is an estimate.
    const stat = await lstat(path).catch(() => undefined);
    if (stat?.isFile()) bytes += stat.size;
    if (stat?.isDirectory()) {
      for (const name of await readdir(path).catch(() => [])) queue.push(join(path, name));
    }
  }
  return bytes;
}
