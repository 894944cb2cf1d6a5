import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openJournal } from '../../agent/journal.ts';
import type { Home } from '../support/home.ts';
import { type Behaviour, RELEASES } from './app.ts';
import type { Acquire, Cell, Driver } from './world.ts';

/** How one release fared in one cell. */
export interface Row {
  readonly acquire: Acquire;
  readonly driver: Driver;
  readonly scenario: Behaviour | 'success';
  /** How the update ended, and why where it failed. */
  readonly state: string;
  readonly code: string;
  /** What answers afterwards. */
  readonly runs: string;
  /** The data's hash before and after; of a success it is the new version's. */
  readonly data: 'as before' | 'new version’s' | 'CHANGED' | 'UNTOUCHED';
  readonly dataHash: string;
  readonly outageMs: number | undefined;
  /** Processes of the app. */
  readonly processes: number;
  readonly ok: boolean;
  /** What the person was told last. */
  readonly said: string;
}

const CODES: Readonly<Record<Behaviour, readonly string[]>> = {
  good: [''],
  'crashes at start': ['crashed', 'start_failed'],
  'never healthy': ['health_failed', 'deadline_passed'],
  'wrong version': ['wrong_version'],
  hangs: ['health_failed', 'deadline_passed', 'start_failed'],
  'crashes late': ['crashed', 'health_failed'],
};

/** Takes a cell through every release, one after the other, by what a person would type. */
export async function runCell(home: Home, cell: Cell, done: (row: Row) => void): Promise<void> {
  const first = await update(home, cell, '1.0.0');
  if (first.state !== 'succeeded') {
    done(rowOf(cell, 'good', first, { before: '', runs: (await answers(cell.port)) ?? '—', expected: '1.0.0' }));
    return;
  }
  for (const { version, behaviour } of RELEASES.slice(1)) {
    const before = fingerprint(cell.data);
    const ended = await update(home, cell, version);
    const runs = (await answers(cell.port)) ?? '—';
    done(rowOf(cell, behaviour, ended, { before, runs, expected: behaviour === 'good' ? version : '1.1.0' }));
  }
}

interface Ended {
  readonly state: string;
  readonly code: string;
  readonly outageMs: number | undefined;
  readonly said: string;
}

async function update(home: Home, cell: Cell, version: string): Promise<Ended> {
  const { out, err } = await home.fettle(['say', `/update now ${cell.app}@${version}`, '--timeout', '180']);
  const entry = openJournal(home.layout.agent.journal)
    .list()
    .findLast(({ order }) => order.app === cell.app && order.release?.version === version);
  const outcome = entry?.outcome;
  return {
    state: outcome?.state ?? 'not begun',
    code: outcome?.problem?.code ?? '',
    outageMs: outcome?.outageMs,
    said: `${out}${err}`.trim().split('\n').slice(-6).join(' | '),
  };
}

function rowOf(
  cell: Cell,
  behaviour: Behaviour,
  ended: Ended,
  seen: { readonly before: string; readonly runs: string; readonly expected: string },
): Row {
  const after = fingerprint(cell.data);
  const good = behaviour === 'good';
  const data = good
    ? after === seen.before
      ? 'UNTOUCHED'
      : 'new version’s'
    : after === seen.before
      ? 'as before'
      : 'CHANGED';
  const processes = countOf(cell);
  const ok =
    ended.state === (good ? 'succeeded' : 'rolled-back') &&
    CODES[behaviour].includes(ended.code) &&
    seen.runs === seen.expected &&
    data === (good ? 'new version’s' : 'as before') &&
    processes === 1;
  return {
    acquire: cell.acquire,
    driver: cell.driver,
    scenario: good ? 'success' : behaviour,
    state: ended.state === 'not begun' ? `not begun: ${ended.said}` : ended.state,
    code: ended.code,
    runs: seen.runs,
    data,
    dataHash: after.slice(0, 8),
    outageMs: ended.outageMs,
    processes,
    ok,
    said: ended.said,
  };
}

/** Of the data, but for how often the app was started: bringing back the old version starts it once more. */
function fingerprint(folder: string): string {
  const hash = createHash('sha256');
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  } catch {
    return 'none';
  }
  for (const name of names) {
    const text = readFileSync(join(folder, name), 'utf8');
    hash.update(`${name}\n${text.replace(/"starts":\d+/, '')}\n`);
  }
  return hash.digest('hex');
}

async function answers(port: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(2_000) });
    return ((await response.json()) as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** Processes that have the cell's port in their environment: the app itself, however it was started. */
function countOf(cell: Cell): number {
  const mark = `PORT=${cell.port}\0`;
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const isNode = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]?.endsWith('node') ?? false;
      return isNode && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark);
    } catch {
      return false;
    }
  }).length;
}
