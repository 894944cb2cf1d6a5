import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../../config/environment.ts';

/** The folder of the package that runs: the one with its package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const up = dirname(folder);
    if (up === folder) return dirname(fileURLToPath(import.meta.url));
    folder = up;
  }
  return folder;
}

/** Of the machine rather than of a person: every user may pass to it, and to what is theirs in it. */
const MACHINE_HOME = '/var/lib/fettle';

/**
 * Where everything is kept unless FETTLE_HOME says: `./data` in a checkout, `~/.fettle` for an installed package; for root
 * `/var/lib/fettle` where one is there.
 * @param service a service of the system is about to be installed: root's is made there, unless there is one in `~/.fettle`
 */
export function defaultHome(environment: Environment, service = false): string {
  const root = packageRoot();
  if (existsSync(join(root, 'src', 'main.ts'))) return join(root, 'data');
  const own = join(environment.userHome, '.fettle');
  const machine = process.geteuid?.() === 0 && !existsSync(own) && (service || existsSync(MACHINE_HOME));
  return machine ? MACHINE_HOME : own;
}
