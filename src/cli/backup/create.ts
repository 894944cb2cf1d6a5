import { existsSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { dumpInto } from '../../../agent/backup/command.ts';
import { makingLock, reserveSequence, seal } from '../../../agent/backup/create.ts';
import type { Manifest } from '../../../agent/backup/manifest.ts';
import { reportOf } from '../../../agent/backup/report.ts';
import { openInstallation } from '../../../agent/install/index.ts';
import { openJournal } from '../../../agent/journal.ts';
import { type Lock, takeLock } from '../../../agent/keeper/lock.ts';
import { refuseOtherUser } from '../../../agent/rescue/charge.ts';
import { backupRoots, hasData, measure } from '../../../agent/updater/data.ts';
import type { AppConfig } from '../../../config/agent-schema.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { deviceFile, loadDeviceConfig } from '../../../config/load-device.ts';
import { MESSAGES } from '../../chat/messages/index.ts';
import { FettleError } from '../../domain/errors.ts';
import { createRedactor, secretValues } from '../../domain/redact.ts';
import { isFinal } from '../../domain/update.ts';
import { makeFolder } from '../../files/durable.ts';
import type { DeviceCommand } from '../device-options.ts';
import { machineClock } from '../npm-tools.ts';
import { whoAsks } from '../on-device.ts';

export interface CreateBackup extends DeviceCommand {
  readonly json: boolean;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Room that must stay free, as for updates. Bytes. */
const MARGIN = 64 * 1024 * 1024;
const NAMED = 10;

/**
 * `fettle backup create APP`: of an app that runs on. Databases are copied as they are at one moment, each; files that
 * kept changing are named. It is made beside the agent, and is nothing if an update of the app comes in between.
 *
 * @throws {FettleError} `unknown_app` · `not_installed` · `in_progress` · `busy` · `backup_failed` · `no_space`
 */
export async function runBackupCreate(options: CreateBackup): Promise<0> {
  const { layout, app, json, print } = options;
  if (!existsSync(layout.home)) {
    throw new FettleError('home_not_writable', { data: { home: layout.home, reason: 'there is no such folder' } });
  }
  refuseOtherUser(layout);
  const { apps } = loadDeviceConfig(deviceFile(layout, options.config));
  const config = Object.hasOwn(apps, app) ? apps[app] : undefined;
  if (!config) throw new FettleError('unknown_app', { data: { app, known: Object.keys(apps) } });
  if (!hasData(config)) {
    const reason = 'its configuration names nothing that is kept and backed up';
    throw new FettleError('backup_failed', { data: { app, reason } });
  }
  const manifest = await make(options, config, options.signal);
  const { bytes, files } = reportOf(manifest, undefined);
  const { skipped = [], changing = [] } = manifest;
  if (json) {
    print(JSON.stringify({ app, seq: manifest.seq, bytes, files, skipped, changing, exit: 0 }));
    return 0;
  }
  print(`Backup ${app}/${manifest.seq} was made while ${app} ran: ${files} files, ${MESSAGES.en.bytes(bytes)}.`);
  for (const { path, kind } of skipped.slice(0, NAMED)) print(`  Without ${path}, which is a ${kind}.`);
  for (const path of changing.slice(0, NAMED)) print(`  ${path} kept changing: its copy may be torn.`);
  if (changing.length > 0)
    print(`  \`fettle backup create ${app} --stop\` stops ${app} for a moment and copies it whole.`);
  return 0;
}

async function make(options: CreateBackup, config: AppConfig, signal: AbortSignal): Promise<Manifest> {
  const { layout, app, environment } = options;
  const folder = layout.app(app);
  const slot = openInstallation(folder, config).current();
  if (slot === undefined) throw new FettleError('not_installed', { data: { app } });
  makeFolder(folder.backups);
  const lock = lockOf(folder.backups, app);
  const seq = reserveSequence(folder.backups);
  try {
    const before = updatesOf(layout, app);
    const needed = (await measure(folder.shared, backupRoots(config))) + MARGIN;
    const { bavail, bsize } = statfsSync(folder.backups);
    if (bavail * bsize < needed) throw new FettleError('no_space', { data: { app, needed, free: bavail * bsize } });
    const { command } = config.backup;
    const redact = createRedactor({ secrets: secretValues(config.env), homes: [layout.home, environment.userHome] });
    const of = { app, config, folder, environment: environment.basic, redact };
    return await seal(
      {
        shared: folder.shared,
        folder: folder.backups,
        seq,
        app,
        update: `by-hand-${seq}`,
        from: slot,
        to: slot,
        roots: backupRoots(config),
        running: true,
        beside: true,
        by: whoAsks(environment.all),
        ...(command === undefined ? {} : { dump: (to, limit) => dumpInto(of, command, to, limit) }),
        // Nothing that was switched meanwhile is of one moment with what was copied before.
        beforeSealing: () => updatesOf(layout, app, before),
        now: machineClock.now(),
      },
      signal,
    );
  } finally {
    rmSync(join(folder.backups, `${seq}.making`), { recursive: true, force: true });
    lock.release();
  }
}

/** Ids of the app's updates, none under way and, where `before` is given, none that was not among those. @throws {FettleError} `in_progress` */
function updatesOf(layout: HomeLayout, app: string, before?: ReadonlySet<string>): ReadonlySet<string> {
  const entries = openJournal(layout.agent.journal)
    .list()
    .filter((entry) => entry.order.app === app);
  const other = entries.find(({ state, order }) => !isFinal(state) || (before && !before.has(order.update)));
  if (other) throw new FettleError('in_progress', { data: { app, id: other.order.update, state: other.state } });
  return new Set(entries.map(({ order }) => order.update));
}

function lockOf(folder: string, app: string): Lock {
  try {
    return takeLock(makingLock(folder));
  } catch (error) {
    if (!(error instanceof FettleError) || error.code !== 'home_in_use') throw error;
    throw new FettleError('busy', { data: { app, other: 'fettle backup create' }, retryable: true, cause: error });
  }
}
