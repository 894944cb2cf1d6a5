import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { copyFirst, nextSequence, seal } from '../../agent/backup/create.ts';
import { listBackups, readManifest } from '../../agent/backup/manifest.ts';
import { restore } from '../../agent/backup/restore.ts';
import { pruneBackups } from '../../agent/backup/retention.ts';
import { verifyBackup } from '../../agent/backup/verify.ts';
import { numbers } from '../support/numbers.ts';

const DAY = 86_400_000;
const START = Date.parse('2027-01-01T00:00:00Z');
const signal = AbortSignal.timeout(120_000);

/** One backup as the model knows it. */
interface Known {
  readonly seq: number;
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly data: string;
}

/**
 * Two months of an app's life on real folders, by a clock that is handed in: updates, failed ones, rollbacks,
 * restores; retention 14, then 0, then 3 days; a clock that jumps. Next to it a list that is kept by the rules alone.
 */
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fettle-months-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

test.each([1, 2, 3])('sixty days, seed %i: what is kept is exactly what the rules say', async (seed) => {
  const random = numbers(seed);
  const shared = join(home, 'shared');
  const folder = join(home, 'backups');
  mkdirSync(join(shared, 'data'), { recursive: true });
  mkdirSync(folder);
  const write = (text: string) => writeFileSync(join(shared, 'data', 'store'), text);
  const read = () => readFileSync(join(shared, 'data', 'store'), 'utf8');
  // Somebody's own things among the backups.
  const foreign = ['notes', '900', '901'];
  for (const name of foreign) mkdirSync(join(folder, name));
  writeFileSync(join(folder, '900', 'manifest.json'), 'not json');

  let model: Known[] = [];
  let now = START;
  let running = '1.0.0-aaaaaaaa';
  let lastGood: string | undefined;
  let releases = 1;
  let made = 0;
  let removed = 0;

  const daysAt = (day: number) => (day < 20 ? 14 : day < 40 ? 0 : 3);
  let days = daysAt(0);

  async function backUp(from: string, to: string, restores?: number): Promise<void> {
    const seq = nextSequence(folder);
    // Never a number twice: what an old answer calls web/3 must not be something else later.
    expect(model.every((known) => known.seq < seq)).toBe(true);
    const request = { shared, folder, seq, app: 'web', update: `u-${seq}`, from, to, restores, roots: ['data'], now };
    await copyFirst(request, signal);
    write(`${read()}.`);
    await seal(request, signal);
    model.push({ seq, at: now, from, to, data: read() });
    made += 1;
  }

  function prune(): void {
    pruneBackups(folder, 'web', { now, days, running }, () => undefined);
    const before = model.length;
    const newest = model.at(-1);
    const ofRunning = model.filter((known) => known.to === running && known.from !== running).at(-1);
    const three = model.slice(-3);
    model = model.filter(
      (known) =>
        known === newest || known === ofRunning || (days > 0 && (three.includes(known) || now - known.at < days * DAY)),
    );
    removed += before - model.length;
    if (days === 0) expect(model.length).toBeLessThanOrEqual(2);
  }

  function compare(): void {
    const names = model.map(({ seq }) => String(seq));
    expect(readdirSync(folder).sort()).toEqual([...names, ...foreign].sort());
    expect(listBackups(folder, 'web').map(({ seq }) => seq)).toEqual(model.map(({ seq }) => seq));
  }

  for (let day = 0; day < 60; day += 1) {
    now += DAY;
    // A battery that is empty, a wrong time server: for a day the clock is elsewhere.
    const jump = random(12) === 0 ? (random(2) === 0 ? 400 : -400) * DAY : 0;
    now += jump;
    if (daysAt(day) !== days) {
      days = daysAt(day);
      prune();
      compare();
    }
    for (let event = random(4); event > 0; event -= 1) {
      now += 60_000 * (1 + random(300));
      write(`day ${day} ${random(1_000)}`);
      switch (random(5)) {
        case 0:
        case 1: {
          releases += 1;
          const to = `1.0.${releases}-aaaaaaaa`;
          await backUp(running, to);
          lastGood = running;
          running = to;
          prune();
          break;
        }
        case 2: {
          // It fails and goes back: its backup was needed, and is not asked to go until the next occasion.
          releases += 1;
          await backUp(running, `1.0.${releases}-aaaaaaaa`);
          break;
        }
        case 3: {
          if (lastGood === undefined) break;
          await backUp(running, lastGood);
          [running, lastGood] = [lastGood, running];
          prune();
          break;
        }
        default: {
          const chosen = model[random(model.length)];
          if (!chosen) break;
          await backUp(running, running, chosen.seq);
          const request = { shared, backup: join(folder, String(chosen.seq)), done: [], onDone: () => undefined };
          await restore(
            { ...request, work: join(home, 'work'), setAside: join(home, 'replaced', `${day}-${event}`) },
            signal,
          );
          expect(read()).toBe(chosen.data);
          prune();
        }
      }
      compare();
    }
    // Once a day.
    prune();
    compare();
    now -= jump;
  }

  expect(made).toBeGreaterThan(30);
  expect(removed).toBeGreaterThan(20);
  expect(days).toBe(3);
  // What is left is whole, and holds what was there when it was made.
  for (const { seq, data } of model) {
    const manifest = readManifest(join(folder, String(seq)));
    if (!manifest) throw new Error(`backup ${seq} has no manifest`);
    await verifyBackup(join(folder, String(seq)), manifest, signal);
    expect(readFileSync(join(folder, String(seq), 'data', 'data', 'store'), 'utf8')).toBe(data);
  }
});
