import { z } from 'zod';
import { at, version } from './words.ts';

/** What is said of backups. */

/** A sealed backup on the device. */
export const BackupReport = z.object({
  seq: z.number().int().positive(),
  /** When it was made, by the device's clock. */
  at,
  /** What ran when it was made. */
  from: version.optional(),
  /** What was switched to afterwards; absent where a restore made it. */
  to: version.optional(),
  /** The backup that was put back afterwards, where a restore made this one. */
  restores: z.number().int().positive().optional(),
  bytes: z.number().nonnegative(),
  files: z.number().int().nonnegative(),
  /** Made by a switch to the release that runs now: `rollback --with-data` would put it back. */
  ofRunning: z.boolean().default(false),
  /** Who made it by hand, with `fettle backup create`. */
  by: z.string().max(60).optional(),
});
export type BackupReport = z.infer<typeof BackupReport>;

/** What a `restore` put back. */
export const Restored = z.object({
  seq: z.number().int().positive(),
  at,
  from: version.optional(),
  to: version.optional(),
  restores: z.number().int().positive().optional(),
  /** Paths in it that are no longer backed up: they were left alone. */
  skipped: z.array(z.string().max(300)).max(50).default([]),
  /** Paths that are backed up now, and are not in it: they were left alone. */
  absent: z.array(z.string().max(300)).max(50).default([]),
});
export type Restored = z.infer<typeof Restored>;

/** Something among the backups that is none which could be put back. */
export const StrangeBackup = z.object({
  name: z.string().max(40),
  why: z.enum(['unreadable', 'of-another-app', 'misplaced']).catch('unreadable'),
});
export type StrangeBackup = z.infer<typeof StrangeBackup>;
