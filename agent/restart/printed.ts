import { appendFileSync, closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { startMark } from '../keeper/spawn.ts';

/** What an app has printed since a start that the keeper did not make, or did not see: it marks its own in the log. */

const CHUNK = 256 * 1024;
const ANY_MARK = startMark('').trimEnd();

/** Marks in an app's log that a start of it begins here. A full disk is no reason not to start it. */
export function markLog(log: string, id: string): void {
  try {
    appendFileSync(log, startMark(id), { mode: 0o600 });
  } catch {
    // Lines of the start before count for this one, then.
  }
}

/**
 * Has a line after the newest mark of a start the text in it? The log rotates by copy (LOG → LOG.1 → LOG.2).
 * @param isVoid is the mark with this id one of a start that did not come to pass?
 */
export function printedSinceMark(log: string, text: string, isVoid: (id: string) => boolean = () => false): boolean {
  for (const file of [log, `${log}.1`, `${log}.2`]) {
    const { lines, marked } = sinceMark(file, isVoid);
    if (lines.includes(text)) return true;
    if (marked) return false;
  }
  return false;
}

/** Read from its end, where the mark mostly is. */
function sinceMark(path: string, isVoid: (id: string) => boolean): { lines: Buffer; marked: boolean } {
  let lines = Buffer.alloc(0);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return { lines, marked: false };
  }
  try {
    for (let from = fstatSync(file).size; from > 0; ) {
      const length = Math.min(CHUNK, from);
      from -= length;
      const chunk = Buffer.alloc(length);
      readSync(file, chunk, 0, length, from);
      lines = Buffer.concat([chunk, lines]);
      for (let at = lines.lastIndexOf(ANY_MARK); at >= 0; at = at > 0 ? lines.lastIndexOf(ANY_MARK, at - 1) : -1) {
        const end = lines.indexOf('\n', at);
        if (end < 0 || isVoid(lines.toString('utf8', at + ANY_MARK.length, end).trim())) continue;
        // Its own line may hold the text.
        return { lines: lines.subarray(end + 1), marked: true };
      }
    }
    return { lines, marked: false };
  } finally {
    closeSync(file);
  }
}
