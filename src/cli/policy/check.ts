import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Environment } from '../../../config/environment.ts';
import type { HomeLayout } from '../../../config/home.ts';
import { deviceFile } from '../../../config/load-device.ts';
import { explainPolicy } from './explain.ts';

const ASK_MS = 5_000;

/** `fettle agent --check [FILE]` on this machine. @returns the exit code @throws {FettleError} `config_missing` */
export function checkPolicy(layout: HomeLayout, environment: Environment, file: string | undefined): number {
  return explainPolicy({
    layout,
    file: deviceFile(layout, file === undefined ? undefined : resolve(file)),
    path: environment.basic.PATH ?? '/usr/bin:/bin',
    hasUser,
    print: (line) => console.log(line),
  });
}

/** By the machine's directory services where it has them, else by its own list. */
function hasUser(name: string): boolean {
  const asked = spawnSync('getent', ['passwd', name], { timeout: ASK_MS });
  if (asked.status === 0) return true;
  if (asked.status === 2) return false;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  return lines.some((line) => line.split(':')[0] === name || line.split(':')[2] === name);
}
