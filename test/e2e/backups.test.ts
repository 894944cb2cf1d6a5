import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Home, makeHome } from '../support/home.ts';

/** The shipped commands, as a user types them. */
let home: Home;
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.close(), 60_000);

test('an update, its backup, a restore of it, and of what was there before', { timeout: 180_000 }, async () => {
  const { code, out } = await home.fettle(
    [],
    [
      '/update now hello@1.1.0',
      '/update backups hello',
      '/update restore hello/1 --dry-run',
      '/update restore hello/1',
      '/update restore hello 2',
      '/update backups',
      '/update history hello',
      '',
    ].join('\n'),
  );
  expect(out).toMatch(/hello\/1 +\S.* +before 1\.0\.0 → 1\.1\.0 \(1\.1\.0 runs now\)/);
  expect(out).toContain('1. check that backup hello/1 is whole');
  expect(out).toMatch(
    /hello runs on the data of backup hello\/1 \(made .*, before 1\.0\.0 → 1\.1\.0\), outage [\d.]+ s/,
  );
  expect(out).toContain('The data from before is backup hello/2.');
  expect(out).toMatch(/hello runs on the data of backup hello\/2 \(made .*, before a restore of hello\/1\)/);
  expect(out).toContain('The data from before is backup hello/3.');
  expect(out).toMatch(/hello\/3 +\S.* +before a restore of hello\/2/);
  expect(out).toMatch(/data of hello\/1 +restored, outage/);
  expect(code, out).toBe(0);
  // The hub has said how long backups are kept, and the device knows it without the hub.
  expect(JSON.parse(readFileSync(join(home.layout.agent.dir, 'settings.json'), 'utf8'))).toEqual({ retentionDays: 14 });

  const wrong = await home.fettle([], '/update restore hello/9\n/update restore hello\n');
  expect(wrong.out).toContain('There is no backup hello/9.');
  expect(wrong.out).toContain('There is: hello/3, hello/2, hello/1.');
  expect(wrong.out).toContain('Which backup of hello?');
  expect(wrong.code).toBe(1);
  expect(home.processes()).toEqual([]);
});
