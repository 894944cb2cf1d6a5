import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { startMark } from '../keeper/spawn.ts';

/** What starts have printed. One object for a process: it remembers where it has read to. */
export interface StartLogs {
  /**
   * Has a line of this start the text in it? The log rotates by copy and truncate (LOG → LOG.1 → LOG.2), and the start
   * is found by the keeper's mark in whichever of them. A start so far back that its mark is gone has been forgotten:
   * then it counts as having said it, as it has run through two whole logs.
   */
  has(log: string, startId: string, text: string): boolean;
}

interface Reading {
  /** Bytes of the log that have been looked through. */
  offset: number;
  /** Names the file that the log was last rotated to. */
  rotated: string;
  said: boolean;
}

const CHUNK = 256 * 1024;
/** Starts that are remembered: those of one device's apps, and of some before them. */
const MOST = 1_000;

export function createStartLogs(): StartLogs {
  const readings = new Map<string, Reading>();

  /** Looks from `from` on; sets where to go on, so that a text that is being written is found the next time. */
  function read(log: string, reading: Reading, from: number, text: string): boolean {
    const { at, end } = find(log, text, from);
    reading.offset = Math.max(from, end - Buffer.byteLength(text) + 1);
    return at !== -1;
  }

  function first(log: string, startId: string, text: string): Reading {
    const reading: Reading = { offset: 0, rotated: nameOf(`${log}.1`), said: false };
    const mark = startMark(startId);
    const files = [log, `${log}.1`, `${log}.2`];
    const older: string[] = [];
    for (const file of files) {
      const { at } = find(file, mark, 0);
      if (at === -1) {
        older.unshift(file);
        continue;
      }
      const from = at + mark.length;
      // Newer files, if any, are whole of this start; the newest is the log itself.
      if (file === log) reading.said = read(log, reading, from, text);
      else {
        const between = older.filter((newer) => newer !== log);
        reading.said =
          find(file, text, from).at !== -1 ||
          between.some((newer) => find(newer, text, 0).at !== -1) ||
          read(log, reading, 0, text);
      }
      return reading;
    }
    const forgotten = nameOf(`${log}.2`) !== '';
    reading.said = forgotten || read(log, reading, 0, text);
    return reading;
  }

  function goOn(log: string, reading: Reading, text: string): void {
    const rotated = nameOf(`${log}.1`);
    const size = sizeOf(log);
    if (rotated === reading.rotated && size >= reading.offset) {
      reading.said = read(log, reading, reading.offset, text);
      return;
    }
    // Copied and truncated since: what was not looked through is at the end of the copy.
    reading.rotated = rotated;
    reading.said = find(`${log}.1`, text, reading.offset).at !== -1 || read(log, reading, 0, text);
  }

  return {
    has(log, startId, text) {
      const key = `${log}\0${startId}\0${text}`;
      const known = readings.get(key);
      if (!known) {
        if (readings.size >= MOST) readings.delete(readings.keys().next().value ?? '');
        const reading = first(log, startId, text);
        readings.set(key, reading);
        return reading.said;
      }
      if (!known.said) goOn(log, known, text);
      return known.said;
    },
  };
}

/** Where a text is in a file, from an offset on; -1 where it is not, or where there is no file. */
function find(path: string, text: string, from: number): { at: number; end: number } {
  const needle = Buffer.from(text);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return { at: -1, end: 0 };
  }
  try {
    const buffer = Buffer.alloc(CHUNK + needle.length);
    let at = from;
    let kept = 0;
    for (;;) {
      const read = readSync(file, buffer, kept, CHUNK, at + kept);
      if (read === 0) return { at: -1, end: Math.min(at + kept, fstatSync(file).size) };
      const filled = kept + read;
      const found = buffer.subarray(0, filled).indexOf(needle);
      if (found !== -1) return { at: at + found, end: at + filled };
      // Its beginning may be at the end of what was read.
      const overlap = Math.min(needle.length - 1, filled);
      buffer.copyWithin(0, filled - overlap, filled);
      at += filled - overlap;
      kept = overlap;
    }
  } finally {
    closeSync(file);
  }
}

/** Tells one file from the next that has its name: an inode's number alone is used again. */
function nameOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.birthtimeMs}` : '';
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
