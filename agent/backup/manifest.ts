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
  target: z.string().optional(),
});
export type BackedUp = z.infer<typeof BackedUp>;

/** `backups/SEQ/manifest.json`: written last, so a backup without it was never finished. */
export const Manifest = z.object({
  format: z.literal('fettle-backup/1'),
  seq: z.number().int(),
  app: z.string(),
  update: z.string(),
  /** Slots that the switch was between. */
  from: z.string().nullable(),
  to: z.string().nullable(),
  /** Wall clock: for people and for retention by days, beside the sequence. */
  at: z.number(),
  /** The paths that were asked for; what is not below `entries` did not exist. */
  roots: z.array(z.string()),
  entries: z.array(BackedUp),
});
export type Manifest = z.infer<typeof Manifest>;

/** Sealed backups of a folder, oldest first. Folders without a readable manifest are left out. */
export function listBackups(folder: string): Manifest[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readManifest(join(folder, name)))
    .filter((manifest) => manifest !== undefined)
    .sort((a, b) => a.seq - b.seq);
}

/** The manifest of a backup's folder; `undefined` where it was never sealed. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
  } catch {
    return undefined;
  }
}
