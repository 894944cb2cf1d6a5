import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FettleError } from '../../domain/errors.ts';
import { generateMinisignKey } from '../../origin/minisign-secret.ts';
import { writeKeyFiles } from './key-files.ts';

/**
 * The development key of a checkout of Fettle: what is built here can be tried on devices that pin it. It has no password, lies in
 * `.fettle/` of the checkout, which git passes over, and is in no release.
 */

/** The checkout that this program is of; `undefined` where it was installed. */
export function checkoutOfFettle(from = import.meta.dirname): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (!existsSync(manifest)) continue;
    const isOurs = (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown }).name === 'fettle';
    return isOurs && existsSync(join(folder, '.git')) ? folder : undefined;
  }
  return undefined;
}

/** The file of the key; made where it is missing. */
export async function developmentKey(checkout: string): Promise<{ readonly file: string; readonly made: boolean }> {
  const file = join(checkout, '.fettle', 'development.key');
  if (existsSync(file)) return { file, made: false };
  try {
    await writeKeyFiles(file, generateMinisignKey(), undefined);
  } catch (error) {
    // Another build of the same checkout was faster.
    if (!(error instanceof FettleError) || !existsSync(file)) throw error;
    return { file, made: false };
  }
  return { file, made: true };
}
