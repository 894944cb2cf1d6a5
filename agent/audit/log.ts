import { closeSync, fdatasyncSync, ftruncateSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { toFettleError } from '../../src/domain/errors.ts';
import type { Redact } from '../../src/domain/redact.ts';
import { makeFolder, syncFolder } from '../../src/files/durable.ts';
import { CHAIN_START, type ChainLink, deviceLine, readDeviceLine } from '../../src/protocol/audit-chain.ts';
import { MAX_AUDIT_LINE } from '../../src/protocol/messages.ts';
import { firstLine, lastLine, linesOf, logFiles } from './files.ts';

/**
 * This device's own audit log: what it was told to do, by whom, and what it did. JSON lines, each chained to the one
 * before; the hub has a copy of them, and can't change what is here. Invariants: an entry is on disk when `append`
 * returns; the chain goes on across restarts, power cuts and files; nothing that is whole is ever written again.
 */
export interface AuditLog {
  /**
   * Durable when it returns.
   * @throws {FettleError} `no_space` · `io_failed`: nothing was written. What was to follow must not be done.
   */
  append(entry: DeviceEntry): void;
  /** The same for what has happened already: where it can't be written, it is as soon as something can. Never throws. */
  note(entry: DeviceEntry): void;
  /** The newest entry; 0 where there is none yet. */
  head(): ChainLink;
  /** The number of the oldest entry that is still here; 0 where there is none. */
  first(): number;
  /** Lines from number `from` on, as they are in the file; at most so many lines and characters. */
  read(from: number, lines: number, characters: number): readonly string[];
  /** The lines of the last two files, oldest first. */
  recent(): readonly string[];
}

/** What happened. `what` says what kind of thing; values are cut and redacted. */
export interface DeviceEntry {
  readonly what: string;
  readonly [key: string]: string | number | boolean | readonly string[] | ChainLink | undefined;
}

export interface AuditLogDeps {
  /** `HOME/agent/audit.log` */
  readonly path: string;
  readonly device: string;
  readonly now: () => number;
  readonly redact: Redact;
  readonly log: (line: string) => void;
  /** Told after each entry. Never throws. */
  readonly onAppend?: (() => void) | undefined;
  /** Where that is not the usual. */
  readonly maxBytes?: number | undefined;
}

/** A file that is larger is put aside, and {@link KEPT_FILES} of those are kept: 16 MB, years of updates. */
const MAX_BYTES = 1024 * 1024;
const KEPT_FILES = 15;
/** Of one value. */
const MAX_VALUE = 300;
/** Of what could not be written, in memory. */
const MAX_WAITING = 100;

/** Opens the log, and takes away what a power cut left of a last line. Nothing is created before the first entry. */
export function openAuditLog(deps: AuditLogDeps): AuditLog {
  const { path, redact } = deps;
  const maxBytes = deps.maxBytes ?? MAX_BYTES;
  let waiting: DeviceEntry[] = [];
  let { head, size, torn } = EMPTY;
  let known = false;
  try {
    look();
  } catch (error) {
    // Apps have to be kept all the same; no order is taken.
    deps.log(`the audit log can't be read: ${String(error)}`);
  }

  function look(): void {
    ({ head, size, torn } = standing(path));
    known = true;
  }

  function write(entry: DeviceEntry): void {
    // Somebody else wrote, or cut it; or a write failed half-way and could not be taken back.
    if (!known || (statSync(path, { throwIfNoEntry: false })?.size ?? 0) !== size + torn) look();
    if (head.seq === 0) put({ what: 'begun', device: deps.device });
    else if (size > maxBytes) rotate();
    if (torn > 0) {
      const bytes = torn;
      torn = 0;
      put({ what: 'mended', bytes });
    }
    put(entry);
  }

  function put(entry: DeviceEntry): void {
    const n = head.seq + 1;
    const { line, hash } = deviceLine(head.hash, textOf(n, deps.now(), entry, redact));
    const bytes = Buffer.from(`${line}\n`);
    if (size === 0) makeFolder(dirname(path));
    const file = openSync(path, 'a', 0o600);
    try {
      // What a power cut left of a line.
      ftruncateSync(file, size);
      try {
        for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset);
        fdatasyncSync(file);
      } catch (error) {
        ftruncateSync(file, size);
        throw error;
      }
    } finally {
      closeSync(file);
    }
    if (size === 0) syncFolder(dirname(path));
    size += bytes.length;
    head = { seq: n, hash };
  }

  /** By renames, the oldest first: cut off anywhere, no file is lost but the oldest. */
  function rotate(): void {
    const older = logFiles(path).filter((file) => file !== path);
    const numberOf = (file: string) => Number(file.slice(path.length + 1));
    for (const file of older) {
      const number = numberOf(file);
      if (number >= KEPT_FILES) rmSync(file);
      else renameSync(file, `${path}.${number + 1}`);
    }
    renameSync(path, `${path}.1`);
    syncFolder(dirname(path));
    size = 0;
    put({ what: 'rotated', device: deps.device });
  }

  function flush(): void {
    for (let next = waiting[0]; next; next = waiting[0]) {
      write(next);
      waiting = waiting.slice(1);
    }
  }

  return {
    append(entry) {
      try {
        flush();
        write(entry);
      } catch (error) {
        throw toFettleError(error, 'io_failed', { path });
      }
      deps.onAppend?.();
    },
    note(entry) {
      waiting = [...waiting, entry].slice(-MAX_WAITING);
      try {
        flush();
      } catch (error) {
        deps.log(`the audit log can't be written now: ${String(error)}`);
        return;
      }
      deps.onAppend?.();
    },
    head: () => head,
    first() {
      const [oldest] = known ? logFiles(path) : [];
      return oldest === undefined ? 0 : (readDeviceLine(firstLine(oldest))?.n ?? 1);
    },
    read: (from, lines, characters) => readFrom(path, from, lines, characters),
    recent: () => logFiles(path).slice(-2).flatMap(linesOf),
  };
}

interface Standing {
  readonly head: ChainLink;
  /** Bytes of whole lines in the newest file. */
  readonly size: number;
  /** Bytes after them. */
  readonly torn: number;
}

const EMPTY: Standing = { head: { seq: 0, hash: CHAIN_START }, size: 0, torn: 0 };

/** Where a log stands that was left at any instant. */
function standing(path: string): Standing {
  const files = logFiles(path);
  const newest = files.at(-1);
  if (newest === undefined) return EMPTY;
  const { line, end, size } = lastLine(newest);
  // Nothing whole in it: it was just begun, and the chain is that of the file before.
  const before = line === '' ? files.at(-2) : undefined;
  const last = before === undefined ? line : lastLine(before).line;
  const known = readDeviceLine(last);
  // A line that is none of ours was put there by somebody: the chain begins anew behind it, and whoever checks sees that.
  const head = known
    ? { seq: known.n, hash: known.hash }
    : { seq: last === '' ? 0 : numberIn(last), hash: CHAIN_START };
  return newest === path ? { head, size: end, torn: size - end } : { head, size: 0, torn: 0 };
}

function numberIn(line: string): number {
  return Number(/"n":(\d{1,15})/.exec(line)?.[1] ?? 1);
}

function textOf(n: number, at: number, entry: DeviceEntry, redact: Redact): string {
  const shown = (_: string, value: unknown) => (typeof value === 'string' ? redact(value).slice(0, MAX_VALUE) : value);
  const { what, ...rest } = entry;
  const text = JSON.stringify({ n, at, what, ...rest }, shown);
  // Room for the hash.
  return text.length <= MAX_AUDIT_LINE - 100 ? text : JSON.stringify({ n, at, what, cut: text.length }, shown);
}

function readFrom(path: string, from: number, lines: number, characters: number): readonly string[] {
  const files = logFiles(path);
  const found: string[] = [];
  let room = characters;
  // The newest file whose first number is not past `from`, and what follows it.
  let at = files.length - 1;
  while (at > 0 && (readDeviceLine(firstLine(files[at] as string))?.n ?? 0) > from) at -= 1;
  let n = 0;
  for (const file of files.slice(Math.max(0, at))) {
    for (const line of linesOf(file)) {
      // What is none of our lines has the number that it stands at.
      n = readDeviceLine(line)?.n ?? n + 1;
      if (n < from) continue;
      room -= line.length;
      if (found.length === lines || room < 0) return found;
      found.push(line.slice(0, MAX_AUDIT_LINE));
    }
  }
  return found;
}
