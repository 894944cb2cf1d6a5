import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../../src/files/durable.ts';
import { type Lock, takeLock } from '../keeper/lock.ts';
import { makingLock } from './create.ts';
import { type Manifest, readBackups } from './manifest.ts';

/** Which backups are kept, and the removal of the others. */

const DAY_MS = 86_400_000;
/** Kept whatever their age, unless `days` is 0: a clock that jumps must not cost all of them. */
const NEWEST = 3;

export interface Retention {
  /** Wall clock, milliseconds since 1970. */
  readonly now: number;
  /** 0: only the newest backup, and that of the running release. */
  readonly days: number;
  /** The slot that runs; `undefined` where the app is not installed. */
  readonly running: string | undefined;
}

/**
 * Backups that may go. Pure.
 *
 * Kept always, whatever the hub says: the newest, and the newest one of a switch to the running release. One that a
 * restore made is of no switch, and does not stand for that. With `days` above 0 also the newest three, and those that
 * are younger than that; a time in the future is young.
 *
 * @param manifests of one app, oldest first
 */
export function prunable(manifests: readonly Manifest[], { now, days, running }: Retention): Manifest[] {
  const kept = new Set<Manifest | undefined>([
    manifests.at(-1),
    manifests.findLast((m) => m.to === running && m.from !== m.to),
    ...(days > 0 ? manifests.slice(-NEWEST) : []),
  ]);
  return manifests.filter((m) => !kept.has(m) && !(days > 0 && now - m.at < days * DAY_MS));
}

/**
 * Removes what {@link prunable} names, and what attempts that ended early left behind. Not while an update of the app is
 * under way (its own last state excepted): it may need any of them. What has no readable manifest, or one that
 * belongs elsewhere, is left alone.
 *
 * @throws the system's error; what was removed by then was removed whole
 */
export function pruneBackups(folder: string, app: string, retention: Retention, log: (line: string) => void): void {
  if (!existsSync(folder)) return;
  const { backups, strange } = readBackups(folder, app);
  for (const { name, reason } of strange) log(`${app}: backups/${name} is left alone: ${reason}`);
  for (const { seq } of prunable(backups, retention)) {
    // One rename first: what is removed half-way is an unfinished backup, never a whole one with files missing.
    rmSync(unfinished(folder, seq), { recursive: true, force: true });
    renameSync(join(folder, String(seq)), unfinished(folder, seq));
    syncFolder(folder);
    log(`${app}: backup ${seq} is removed`);
  }
  const lock = lockOfMaking(folder);
  for (const name of lock ? readdirSync(folder) : []) {
    if (/^\d+\.making$/.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
  lock?.release();
  for (const name of readdirSync(folder)) {
    if (/^\d+\.unfinished$/.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** Absent where somebody is making a backup by hand, or never did. */
function lockOfMaking(folder: string): Lock | undefined {
  if (!existsSync(makingLock(folder))) return undefined;
  try {
    return takeLock(makingLock(folder));
  } catch {
    return undefined;
  }
}

const unfinished = (folder: string, seq: number) => join(folder, `${seq}.unfinished`);
