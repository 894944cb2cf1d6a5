import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BackupReport, MAX_BACKUPS, type StrangeBackup } from '../../src/protocol/messages.ts';
import type { UpdaterDeps } from '../updater/task.ts';
import { readBackups } from './manifest.ts';
import { reportOf } from './report.ts';
import { pruneBackups } from './retention.ts';

/** What the protocol takes. */
const MAX_STRANGE = 100;

/** The backups of an app that are there. */
export interface Shelf {
  /** Newest first. */
  list(app: string): { readonly backups: readonly BackupReport[]; readonly strange: readonly StrangeBackup[] };
  /** Removes what is no longer kept. Only for an app without an update under way. Never throws. */
  prune(app: string): void;
}

export interface ShelfDeps extends Pick<UpdaterDeps, 'layout' | 'clock' | 'retentionDays' | 'redact' | 'log'> {
  /** The slot that an app runs from. */
  readonly running: (app: string) => string | undefined;
}

export function createShelf({ layout, clock, retentionDays, redact, log, running }: ShelfDeps): Shelf {
  return {
    list(app) {
      const found = readBackups(layout.app(app).backups, app);
      const newest = found.backups.slice(-MAX_BACKUPS).map((manifest) => reportOf(manifest, running(app)));
      return {
        backups: newest.reverse(),
        strange: found.strange.slice(-MAX_STRANGE).map(({ name, why }) => ({ name: name.slice(0, 40), why })),
      };
    },
    prune(app) {
      const folder = layout.app(app);
      try {
        const retention = { now: clock.now(), days: retentionDays(), running: running(app) };
        pruneBackups(folder.backups, app, retention, log);
        // What a restore replaced is in the backup that it made; nobody needs it now.
        rmSync(join(folder.dir, 'replaced'), { recursive: true, force: true });
      } catch (error) {
        log(`${app}: old backups could not be removed: ${redact(app, String(error))}`);
      }
    },
  };
}
