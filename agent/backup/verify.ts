import { lstatSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { type BackedUp, DUMP, type Manifest } from './manifest.ts';
import { hashFile } from './save.ts';

/** What is wrong with one file of a backup. */
export interface Fault {
  readonly path: string;
  readonly reason: string;
}

/** No kept path begins with a dot and a slash. */
const DUMP_PATH = `./${DUMP}`;

/** Everything that is wrong with a backup, as it is found. @param deep hashes too, not sizes alone */
export async function* faultsOf(
  folder: string,
  manifest: Manifest,
  deep: boolean,
  signal: AbortSignal,
): AsyncGenerator<Fault> {
  const dump = manifest.dump && ({ path: DUMP_PATH, type: 'file', ...manifest.dump } as const);
  const all: readonly Pick<BackedUp, 'path' | 'type' | 'size' | 'sha256'>[] = dump
    ? [...manifest.entries, dump]
    : manifest.entries;
  for (const { path: name, type, size, sha256 } of all) {
    signal.throwIfAborted();
    if (isAbsolute(name) || normalize(name).startsWith('..')) {
      yield { path: name, reason: 'it is not inside the backup' };
      continue;
    }
    if (type === 'folder') continue;
    const path = name === DUMP_PATH ? join(folder, DUMP) : join(folder, 'data', name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    const there = type === 'link' ? found?.isSymbolicLink() : found?.isFile();
    if (!there) yield { path: name, reason: 'it is missing in the backup' };
    else if (type === 'link') continue;
    else if (!deep && found?.size !== size) yield { path: name, reason: 'its size differs from the manifest' };
    else if (deep && (await hashFile(path)) !== sha256)
      yield { path: name, reason: 'its hash differs from the manifest' };
  }
}

/** Checks every file of a backup against its manifest. @throws {FettleError} `backup_failed {path, reason}` */
export async function verifyBackup(folder: string, manifest: Manifest, signal: AbortSignal): Promise<void> {
  for await (const { path, reason } of faultsOf(folder, manifest, true, signal)) {
    throw new FettleError('backup_failed', { data: { path, reason } });
  }
}
