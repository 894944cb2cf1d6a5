import { join } from 'node:path';
import { reportOf } from '../../../agent/backup/report.ts';
import { type Fault, faultsOf } from '../../../agent/backup/verify.ts';
import { openSlots } from '../../../agent/install/slots.ts';
import { MESSAGES } from '../../chat/messages/index.ts';
import type { BackupReport } from '../../protocol/messages.ts';
import { type BackupCommand, backupsOf } from './device.ts';

/** Of one backup, more are not shown. */
const FAULTS_SHOWN = 5;

/** `fettle backup list [APP]`. Sizes are compared with the manifests; 1 where something is not whole. */
export async function runBackupList(options: BackupCommand & { readonly app: string | undefined }): Promise<0 | 1> {
  const { layout, json, print } = options;
  const rows: string[][] = [];
  const all: object[] = [];
  let bad = 0;
  for (const { app, folder, backups, strange } of backupsOf(layout, options.app)) {
    const running = openSlots(layout.app(app)).current();
    for (const manifest of backups.toReversed()) {
      const report = reportOf(manifest, running);
      const faults = await collect(join(folder, String(manifest.seq)), manifest, false, AbortSignal.timeout(60_000));
      if (faults.length > 0) bad += 1;
      all.push({
        app,
        ...report,
        whole: faults.length === 0,
        faults,
        skipped: manifest.skipped,
        changing: manifest.changing,
      });
      const when = new Date(report.at).toISOString().slice(0, 16).replace('T', ' ');
      const { bytes } = MESSAGES.en;
      const state = faults.length > 0 ? 'DAMAGED' : manifest.changing ? 'whole, but see verify' : 'whole';
      rows.push([`${app}/${report.seq}`, when, whyOf(app, report), bytes(report.bytes), String(report.files), state]);
    }
    for (const { name, why, reason } of strange) {
      bad += 1;
      all.push({ app, name, why, whole: false });
      rows.push([`${app}/${name}`, '', reason, '', '', "can't be put back"]);
    }
  }
  const exit = bad === 0 ? 0 : 1;
  if (json) print(JSON.stringify({ backups: all, exit }));
  else if (rows.length === 0)
    print('There are no backups yet. One is made before each switch of an app that keeps data.');
  else for (const line of table([['backup', 'made (UTC)', 'why', 'size', 'files', 'state'], ...rows])) print(line);
  return exit;
}

/** `fettle backup verify [APP [SEQ]]`: every hash. 1 where something is not whole. */
export async function runBackupVerify(
  options: BackupCommand & {
    readonly app: string | undefined;
    readonly seq: string | undefined;
    readonly signal: AbortSignal;
  },
): Promise<0 | 1> {
  const { layout, json, print, signal } = options;
  const [name, behind] = options.app?.split('/') ?? [];
  const wanted = behind ?? options.seq;
  if (options.app !== undefined && wanted !== undefined) {
    const { oneBackup } = await import('./device.ts');
    // A number that nobody has is told with those that there are.
    oneBackup(layout, options.app, options.seq);
  }
  const all: object[] = [];
  let bad = 0;
  for (const { app, folder, backups, strange } of backupsOf(layout, name)) {
    for (const manifest of backups) {
      if (wanted !== undefined && String(manifest.seq) !== wanted) continue;
      const faults = await collect(join(folder, String(manifest.seq)), manifest, true, signal);
      if (faults.length > 0) bad += 1;
      const { skipped = [], changing = [] } = manifest;
      all.push({ app, seq: manifest.seq, whole: faults.length === 0, faults, skipped, changing });
      if (json) continue;
      print(`${app}/${manifest.seq}: ${faults.length === 0 ? 'whole' : 'DAMAGED'}`);
      for (const { path, reason } of faults.slice(0, FAULTS_SHOWN)) print(`  ${path}: ${reason}`);
      if (faults.length > FAULTS_SHOWN) print(`  and ${faults.length - FAULTS_SHOWN} more`);
      for (const { path, kind } of skipped) print(`  without ${path}, which is a ${kind}`);
      for (const path of changing) print(`  ${path} was written to while it was copied: it may be torn`);
    }
    for (const { name: folderName, reason } of wanted === undefined ? strange : []) {
      bad += 1;
      all.push({ app, name: folderName, whole: false, faults: [{ path: folderName, reason }] });
      if (!json) print(`${app}/${folderName}: can't be put back: ${reason}`);
    }
  }
  const exit = bad === 0 ? 0 : 1;
  if (json) print(JSON.stringify({ backups: all, exit }));
  else if (all.length === 0) print('There are no backups.');
  return exit;
}

async function collect(...args: Parameters<typeof faultsOf>): Promise<Fault[]> {
  const faults: Fault[] = [];
  for await (const fault of faultsOf(...args)) faults.push(fault);
  return faults;
}

function whyOf(app: string, { from, to, restores, by, ofRunning }: BackupReport): string {
  if (by !== undefined) return `by hand (${by})`;
  if (restores !== undefined) return `before a restore of ${app}/${restores}`;
  if (to === undefined) return '';
  return `before ${[from, to].filter((version) => version !== undefined).join(' → ')}${ofRunning ? ' (runs now)' : ''}`;
}

/** Columns as wide as their longest word. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
