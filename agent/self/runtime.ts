import {
  closeSync,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolder, syncFolder } from '../../src/files/durable.ts';

/**
 * Puts a Node.js into the home's runtimes: linked where it can be (the same bytes in memory once), else copied and made
 * durable, because everything here runs on it. One that is there and whole is left alone.
 *
 * @returns its path, `RUNTIMES/node-VERSION/bin/node`
 */
export function installRuntime(runtimes: string, node: string, version: string): string {
  const target = join(runtimes, `node-${version}`, 'bin', 'node');
  const source = realpathSync(node);
  if (statSync(target, { throwIfNoEntry: false })?.size === statSync(source).size) return target;
  makeFolder(dirname(target));
  const temporary = `${target}.new`;
  rmSync(temporary, { force: true });
  // A file of somebody else's is theirs to change under any name, and everything here runs on it.
  const { uid, mode } = statSync(source);
  const safe = process.geteuid?.() !== 0 || (uid === 0 && (mode & 0o022) === 0);
  try {
    if (!safe) throw new Error('not linked');
    linkSync(source, temporary);
  } catch {
    copyFileSync(source, temporary);
  }
  const file = openSync(temporary, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, target);
  // Two links to one file: the rename does nothing.
  rmSync(temporary, { force: true });
  syncFolder(dirname(target));
  return target;
}
