import { appendFileSync, copyFileSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { markLog, printedSinceMark } from '../../../agent/restart/printed.ts';

let log: string;
beforeEach(() => {
  log = join(mkdtempSync(join(tmpdir(), 'fettle-printed-')), 'app.log');
});
afterEach(() => rmSync(join(log, '..'), { recursive: true, force: true }));

test('what the start before has printed does not count, nor does the mark itself', () => {
  expect(printedSinceMark(log, 'ready')).toBe(false);
  appendFileSync(log, 'ready\n');
  expect(printedSinceMark(log, 'ready')).toBe(true);
  markLog(log, 'ready.1');
  expect(printedSinceMark(log, 'ready')).toBe(false);
  // More than one read from the end.
  appendFileSync(log, `${'x'.repeat(700_000)}\nready\n${'y'.repeat(700_000)}\n`);
  expect(printedSinceMark(log, 'ready')).toBe(true);
  // Copied and truncated.
  copyFileSync(log, `${log}.1`);
  truncateSync(log);
  expect(printedSinceMark(log, 'ready')).toBe(true);
  markLog(log, '2');
  expect(printedSinceMark(log, 'ready')).toBe(false);
  // A start that did not come to pass.
  expect(printedSinceMark(log, 'ready', (id) => id === '2')).toBe(true);
});
