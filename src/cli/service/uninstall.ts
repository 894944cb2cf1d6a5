import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readServiceRecord, serviceRecord } from '../../../config/home.ts';
import type { ServiceOptions } from './contract.ts';
import { managerFor, requireManager } from './manager.ts';
import { environmentFile, unitNames } from './units.ts';

/** The longest grace that an app may have is 10 minutes. */
const STOP_MS = 13 * 60_000;

/** `fettle install-service --uninstall`: stops the service, takes its units away, and says what is left. Safe to repeat. */
export async function runUninstallService(options: ServiceOptions): Promise<number> {
  const { layout, say, dryRun } = options;
  const record = readServiceRecord(layout.home);
  // What it was installed as counts, whatever is said now.
  const user = record?.user ?? options.user;
  const manager = managerFor({ ...options, user });
  const { name } = options;
  const possible = [
    ...new Set([...(record?.units ?? []), ...[true, false].flatMap((separate) => unitNames({ name, separate }))]),
  ];
  const units = possible.filter((unit) => existsSync(join(manager.folder, unit)));
  if (units.length === 0 && !record) {
    say(`No service of ${layout.home} is installed${user ? ' for this user' : ''}.`);
    return 0;
  }
  const commands = [`disable --now ${units.join(' ')}`, 'daemon-reload'];
  if (dryRun) {
    for (const line of commands) say(`${manager.command} ${line}`);
    for (const unit of units) say(`remove ${join(manager.folder, unit)}`);
    return 0;
  }
  await requireManager(manager, user);
  if (units.length > 0) {
    say(`Stopping ${units.join(' and ')}, and the apps with it …`);
    await manager.systemctl.run({ user }, ['disable', '--now', ...units], STOP_MS);
  }
  for (const unit of units) {
    rmSync(join(manager.folder, unit), { force: true });
    say(`Removed ${join(manager.folder, unit)}`);
  }
  await manager.systemctl.run({ user }, ['daemon-reload']);
  for (const unit of units) await manager.systemctl.run({ user }, ['reset-failed', unit]).catch(() => undefined);
  for (const file of [serviceRecord(layout.home), environmentFile(layout)]) rmSync(file, { force: true });
  if (!user) rmSync(manager.runtime, { recursive: true, force: true });
  say(`Left as it is: ${layout.home}, with apps, data, backups and configuration. \`fettle up\` starts it again.`);
  const dropIns = units.map((unit) => join(manager.folder, `${unit}.d`)).filter((folder) => existsSync(folder));
  if (dropIns.length > 0) say(`Left as well, since you wrote it: ${dropIns.join(', ')}`);
  return 0;
}
