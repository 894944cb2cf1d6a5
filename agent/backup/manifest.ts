import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** One thing in a backup. Paths are relative to `shared/`. */
export const BackedUp = z.object({
  path: z.string(),
  type: z.enum(['file', 'folder', 'link']),
  mode: z.number(),
  uid: z.number(),
  gid: z.number(),
  size: z.number(),
  /** Of the original, nanoseconds as text: what tells the second pass that a file has changed. */
  mtime: z.string(),
  ctime: z.string(),
  inode: z.string(),
  sha256: z.string().optional(),
  /** Size of the original, where that of the copy is another: a database with what was in its `-wal`. */
  original: z.number().optional(),
  target: z.string().optional(),
});
export type BackedUp = z.infer<typeof BackedUp>;

/** What `backup.command` printed, beside `data/`. */
export const DUMP = 'command.out';

/** Something that can't be saved. */
const Skipped = z.object({ path: z.string(), kind: z.enum(['socket', 'fifo', 'device']) });
export type Skipped = z.infer<typeof Skipped>;

/** `backups/SEQ/manifest.json`: written last, so a backup without it was never finished. */
export const Manifest = z.object({
  format: z.literal('fettle-backup/1'),
  seq: z.number().int().positive(),
  app: z.string(),
  update: z.string(),
  /** Slots that the switch was between. */
  from: z.string().nullable(),
  to: z.string().nullable(),
  /** The backup that was put back afterwards, where a restore made this one. */
  restores: z.number().int().positive().optional(),
  /** Wall clock: for people and for retention by days, beside the sequence. */
  at: z.number(),
  /** The paths that were asked for; what is not below `entries` did not exist. */
  roots: z.array(z.string()),
  entries: z.array(BackedUp),
  /** What is in {@link DUMP}. */
  dump: z.object({ size: z.number(), sha256: z.string() }).optional(),
  /** Who made it by hand, with `fettle backup create`. */
  by: z.string().optional(),
  skipped: z.array(Skipped).optional(),
  /** Files that were written to each time they were copied, while the app ran: they may be torn. */
  changing: z.array(z.string()).optional(),
});
export type Manifest = z.infer<typeof Manifest>;

/** A folder among the backups that is none of the app's. */
export interface Strange {
  readonly name: string;
  readonly why: 'unreadable' | 'of-another-app' | 'misplaced';
  /** For logs. */
  readonly reason: string;
}

/**
 * Sealed backups of an app, oldest first. Only the manifest counts, and only where it is in its place: a folder
 * without a readable one, one of another app or one that was moved is told as strange.
 */
export function readBackups(folder: string, app: string): { backups: Manifest[]; strange: Strange[] } {
  const backups: Manifest[] = [];
  const strange: Strange[] = [];
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch {
    // No folder yet: no backups.
  }
  for (const name of names) {
    const manifest = readManifest(join(folder, name));
    if (!manifest) strange.push({ name, why: 'unreadable', reason: 'it has no manifest that can be read' });
    else if (manifest.app !== app)
      strange.push({ name, why: 'of-another-app', reason: `its manifest says that it is of ${manifest.app}` });
    else if (String(manifest.seq) !== name)
      strange.push({ name, why: 'misplaced', reason: `its manifest says that it is ${manifest.seq}` });
    else backups.push(manifest);
  }
  return { backups: backups.sort((a, b) => a.seq - b.seq), strange };
}

/** Sealed backups of an app, oldest first. */
export function listBackups(folder: string, app: string): Manifest[] {
  return readBackups(folder, app).backups;
}

/** The manifest of a backup's folder; `undefined` where it was never sealed. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
  } catch {
    return undefined;
  }
}
