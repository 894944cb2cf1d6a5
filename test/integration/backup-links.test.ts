import {
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyFirst, seal } from '../../agent/backup/create.ts';
import { copyInside, folderOf } from '../../agent/backup/inside.ts';
import { restore } from '../../agent/backup/restore.ts';
import { carryOver } from '../../agent/install/attributes.ts';
import type { FettleError } from '../../src/domain/errors.ts';
import { until } from '../support/until.ts';

/** An app's user who puts links where its data was reads and writes nothing by Fettle's hands. */

let folder: string;
let shared: string;
let backups: string;
const signal = new AbortController().signal;
const DAEMON = 1;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-backup-links-'));
  shared = join(folder, 'shared');
  backups = join(folder, 'backups');
  mkdirSync(join(shared, 'data', 'keys'), { recursive: true });
  writeFileSync(join(shared, 'data', 'keys', 'one'), 'the app’s own\n');
  mkdirSync(join(folder, 'root', 'keys'), { recursive: true });
  writeFileSync(join(folder, 'root', 'keys', 'one'), 'of root\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const request = (roots: readonly string[]) => ({
  ...{ shared, folder: backups, seq: 1, app: 'app', update: 'u-1', from: '1', to: '2', roots, now: 1 },
});
const putBack = (roots: readonly string[]) =>
  restore(
    {
      ...{ shared, backup: join(backups, '1'), roots, done: [], onDone: () => undefined },
      ...{ setAside: join(folder, 'aside'), work: join(folder, 'work') },
    },
    signal,
  );
/** The folder `data` becomes a link to what is root's. */
function linked(uid: number): void {
  rmSync(join(shared, 'data'), { recursive: true });
  symlinkSync(join(folder, 'root'), join(shared, 'data'));
  lchownSync(join(shared, 'data'), uid, uid);
}
async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: FettleError) => error.code,
  );
}

describe.skipIf(process.geteuid?.() !== 0)('a link of the app’s user (only root can make it another’s)', () => {
  test('above what is backed up: refused, and nothing is read', async () => {
    linked(DAEMON);
    expect(await codeOf(copyFirst(request(['data/keys']), signal))).toBe('backup_failed');
    expect(await codeOf(seal(request(['data/keys']), signal))).toBe('backup_failed');
    const found = readdirSync(backups, { recursive: true }).filter((name) => String(name).endsWith('one'));
    expect(found).toEqual([]);
  });

  test('one of root is an administrator’s, and is followed', async () => {
    linked(0);
    await seal(request(['data/keys']), signal);
    expect(readFileSync(join(backups, '1', 'data', 'data', 'keys', 'one'), 'utf8')).toBe('of root\n');
    writeFileSync(join(folder, 'root', 'keys', 'one'), 'changed\n');
    await putBack(['data/keys']);
    expect(readFileSync(join(folder, 'root', 'keys', 'one'), 'utf8')).toBe('of root\n');
  });

  test('above what is put back: refused, and nothing is written', async () => {
    await seal(request(['data/keys']), signal);
    linked(DAEMON);
    expect(await codeOf(putBack(['data/keys']))).toBe('backup_failed');
    expect(readFileSync(join(folder, 'root', 'keys', 'one'), 'utf8')).toBe('of root\n');
    expect(readdirSync(join(folder, 'root'))).toEqual(['keys']);
  });

  test('can’t be put in the way of the copy: none is made where that user writes', async () => {
    await seal(request(['data/keys']), signal);
    const seen = new Set<string>();
    const watcher = watch(join(shared, 'data'), (_, name) => seen.add(String(name)));
    try {
      await putBack(['data/keys']);
      await until('the data to be in place', () => seen.has('keys'));
    } finally {
      watcher.close();
    }
    expect([...seen]).toEqual(['keys']);
    expect(readFileSync(join(shared, 'data', 'keys', 'one'), 'utf8')).toBe('the app’s own\n');
  });
});

test('a file that became a link, or lies behind one, while it was looked at is not read', async () => {
  const held = folderOf(shared, 'data/keys');
  const [one, to] = [join(shared, 'data', 'keys', 'one'), join(folder, 'copy')];
  await copyInside(held, one, to);
  expect(readFileSync(to, 'utf8')).toBe('the app’s own\n');
  rmSync(to);
  rmSync(one);
  symlinkSync(join(folder, 'root', 'keys', 'one'), one);
  expect(await codeOf(copyInside(held, one, to))).toBe('ENOENT');
  rmSync(join(shared, 'data', 'keys'), { recursive: true });
  symlinkSync(join(folder, 'root', 'keys'), join(shared, 'data', 'keys'));
  expect(await codeOf(copyInside(held, one, to))).toBe('backup_failed');
  expect(readdirSync(folder)).not.toContain('copy');
});

test('the owner and mode of an executable are given to no link beside it', async () => {
  const [from, to, victim] = [join(folder, 'old'), join(folder, 'new'), join(folder, 'victim')];
  writeFileSync(from, 'old', { mode: 0o777 });
  writeFileSync(victim, 'victim', { mode: 0o600 });
  symlinkSync(victim, to);
  expect(await codeOf(carryOver(from, to, signal))).toBe('artifact_invalid');
  expect(statSync(victim).mode & 0o777).toBe(0o600);
});
