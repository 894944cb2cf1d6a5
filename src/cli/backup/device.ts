import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listBackups, type Manifest, readBackups, type Strange } from '../../../agent/backup/manifest.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';

/** Backups as they lie on this device. Nobody is asked, and nothing is changed. */

export interface BackupCommand {
  readonly layout: HomeLayout;
  readonly json: boolean;
  readonly print: (line: string) => void;
}

export interface AppBackups {
  readonly app: string;
  readonly folder: string;
  readonly backups: readonly Manifest[];
  readonly strange: readonly Strange[];
}

/** Of one app, or of all that have any. @throws {FettleError} `unknown_app {app, known}` */
export function backupsOf(layout: HomeLayout, app: string | undefined): readonly AppBackups[] {
  const known = appsOf(layout);
  if (app !== undefined && !known.includes(app)) throw new FettleError('unknown_app', { data: { app, known } });
  return (app === undefined ? known : [app]).map((name) => {
    const folder = layout.app(name).backups;
    return { app: name, folder, ...readBackups(folder, name) };
  });
}

/** `web/3`, or `web` and `3`: the backup that is meant. @throws {FettleError} `unknown_app` · `unknown_backup {backup, known}` */
export function oneBackup(layout: HomeLayout, name: string, seq: string | undefined): OneBackup {
  const [app = '', behind] = name.split('/');
  const [of] = backupsOf(layout, app);
  const wanted = behind ?? seq;
  const manifest = of?.backups.find((one) => String(one.seq) === wanted);
  if (of && manifest) return { app, manifest, folder: join(of.folder, String(manifest.seq)) };
  const known = listBackups(of?.folder ?? '', app).map((one) => `${app}/${one.seq}`);
  const backup = wanted === undefined ? undefined : `${app}/${wanted}`;
  throw new FettleError('unknown_backup', { data: { app, backup, known: known.reverse().slice(0, 10) } });
}

export interface OneBackup {
  readonly app: string;
  readonly manifest: Manifest;
  readonly folder: string;
}

/** Apps that have a folder here. */
export function appsOf(layout: HomeLayout): readonly string[] {
  try {
    const apps = dirname(layout.app('x').dir);
    return readdirSync(apps)
      .filter((name) => existsSync(layout.app(name).releases) || existsSync(layout.app(name).backups))
      .sort();
  } catch {
    return [];
  }
}
