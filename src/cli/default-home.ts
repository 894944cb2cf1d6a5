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

/** Where everything is kept unless FETTLE_HOME says: `./data` in a checkout, `~/.fettle` for an installed package. */
export function defaultHome(environment: Environment): string {
  const root = packageRoot();
  return existsSync(join(root, 'src', 'main.ts')) ? join(root, 'data') : join(environment.userHome, '.fettle');
}
