import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reportedVersion } from '../../../agent/health/reported-version.ts';
import { createStartLogs } from '../../../agent/health/start-log.ts';
import { rotateLog } from '../../../agent/keeper/rotate.ts';
import { startMark } from '../../../agent/keeper/spawn.ts';

let folder: string;
let log: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-log-'));
  log = join(folder, 'app.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (text: string) => appendFileSync(log, text);
const rotate = () => rotateLog(log, 0, () => undefined);

describe('what a start has printed', () => {
  test('only what comes after its mark counts, also in two pieces', () => {
    write(`${startMark('s-1')}ready\n${startMark('s-2')}starting\n`);
    const logs = createStartLogs();
    expect(logs.has(log, 's-2', 'ready')).toBe(false);
    expect(logs.has(log, 's-1', 'ready')).toBe(true);
    write('rea');
    expect(logs.has(log, 's-2', 'ready')).toBe(false);
    write('dy\n');
    expect(logs.has(log, 's-2', 'ready')).toBe(true);
  });

  test.each([1, 2])(
    'a log that was rotated %i times since the start, for who has read it and for who has not',
    async (times) => {
      write(`ready\n${startMark('s-2')}starting\n`);
      const follows = createStartLogs();
      expect(follows.has(log, 's-2', 'ready')).toBe(false);
      for (let time = 1; time <= times; time += 1) {
        write('long line\n');
        await rotate();
        write('more\n');
        expect(follows.has(log, 's-2', 'ready')).toBe(false);
      }
      expect(createStartLogs().has(log, 's-2', 'ready')).toBe(false);
      write(`${'x'.repeat(300_000)} ready\n`);
      expect(follows.has(log, 's-2', 'ready')).toBe(true);
      expect(createStartLogs().has(log, 's-2', 'ready')).toBe(true);
    },
  );

  test('a line that was printed just before the rotation is found in the copy', async () => {
    write(`${startMark('s-1')}starting\n`);
    const logs = createStartLogs();
    expect(logs.has(log, 's-1', 'ready')).toBe(false);
    write('ready\n');
    await rotate();
    write('a new log that has grown past where the old one was read to\n');
    expect(logs.has(log, 's-1', 'ready')).toBe(true);
  });

  test('no log at all is nothing printed', () => {
    expect(createStartLogs().has(log, 's-1', 'ready')).toBe(false);
  });
});

test.each([
  ['{"a":{"version":"1.2.0"}}', '.a.version', '1.2.0'],
  ['{"version":7}', '.version', '7'],
  ['{"a":1}', '.version', undefined],
  [' 1.10\nbuilt today\n', '.', '1.10'],
  ['1.10', '.', '1.10'],
  ['"1.2.0"', '.', '1.2.0'],
  ['  \n', '.', undefined],
])('the version in %j at %s', (answer, path, version) => {
  expect(reportedVersion(answer, path)).toBe(version);
});
