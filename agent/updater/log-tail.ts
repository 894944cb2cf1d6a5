import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/**
 * The last lines of a file, at most `bytes` of them, read from the end: logs may be large. An absent file is empty.
 * The caller redacts.
 */
export function readTail(path: string, lines: number, bytes: number): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const size = fstatSync(file).size;
    const buffer = Buffer.alloc(Math.min(size, bytes));
    const read = readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.subarray(0, read).toString('utf8');
    // A first line that was cut may be half of a secret that redaction would no longer recognise.
    const whole = size > buffer.length ? text.slice(text.indexOf('\n') + 1) : text;
    return whole
      .split('\n')
      .slice(-lines - 1)
      .join('\n')
      .trimEnd();
  } finally {
    closeSync(file);
  }
}
