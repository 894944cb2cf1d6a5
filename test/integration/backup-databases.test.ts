import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type BackupRequest, copyFirst, seal } from '../../agent/backup/create.ts';
import { verifyBackup } from '../../agent/backup/verify.ts';
import { until } from '../support/until.ts';

/** Backups of databases that another process writes to all the while. */

let dir: string;
let writer: ChildProcess | undefined;
const signal = AbortSignal.timeout(60_000);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fettle-backup-'));
  for (const folder of ['shared/data', 'backups']) mkdirSync(join(dir, folder), { recursive: true });
});
afterEach(() => {
  writer?.kill('SIGKILL');
  writer = undefined;
  rmSync(dir, { recursive: true, force: true });
});

const db = () => join(dir, 'shared', 'data', 'app.db');
const copyOf = (seq: number) => join(dir, 'backups', String(seq), 'data', 'data', 'app.db');

function request(seq: number, more: Partial<BackupRequest> = {}): BackupRequest {
  const folders = { shared: join(dir, 'shared'), folder: join(dir, 'backups') };
  return { ...folders, seq, app: 'app', update: `u-${seq}`, from: null, to: null, roots: ['data'], now: 0, ...more };
}

/** Inserts 1, 2, 3 … each in a transaction of its own, in two tables that must agree; never checkpoints a WAL. */
function write(mode: 'wal' | 'delete'): void {
  const program = `
    const { DatabaseSync } = require('node:sqlite');
    const db = new DatabaseSync(${JSON.stringify(db())}, { timeout: 5000 });
    db.exec('pragma journal_mode=${mode}; pragma wal_autocheckpoint=0; pragma synchronous=off');
    db.exec('create table if not exists a(n integer, x text); create table if not exists b(n integer)');
    const a = db.prepare('insert into a values(?, ?)'), b = db.prepare('insert into b values(?)');
    for (let n = 1; ; n += 1) { db.exec('begin'); a.run(n, 'x'.repeat(2000)); b.run(n); db.exec('commit'); }`;
  writer = spawn(process.execPath, ['--no-warnings', '-e', program], { stdio: 'inherit' });
}

function look(path: string): { integrity: unknown; a: number; b: number } {
  const opened = new DatabaseSync(path);
  try {
    const count = (table: string) => Number(opened.prepare(`select count(*) n from ${table}`).get()?.n);
    return { integrity: opened.prepare('pragma integrity_check').get()?.integrity_check, a: count('a'), b: count('b') };
  } finally {
    opened.close();
  }
}

const size = (path: string) => (existsSync(path) ? statSync(path).size : 0);

async function ended(): Promise<void> {
  const gone = new Promise((resolve) => writer?.once('exit', resolve));
  writer?.kill('SIGKILL');
  await gone;
}

describe.each(['wal', 'delete'] as const)('a database (%s) under constant writes', (mode) => {
  test('is whole in a backup that is made while it runs, and the event loop goes on', async () => {
    write(mode);
    await until('rows', () => size(db()) + size(`${db()}-wal`) > 8_000_000);
    let longest = 0;
    let last = performance.now();
    const ticks = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const manifest = await seal(request(1, { running: true }), signal);
    clearInterval(ticks);
    expect(writer?.exitCode).toBeNull();
    await verifyBackup(join(dir, 'backups', '1'), manifest, signal);
    expect(manifest.entries.map(({ path }) => path)).toEqual(['data', 'data/app.db']);
    expect(manifest.changing).toBeUndefined();
    expect(longest).toBeLessThan(1_000);
    const { a, ...rest } = look(copyOf(1));
    expect(rest).toEqual({ integrity: 'ok', b: a });
    // 8 MB are some nine hundred rows, in the database or its log.
    expect(a).toBeGreaterThan(100);
  }, 60_000);

  test('has every committed row in a backup with a second pass after it was killed', async () => {
    write(mode);
    await until('rows', () => size(db()) + size(`${db()}-wal`) > 2_000_000);
    await copyFirst(request(1), signal);
    await until('more rows', () => size(db()) + size(`${db()}-wal`) > 4_000_000);
    await ended();
    await seal(request(1), signal);
    // Opened last: that changes the original.
    const copy = look(copyOf(1));
    expect(copy).toEqual(look(db()));
    expect(copy).toMatchObject({ integrity: 'ok', a: copy.b });
  }, 60_000);
});

test('the first pass does not stand in the way of a database that a reader would lock', async () => {
  const opened = new DatabaseSync(db());
  opened.exec('create table t(n); begin exclusive; insert into t values(1)');
  const begun = performance.now();
  await copyFirst(request(1), signal);
  expect(performance.now() - begun).toBeLessThan(5_000);
  opened.exec('commit');
  opened.close();
  await seal(request(1), signal);
  const copy = new DatabaseSync(copyOf(1));
  expect(copy.prepare('select n from t').all()).toEqual([{ n: 1 }]);
  copy.close();
});

test('what only looks like a database is copied as it is', async () => {
  const bytes = Buffer.concat([Buffer.from('SQLite format 3\0\x10\0\x02\x02', 'latin1'), Buffer.alloc(5_000, 7)]);
  writeFileSync(db(), bytes);
  await copyFirst(request(1), signal);
  await seal(request(1), signal);
  expect(readFileSync(copyOf(1)).equals(bytes)).toBe(true);
  await expect(seal(request(2, { running: true }), signal)).rejects.toMatchObject({ code: 'backup_failed' });
});

test('FIFOs and sockets are left out, and named', async () => {
  execFileSync('mkfifo', [join(dir, 'shared', 'data', 'pipe')]);
  writeFileSync(join(dir, 'shared', 'data', 'note'), 'x');
  const manifest = await seal(request(1), signal);
  expect(manifest.skipped).toEqual([{ path: 'data/pipe', kind: 'fifo' }]);
  expect(readdirSync(join(dir, 'backups', '1', 'data', 'data'))).toEqual(['note']);
});
