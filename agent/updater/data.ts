import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import { type BackupRequest, SIDECARS } from '../backup/create.ts';
import type { Task } from './task.ts';

/** What is backed up: what `backup:` names, else all that is kept. */
export function backupRoots(config: AppConfig): readonly string[] {
  return config.backup.paths ?? config.keep;
}

/** The backup of an update. */
export function backupRequest(task: Task, seq: number): BackupRequest {
  const { entry, folder, app } = task;
  return {
    shared: folder.shared,
    folder: folder.backups,
    seq,
    app,
    update: entry.order.update,
    from: entry.from,
    to: entry.to,
    restores: entry.order.kind === 'restore' ? entry.chosen?.seq : undefined,
    roots: backupRoots(task.config),
    now: task.deps.clock.now(),
  };
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
