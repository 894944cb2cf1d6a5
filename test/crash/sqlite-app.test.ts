import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Device, makeDevice } from '../support/device.ts';
import type { Behaviour } from '../support/device-releases.ts';
import { until } from '../support/until.ts';

/**
 * An app with a SQLite database (WAL, never checkpointed, killed rather than closed) that is written to all the while from
 * outside. Whoever writes keeps a list of what was acknowledged: none of that may be lost, whatever is killed when.
 */

let device: Device;
beforeEach(async () => {
  device = await makeDevice({ probing: '1s', program });
  await device.startAgent();
  await device.outcome(await device.order('install', '1.0.0'));
}, 60_000);
afterEach(() => device.close(), 60_000);

const inApp = (...path: string[]) => join(device.layout.app('app').dir, ...path);

test('an update that succeeds loses no acknowledged write', async () => {
  const writes = startWriting(device.port);
  await writes.some(50);
  expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded', backup: 1 });
  await writes.some(50);
  await writes.stop();
  expect(new Set(writes.acknowledged.values())).toEqual(new Set(['1.0.0', '1.1.0']));
  const now = read(inApp('shared', 'data'));
  expect(now.integrity).toBe('ok');
  expectNoneLost(writes, now.rows);
}, 60_000);

describe('an update to a version that migrates and is ill ends on exactly the data of the stop', () => {
  test.each([
    [undefined, true],
    ['swapping:worked', false],
    ['reverting:moved', true],
  ] as const)(
    'agent killed at %s',
    async (point, ran) => {
      if (point) {
        await device.stopAgent();
        await device.startAgent(point);
      }
      const writes = startWriting(device.port);
      await writes.some(50);
      const update = await device.order('update', '1.2.0');
      const outcome = await device.outcome(update);
      if (point) expect(readdirSync(device.layout.home)).toContain(`killed-${point.replace(':', '-')}-1`);
      expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.0.0', dataRestored: ran });
      expect(outcome.setAside).toBe(ran ? `failed/${update}` : undefined);
      await writes.some(20);
      await writes.stop();

      const now = read(inApp('shared', 'data'));
      expect(now).toMatchObject({ integrity: 'ok', columns: ['n', 'version'] });
      expect([...new Set(now.rows.values())]).toEqual(['1.0.0']);
      expectNoneLost(writes, now.rows, '1.0.0');
      expect(existsSync(inApp('failed', update))).toBe(ran);
      if (!ran) return;
      const kept = read(inApp('backups', String(outcome.backup), 'data', 'data'));
      const failed = read(inApp('failed', update, 'data'));
      expect(kept).toMatchObject({ integrity: 'ok', columns: ['n', 'version'] });
      expect(failed).toMatchObject({ integrity: 'ok', columns: ['n', 'version', 'extra'] });
      // What the failed version acknowledged is set aside with all that was there before it.
      expectNoneLost(writes, failed.rows, '1.2.0');
      for (const row of kept.rows.keys()) expect(failed.rows.has(row) && now.rows.has(row)).toBe(true);
    },
    60_000,
  );
});

type Rows = ReadonlyMap<number, string>;

interface Writes {
  /** What was acknowledged, and the version that did. */
  readonly acknowledged: Rows;
  readonly begun: () => number;
  /** Waits for that many more. */
  some(count: number): Promise<void>;
  stop(): Promise<void>;
}

/** Two writers, each of which sends its next row when the last one was answered, or refused. */
function startWriting(port: number): Writes {
  const acknowledged = new Map<number, string>();
  let next = 0;
  let stopped = false;
  const write = async () => {
    while (!stopped) {
      next += 1;
      const n = next;
      try {
        const options = { headers: { connection: 'close' }, signal: AbortSignal.timeout(2_000) };
        const response = await fetch(`http://127.0.0.1:${port}/write?n=${n}`, options);
        if (response.status === 201) acknowledged.set(n, await response.text());
      } catch {
        // Down for the switch: written or not, nobody was told.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  };
  const writers = [write(), write()];
  return {
    acknowledged,
    begun: () => next,
    async some(count) {
      const wanted = acknowledged.size + count;
      // Each is on the disk before it is acknowledged: a busy disk takes its time.
      await until(`${wanted} writes`, () => acknowledged.size >= wanted, 60_000);
    },
    async stop() {
      stopped = true;
      await Promise.all(writers);
    },
  };
}

function expectNoneLost(writes: Writes, rows: Rows, version?: string): void {
  const acknowledged = [...writes.acknowledged].filter(([, by]) => version === undefined || by === version);
  expect(acknowledged.filter(([n]) => !rows.has(n))).toEqual([]);
  // Nor is there anything that nobody wrote.
  expect([...rows.keys()].filter((n) => n < 1 || n > writes.begun())).toEqual([]);
}

/** A copy is looked at: opening a database changes it, and the app has this one open. */
function read(folder: string): { integrity: unknown; columns: unknown[]; rows: Rows } {
  const copy = mkdtempSync(join(tmpdir(), 'fettle-look-'));
  cpSync(folder, copy, { recursive: true });
  const opened = new DatabaseSync(join(copy, 'app.db'));
  try {
    const rows = opened.prepare('select n, version from rows order by n').all();
    return {
      integrity: opened.prepare('pragma integrity_check').get()?.integrity_check,
      columns: opened
        .prepare('pragma table_info(rows)')
        .all()
        .map(({ name }) => name),
      rows: new Map(rows.map(({ n, version }) => [Number(n), String(version)])),
    };
  } finally {
    opened.close();
    rmSync(copy, { recursive: true, force: true });
  }
}

function program(version: string, behaviour: Behaviour): string {
  const ill = behaviour === 'migrates-and-ill';
  return `import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
const db = new DatabaseSync('data/app.db', { timeout: 5000 });
db.exec('pragma journal_mode=wal; pragma wal_autocheckpoint=0; create table if not exists rows(n integer primary key, version text)');
${ill ? `db.exec('alter table rows add column extra text; pragma wal_checkpoint');` : ''}
const insert = db.prepare('insert into rows(n, version) values(?, ?)');
createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/write') {
    insert.run(Number(url.searchParams.get('n')), '${version}');
    response.writeHead(201).end('${version}');
  } else response.writeHead(${ill ? 500 : 200}).end(JSON.stringify({ version: '${version}' }));
}).listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGTERM', () => process.kill(process.pid, 'SIGKILL'));
`;
}
