import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readServiceRecord, serviceRecord } from '../../../config/home.ts';
import { type LoadedConfig, loadConfig } from '../../../config/load.ts';
import { giveBack } from './apart.ts';
import type { ServiceOptions } from './contract.ts';
import { managerFor, requireManager } from './manager.ts';
import { ownerOf } from './owner.ts';
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
  if (record?.hub) {
    giveBack(layout, loadedOf(options), options);
    rmSync(record.hub.runtime, { recursive: true, force: true });
    say(
      `The hub's files are ${ownerOf(layout.home).name}'s again. Left as it is: the user ${record.hub.user} (\`userdel ${record.hub.user}\` removes it).`,
    );
  }
  for (const file of [serviceRecord(layout.home), environmentFile(layout)]) rmSync(file, { force: true });
  if (!user) rmSync(manager.runtime, { recursive: true, force: true });
  say(`Left as it is: ${layout.home}, with apps, data, backups and configuration. \`fettle up\` starts it again.`);
  const dropIns = units.map((unit) => join(manager.folder, `${unit}.d`)).filter((folder) => existsSync(folder));
  if (dropIns.length > 0) say(`Left as well, since you wrote it: ${dropIns.join(', ')}`);
  return 0;
}

/** A file that can't be read is no reason to keep the service. */
function loadedOf({ config, layout }: ServiceOptions): LoadedConfig | undefined {
  try {
    return loadConfig(config ?? layout.config);
  } catch {
    return undefined;
  }
}
