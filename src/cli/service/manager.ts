import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createSystemctl, SystemdRefusal, systemctlEnvironment } from '../../../agent/restart/systemctl.ts';
import { type Manager, refused, type ServiceOptions } from './contract.ts';

/** systemd's own units are found here, before those of packages. */
const SYSTEM_UNITS = '/etc/systemd/system';

/** The manager that a service is for, whether it answers or not. */
export function managerFor({
  user,
  name,
  environment,
}: Pick<ServiceOptions, 'user' | 'name' | 'environment'>): Manager {
  const env = systemctlEnvironment(environment.basic);
  const config = environment.all.XDG_CONFIG_HOME || join(environment.userHome, '.config');
  return {
    folder: user ? join(config, 'systemd/user') : SYSTEM_UNITS,
    runtime: user ? (env.XDG_RUNTIME_DIR ?? environment.runtimeFolder) : join('/run', name),
    command: user ? 'systemctl --user' : 'systemctl',
    systemctl: createSystemctl({ env }),
    unit: (unit) => ({ unit, user }),
  };
}

/** @throws {FettleError} `service_refused` where there is no such manager, or it is not this user's to change */
export async function requireManager({ systemctl }: Manager, user: boolean): Promise<void> {
  if (!existsSync('/run/systemd/system')) {
    throw refused(
      'this machine was not booted with systemd',
      'Let what starts your programs run `fettle up` without input, and end it with SIGTERM',
    );
  }
  if (!user && process.geteuid?.() !== 0)
    throw refused('units of the system are written by root', 'Use sudo, or `fettle install-service --user`');
  try {
    await systemctl.run({ user }, ['show', '-p', 'Version']);
  } catch (error) {
    if (!(error instanceof SystemdRefusal)) throw error;
    const advice = user
      ? 'Log in as this user (not by su or sudo), or `loginctl enable-linger` it first and set XDG_RUNTIME_DIR'
      : undefined;
    throw refused(`systemd does not answer: ${error.message}`, advice);
  }
}
