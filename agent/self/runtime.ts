import { copyFileSync, existsSync, linkSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../src/files/durable.ts';

/**
 * Puts a Node.js into the home's runtimes: linked where it can be (the same bytes in memory once), else copied. One
 * that is there is left alone.
 *
 * @returns its path, `RUNTIMES/node-VERSION/bin/node`
 */
export function installRuntime(runtimes: string, node: string, version: string): string {
  const target = join(runtimes, `node-${version}`, 'bin', 'node');
  if (existsSync(target)) return target;
  makeFolder(dirname(target));
  const temporary = `${target}.new`;
  rmSync(temporary, { force: true });
  try {
    linkSync(realpathSync(node), temporary);
  } catch {
    copyFileSync(node, temporary);
  }
  renameSync(temporary, target);
  return target;
}
