import { constants, copyFileSync, lstatSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import { syncFile } from '../../src/files/durable.ts';
import { abortError } from './abort.ts';

/**
 * Takes the one executable out of an unpacked archive, an installed package or a checkout.
 *
 * @param of.file where it is in there; unless given, at the top by its own name
 * @throws {FettleError} `artifact_invalid {reason}` where it is not there, is no file, or leads out
 */
export async function takeExecutable(of: {
  readonly root: string;
  readonly file: string | undefined;
  readonly name: string;
  readonly to: string;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { root, to, signal } = of;
  if (signal.aborted) throw abortError(signal);
  const wanted = of.file ?? of.name;
  const from = within(root, wanted);
  if (from === undefined || !lstatSync(from).isFile()) {
    const where = of.file === undefined ? "; `file:` in the device's file says where it is" : '';
    throw new FettleError('artifact_invalid', { data: { reason: `it has no file ${wanted}${where}` } });
  }
  const part = `${to}.part`;
  // A part of something else.
  rmSync(part, { force: true });
  copyFileSync(from, part, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  syncFile(part);
  renameSync(part, to);
}

/** Its real path; `undefined` where there is nothing, or a link leads out of the folder. */
function within(root: string, path: string): string | undefined {
  try {
    const [real, folder] = [realpathSync(join(root, path)), realpathSync(root)];
    return real.startsWith(`${folder}/`) ? real : undefined;
  } catch {
    return undefined;
  }
}
