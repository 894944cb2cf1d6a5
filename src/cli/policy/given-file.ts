import { readFileSync } from 'node:fs';
import { FettleError, systemCodeOf } from '../../domain/errors.ts';

/** The text of a file that somebody named. @throws {FettleError} `bad_arguments` where it can't be read, and why */
export function readGiven(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = systemCodeOf(error);
    const why = code === 'EISDIR' ? 'is a folder, and not a file' : `can't be read (${code ?? 'unknown'})`;
    const reason = code === 'ENOENT' ? `there is no file ${file}` : `${file} ${why}`;
    throw new FettleError('bad_arguments', { data: { reason }, cause: error });
  }
}
