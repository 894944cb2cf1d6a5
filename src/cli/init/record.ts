import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError } from '../../domain/errors.ts';
import { makeFolder, syncFolder, writeDurably } from '../../files/durable.ts';
import type { InitRecord } from './contract.ts';

/** `apps/APP/init.json`: what taking an app over was going to do, on disk before it is done. */

const NAME = 'init.json';

/** @throws {FettleError} `init_refused` where there is one that can't be read: what it did must not be guessed */
export function readRecord(dir: string): InitRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(dir, NAME), 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  try {
    const record = JSON.parse(text) as InitRecord;
    if (record.v === 1 && Array.isArray(record.steps) && typeof record.app === 'string') return record;
  } catch {
    // Said below.
  }
  throw new FettleError('init_refused', {
    data: {
      path: join(dir, NAME),
      reason: 'this record can not be read',
      advice: 'It says what was moved where; see docs/your-own-app.md.',
    },
  });
}

/** Its content holds configuration files: for the owner alone. */
export function writeRecord(dir: string, record: InitRecord): void {
  makeFolder(dir);
  writeDurably(join(dir, NAME), `${JSON.stringify(record, null, 1)}\n`);
}

export function removeRecord(dir: string): void {
  rmSync(join(dir, NAME), { force: true });
  syncFolder(dir);
}
