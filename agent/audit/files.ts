import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { namesIn } from '../../src/files/durable.ts';

/** The files of a device's audit log: `audit.log`, and older ones as `audit.log.1`, `.2`, …, oldest last. */

/** Paths, oldest first; what is not there is left out. */
export function logFiles(path: string): readonly string[] {
  const prefix = `${basename(path)}.`;
  const numbers = namesIn(dirname(path))
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d{0,3}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => b - a);
  const older = numbers.map((number) => `${path}.${number}`);
  return namesIn(dirname(path)).includes(basename(path)) ? [...older, path] : older;
}

/** Whole lines of a file; what follows the last end of line is none. */
export function linesOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
}

/** The first line of a file, read without the rest. */
export function firstLine(path: string): string {
  const start = part(path, 0, 8_192);
  return start.slice(0, Math.max(0, start.indexOf('\n')));
}

/** The last whole line of a file, and where it ends: what follows was torn by a power cut. */
export function lastLine(path: string): { readonly line: string; readonly end: number; readonly size: number } {
  const { size } = statSync(path);
  const from = Math.max(0, size - 65_536);
  const bytes = partBytes(path, from, 65_536);
  const last = bytes.lastIndexOf(10);
  if (last < 0) return { line: '', end: 0, size };
  const before = bytes.subarray(0, last).lastIndexOf(10);
  return { line: bytes.subarray(before + 1, last).toString('utf8'), end: from + last + 1, size };
}

function part(path: string, from: number, length: number): string {
  return partBytes(path, from, length).toString('utf8');
}

function partBytes(path: string, from: number, length: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, from));
  } finally {
    closeSync(file);
  }
}

/** What `fettle enroll` leaves for the log. @param folder of the agent */
export function joinedFile(folder: string): string {
  return `${folder}/joined.jsonl`;
}
