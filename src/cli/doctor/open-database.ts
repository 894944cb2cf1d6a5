import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sqlite } from '../../../agent/keeper/lock.ts';
import type { Facts } from './contract.ts';

export type ReadDatabase = InstanceType<typeof import('node:sqlite').DatabaseSync>;

/**
 * Reads the hub's database, and changes nothing. Without better-sqlite3, so that a broken installation can still be looked
 * at. @throws what SQLite says
 */
export function readDatabase<T>({ layout, hub, keeper }: Facts, look: (db: ReadDatabase) => T): T {
  const path = layout.hub.db;
  const used = hub !== undefined || keeper?.apps.hub?.running != null;
  // Opening a database that nobody uses would tidy up its log: so a copy is opened, or the file as it is.
  const copy = !used && existsSync(`${path}-wal`) ? mkdtempSync(join(tmpdir(), 'fettle-doctor-')) : undefined;
  const { DatabaseSync } = sqlite();
  try {
    const url = pathToFileURL(copy ? copied(path, copy) : path);
    if (!used && !copy) url.searchParams.set('immutable', '1');
    const db = new DatabaseSync(url, { readOnly: true, timeout: 2_000 });
    try {
      return look(db);
    } finally {
      db.close();
    }
  } finally {
    if (copy) rmSync(copy, { recursive: true, force: true });
  }
}

function copied(path: string, folder: string): string {
  const target = join(folder, 'hub.db');
  for (const suffix of ['', '-wal']) copyFileSync(path + suffix, target + suffix);
  return target;
}
