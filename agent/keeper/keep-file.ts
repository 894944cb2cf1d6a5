import { readFileSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { NAME_PATTERN } from '../../src/domain/app.ts';
import { makeFolder, writeDurably } from '../../src/files/durable.ts';
import { type Log, reasonOf } from './log.ts';
import { object, parseFallback, parseSpec } from './parse.ts';
import type { FellBackFor, KeepSpec } from './protocol.ts';
import { after } from './times.ts';

/** A hold as it is on disk. Its time runs by the clock that never jumps, so it is bound to one boot. */
export interface HoldRecord {
  readonly fallback: string | null;
  readonly forMs: number;
  readonly boot: string;
  /** Milliseconds since that boot. */
  readonly since: number;
  /** Its time is up, but the app lives: when that ends, the fallback is started. */
  readonly expired: boolean;
}

/** What the keeper knows of one app, as it is on disk. */
export interface KeptRecord {
  readonly spec: KeepSpec;
  readonly desired: 'running' | 'stopped';
  /** The last start. Its processes are looked for when a keeper begins. */
  readonly startId: string | null;
  /** The next start's, so that a start need not wait for the disk: it was there before. */
  readonly nextStartId: string | null;
  /** Of the last start, while it is not known to have ended. */
  readonly started: { readonly at: number; readonly slot: string; readonly boot: string } | null;
  readonly hold: HoldRecord | null;
  /** Starts since the last `commit`. Counted for the agent and the hub. */
  readonly starts: number;
  readonly crashes: number;
  readonly lastExit: { readonly code: number | null; readonly at: number } | null;
  readonly fellBack: boolean;
  /** Counts only with `fellBack`. */
  readonly fellBackFor?: FellBackFor;
}

/** `keep.json`, in memory and on disk. */
export interface KeepFile {
  get(app: string): KeptRecord | undefined;
  names(): string[];
  /** Changes memory at once and the disk within a second. */
  note(app: string, change: Partial<KeptRecord>): void;
  /** Changes both, or neither and throws. `undefined` removes the app. */
  settle(app: string, record: KeptRecord | undefined): void;
  /** Brings the disk up to date. False, and tried again each second, where it is full or failing. */
  flush(): boolean;
  /** Is this start id on disk? */
  knows(startId: string): boolean;
}

/** An app that was never started. */
export function newRecord(spec: KeepSpec): KeptRecord {
  return {
    spec,
    desired: 'stopped',
    startId: null,
    nextStartId: null,
    started: null,
    hold: null,
    starts: 0,
    crashes: 0,
    lastExit: null,
    fellBack: false,
  };
}

const WRITE_WITHIN_MS = 1_000;

/**
 * Reads `keep.json`. Entries that make no sense are left out and the file is kept as `keep.json.bad`: an app that runs
 * all the same is found by its start id when it is kept again.
 */
export function openKeepFile(path: string, log: Log): KeepFile {
  makeFolder(dirname(path));
  const records = read(path, log);
  let onDisk = startIds(records);
  let timer: NodeJS.Timeout | undefined;
  let failing = false;

  function save(): void {
    clearTimeout(timer);
    timer = undefined;
    writeDurably(path, `${JSON.stringify({ format: 1, apps: Object.fromEntries(records) })}\n`);
    onDisk = startIds(records);
    if (failing) log('keep.json can be written again');
    failing = false;
  }

  function flush(): boolean {
    try {
      save();
      return true;
    } catch (error) {
      if (!failing) log(`ALARM keep.json can't be written, tried again until it can: ${reasonOf(error)}`);
      failing = true;
      later();
      return false;
    }
  }

  function later(): void {
    timer ??= after(WRITE_WITHIN_MS, () => {
      timer = undefined;
      flush();
    });
  }

  return {
    get: (app) => records.get(app),
    names: () => [...records.keys()],
    note(app, change) {
      const record = records.get(app);
      if (!record) return;
      records.set(app, { ...record, ...change });
      later();
    },
    settle(app, record) {
      const before = records.get(app);
      if (record) records.set(app, record);
      else records.delete(app);
      try {
        save();
      } catch (error) {
        if (before) records.set(app, before);
        else records.delete(app);
        throw error;
      }
    },
    flush,
    knows: (startId) => onDisk.has(startId),
  };
}

function startIds(records: ReadonlyMap<string, KeptRecord>): Set<string> {
  return new Set([...records.values()].flatMap((r) => [r.startId, r.nextStartId].filter((id) => id !== null)));
}

/** What `keep.json` has, for who does not keep: nothing is changed. `broken` says what of it makes no sense. */
export function peekKeepFile(path: string): { readonly records: ReadonlyMap<string, KeptRecord>; broken: string } {
  try {
    return parseRecords(readFileSync(path, 'utf8'));
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { records: new Map(), broken: absent ? '' : reasonOf(error) };
  }
}

function read(path: string, log: Log): Map<string, KeptRecord> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  const { records, broken } = parseRecords(text);
  if (broken) {
    log(`ALARM keep.json can't be understood, kept as keep.json.bad:${broken}`);
    renameSync(path, `${path}.bad`);
  }
  return records;
}

function parseRecords(text: string): { records: Map<string, KeptRecord>; broken: string } {
  const records = new Map<string, KeptRecord>();
  let broken = '';
  try {
    for (const [app, value] of Object.entries(object(object(JSON.parse(text), 'file').apps, 'apps'))) {
      try {
        if (!NAME_PATTERN.test(app)) throw new Error('not a name');
        records.set(app, readRecord(object(value, app)));
      } catch (error) {
        broken += ` ${app}: ${reasonOf(error)};`;
      }
    }
  } catch (error) {
    broken = ` ${reasonOf(error)}`;
  }
  return { records, broken };
}

function readRecord(value: Record<string, unknown>): KeptRecord {
  const { started, hold, lastExit } = value as Partial<Record<keyof KeptRecord, Record<string, unknown> | null>>;
  return {
    spec: parseSpec(value.spec),
    desired: value.desired === 'running' ? 'running' : 'stopped',
    startId: idOrNull(value.startId),
    nextStartId: idOrNull(value.nextStartId),
    started: started ? { at: count(started.at), slot: String(started.slot), boot: String(started.boot) } : null,
    hold: hold
      ? {
          fallback: hold.fallback === null ? null : parseFallback(hold.fallback),
          forMs: count(hold.forMs),
          boot: String(hold.boot),
          since: count(hold.since),
          expired: hold.expired === true,
        }
      : null,
    starts: count(value.starts),
    crashes: count(value.crashes),
    lastExit: lastExit
      ? { code: typeof lastExit.code === 'number' ? lastExit.code : null, at: count(lastExit.at) }
      : null,
    fellBack: value.fellBack === true,
    ...readFellBackFor(value.fellBackFor),
  };
}

function readFellBackFor(value: unknown): Pick<KeptRecord, 'fellBackFor'> {
  const { why, code } = (value ?? {}) as Record<string, unknown>;
  if (why === 'time') return { fellBackFor: { why } };
  if (why === 'ends') return { fellBackFor: { why, code: typeof code === 'number' ? code : null } };
  return {};
}

/** Start ids are names of files too. */
function idOrNull(value: unknown): string | null {
  return typeof value === 'string' && /^[a-z0-9._-]{1,80}$/.test(value) ? value : null;
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;
}
