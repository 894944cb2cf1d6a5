import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makingLock, reserveSequence } from '../../../agent/backup/create.ts';
import { listBackups, type Manifest } from '../../../agent/backup/manifest.ts';
import { reportOf } from '../../../agent/backup/report.ts';
import { prunable, pruneBackups } from '../../../agent/backup/retention.ts';
import { takeLock } from '../../../agent/keeper/lock.ts';
import { numbers } from '../../support/numbers.ts';

const DAY = 86_400_000;
const NOW = 1_000 * DAY;

function backup(seq: number, from: string | null, to: string, ageDays: number, more: Partial<Manifest> = {}): Manifest {
  const at = NOW - ageDays * DAY;
  return {
    format: 'fettle-backup/1',
    seq,
    app: 'web',
    update: `u-${seq}`,
    from,
    to,
    at,
    roots: ['data'],
    entries: [],
    ...more,
  };
}

const kept = (manifests: readonly Manifest[], days: number, running?: string) => {
  const gone = new Set(prunable(manifests, { now: NOW, days, running }).map((m) => m.seq));
  return manifests.map((m) => m.seq).filter((seq) => !gone.has(seq));
};

describe('which backups are kept', () => {
  const five = [
    backup(1, 'a', 'b', 50),
    backup(2, 'b', 'c', 40),
    backup(3, 'c', 'd', 30),
    backup(4, 'd', 'e', 20),
    backup(5, 'e', 'f', 10),
  ];
  test.each<[string, readonly Manifest[], number, string | undefined, number[]]>([
    ['none', [], 14, 'a', []],
    ['the newest three of old ones', five, 5, 'f', [3, 4, 5]],
    ['those younger than the days', five, 35, 'f', [3, 4, 5]],
    ['those younger than the days, more than three', five, 45, 'f', [2, 3, 4, 5]],
    ['at exactly the days it is no longer younger', five, 40, 'f', [3, 4, 5]],
    ['the one of the running release, however old', five, 5, 'b', [1, 3, 4, 5]],
    ['0 days: the newest, and that of the running release', five, 0, 'c', [2, 5]],
    ['0 days: one where they are the same', five, 0, 'f', [5]],
    ['0 days, not installed: the newest', five, 0, undefined, [5]],
    [
      '0 days: not even those of today',
      [backup(1, 'a', 'b', 0), backup(2, 'b', 'c', 0), backup(3, 'c', 'd', 0)],
      0,
      'd',
      [3],
    ],
    [
      "a restore's backup does not shadow that of the switch",
      [backup(1, 'a', 'b', 9), backup(2, 'b', 'b', 8, { restores: 1 }), backup(3, 'b', 'b', 7, { restores: 2 })],
      0,
      'b',
      [1, 3],
    ],
    [
      'of two switches to the running release the newer',
      [backup(1, 'a', 'b', 9), backup(2, 'b', 'a', 8), backup(3, 'a', 'b', 7), backup(4, 'b', 'b', 6)],
      0,
      'b',
      [3, 4],
    ],
    ['by sequence where the clock went back', [backup(1, 'a', 'b', -400), backup(2, 'b', 'c', 400)], 0, 'c', [2]],
    [
      'three by sequence where the clock jumped ahead and all look old',
      [backup(1, 'a', 'b', 900), backup(2, 'b', 'c', 900), backup(3, 'c', 'd', 900), backup(4, 'd', 'e', 900)],
      14,
      'e',
      [2, 3, 4],
    ],
    ['a time in the future is young', [backup(1, 'a', 'b', -9), ...five.slice(1)], 5, 'f', [1, 3, 4, 5]],
  ])('%s', (_what, manifests, days, running, expected) => {
    expect(kept(manifests, days, running)).toEqual(expected);
  });

  test('any sequence, with clocks that jump, against the rule as it is written', () => {
    const random = numbers(20_261);
    for (let round = 0; round < 3_000; round += 1) {
      let clock = NOW - random(100) * DAY;
      const slots = ['a', 'b', 'c', 'd'];
      let running = 'a';
      const all: Manifest[] = [];
      for (let seq = 1; seq <= random(12); seq += 1 + random(2)) {
        clock += random(10) === 0 ? (random(800) - 400) * DAY : random(4) * DAY;
        const to = random(4) === 0 ? running : (slots[random(slots.length)] ?? 'a');
        all.push({ ...backup(seq, running, to, 0), at: clock });
        // An update that failed leaves its backup, and what ran runs on.
        if (random(5) > 0) running = to;
      }
      const days = [0, 0, 1, 3, 14, 100][random(6)] ?? 0;
      const expected = all.filter((m) => {
        const newer = all.filter((other) => other.seq > m.seq);
        if (newer.length === 0) return true;
        const isSwitchTo = (other: Manifest) => other.to === running && other.from !== other.to;
        if (isSwitchTo(m) && !newer.some(isSwitchTo)) return true;
        return days > 0 && (newer.length < 3 || NOW - m.at < days * DAY);
      });
      expect(kept(all, days, running)).toEqual(expected.map((m) => m.seq));
      // Fewer days never keep more.
      expect(kept(all, days, running)).toEqual(expect.arrayContaining(kept(all, 0, running)));
    }
  });
});

describe('on disk', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fettle-backups-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const put = (name: string, manifest?: Manifest | string) => {
    mkdirSync(join(folder, name, 'data'), { recursive: true });
    writeFileSync(join(folder, name, 'data', 'file'), 'x');
    const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
    if (manifest !== undefined) writeFileSync(join(folder, name, 'manifest.json'), text);
  };
  const prune = (days: number, running: string, log: string[] = []) => {
    pruneBackups(folder, 'web', { now: NOW, days, running }, (line) => log.push(line));
    return readdirSync(folder).sort();
  };

  test('what is none of the app is left alone, told, and does not count', () => {
    put('1', backup(1, 'a', 'b', 90));
    put('2', backup(2, 'b', 'c', 80));
    put('3'); // no manifest
    put('4', '{"format":"fettle-backup/9"}');
    put('5', backup(5, 'c', 'd', 1, { app: 'other' }));
    put('6', backup(9, 'c', 'd', 1));
    put('07', backup(7, 'c', 'd', 1));
    put('notes');
    put('8.unfinished');
    expect(listBackups(folder, 'web').map((m) => m.seq)).toEqual([1, 2]);
    const log: string[] = [];
    expect(prune(0, 'c', log)).toEqual(['07', '2', '3', '4', '5', '6', 'notes']);
    expect(log.filter((line) => line.includes('left alone'))).toHaveLength(5);
    expect(log).toContain('web: backup 1 is removed');
  });

  test('what is being made by hand is left alone, and what is left of it when nobody makes it any more is removed', () => {
    put('1', backup(1, 'a', 'b', 1));
    const lock = takeLock(makingLock(folder));
    expect(reserveSequence(folder)).toBe(2);
    expect(reserveSequence(folder)).toBe(3);
    const named = () => prune(14, 'b').filter((name) => /^\d/.test(name));
    expect(named()).toEqual(['1', '2.making', '3.making']);
    lock.release();
    expect(named()).toEqual(['1']);
  });

  test('a removal that was interrupted leaves no backup that looks whole', () => {
    put('1', backup(1, 'a', 'b', 90));
    put('1.unfinished', backup(1, 'a', 'b', 90));
    put('2', backup(2, 'b', 'c', 80));
    expect(listBackups(folder, 'web').map((m) => m.seq)).toEqual([1, 2]);
    expect(prune(0, 'c')).toEqual(['2']);
  });

  test('no folder is no backups', () => {
    expect(listBackups(join(folder, 'none'), 'web')).toEqual([]);
    pruneBackups(join(folder, 'none'), 'web', { now: NOW, days: 0, running: 'a' }, () => undefined);
  });
});

test('a report fits the protocol whatever a manifest says', async () => {
  const { BackupReport } = await import('../../../src/protocol/messages.ts');
  const odd = backup(3, '', `${'9'.repeat(300)}-1f2e3d4c`, 0, { at: 1e300, restores: 2 });
  expect(BackupReport.safeParse(reportOf({ ...odd, at: -4.5 }, undefined)).success).toBe(true);
  expect(BackupReport.safeParse(reportOf(odd, undefined)).success).toBe(true);
  expect(reportOf(backup(3, '1.0.0-1f2e3d4c', '2.0.0-beta.1-aabbccdd', 0), '2.0.0-beta.1-aabbccdd')).toMatchObject({
    from: '1.0.0',
    to: '2.0.0-beta.1',
    ofRunning: true,
  });
});
