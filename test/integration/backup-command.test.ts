import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Device, makeDevice } from '../support/device.ts';

/**
 * Data that is in no file of the app's: a folder elsewhere stands for a database server, a script dumps it and reads it
 * again. What the test writes into it, a real server would have had written by the app.
 */

let device: Device;
let server: string;
afterEach(() => device.close(), 60_000);

const SCRIPT = `#!/bin/sh
# dump | load FOLDER
cd "$2" || exit 9
test -e broken-$1 && { echo "server says no to $1" >&2; exit 3; }
case $1 in
  dump) test -e empty || cat rows ;;
  load) cat > rows.new && mv rows.new rows ;;
esac
`;

async function begin(more: string): Promise<void> {
  device = await makeDevice({ probing: '1s', more: '@' });
  server = join(device.layout.home, 'server');
  mkdirSync(server);
  writeFileSync(join(server, 'rows'), 'one\n');
  const script = join(device.layout.home, 'dump.sh');
  writeFileSync(script, SCRIPT, { mode: 0o755 });
  const config = readFileSync(device.layout.config, 'utf8');
  const command = `command: [${script}, dump, ${server}], restore: [${script}, load, ${server}]`;
  writeFileSync(device.layout.config, config.replace('@', `backup: {paths: [data], ${command}${more}}`));
  await device.startAgent();
  await device.outcome(await device.order('install', '1.0.0'));
}

const rows = () => readFileSync(join(server, 'rows'), 'utf8');
const mark = (name: string) => writeFileSync(join(server, name), '');
const inApp = (...path: string[]) => join(device.layout.app('app').dir, ...path);
const backups = () => readdirSync(inApp('backups')).filter((name) => name !== 'making.lock');

describe('with a command', () => {
  beforeEach(() => begin(''), 60_000);

  test('what it printed is in the backup, and is read again by a restore, by one that is undone, and after a failed update', async () => {
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({
      state: 'succeeded',
      backup: 1,
    });
    expect(readFileSync(inApp('backups', '1', 'command.out'), 'utf8')).toBe('one\n');
    writeFileSync(join(server, 'rows'), 'two\n');
    expect(await device.outcome(await device.order('restore', undefined, { backupSeq: 1 }))).toMatchObject({
      backup: 2,
    });
    expect(rows()).toBe('one\n');
    expect(readFileSync(inApp('backups', '2', 'command.out'), 'utf8')).toBe('two\n');
    // A restore on which the app is ill: what was there before comes back.
    writeFileSync(join(server, 'rows'), 'three\n');
    device.poison(1);
    const undone = await device.outcome(await device.order('restore', undefined, { backupSeq: 1 }));
    expect(undone).toMatchObject({ state: 'rolled-back', dataRestored: true });
    expect(undone.dataProblem).toBeUndefined();
    expect(rows()).toBe('three\n');
    // A failed update: what is there is set aside, what was there before comes back.
    const update = await device.order('update', '1.2.0');
    expect(await device.outcome(update)).toMatchObject({ state: 'rolled-back', dataRestored: true });
    expect(rows()).toBe('three\n');
    expect(readFileSync(inApp('failed', update, 'command.out'), 'utf8')).toBe('three\n');
    // The server refuses it: the old version runs all the same, and it is told.
    mark('broken-load');
    const refused = await device.outcome(await device.order('update', '1.5.0'));
    expect(refused).toMatchObject({ state: 'rolled-back', running: '1.1.0', dataProblem: { code: 'backup_failed' } });
    expect(String(refused.dataProblem?.data.reason)).toContain('status 3: server says no to load');
    expect(await device.version()).toBe('1.1.0');
  }, 120_000);

  test('that fails, or prints nothing, nothing is switched, and no data is touched', async () => {
    for (const [how, reason] of [
      ['broken-dump', 'status 3: server says no to dump'],
      ['empty', 'printed nothing'],
    ] as const) {
      mark(how);
      const outcome = await device.outcome(await device.order('update', '1.1.0'));
      expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.0.0', dataRestored: false });
      expect(outcome.problem?.code).toBe('backup_failed');
      expect(String(outcome.problem?.data.reason)).toContain(reason);
      expect(outcome.setAside).toBeUndefined();
      expect(await device.version()).toBe('1.0.0');
      expect(existsSync(inApp('backups', '1'))).toBe(false);
      rmSync(join(server, how));
    }
    // The release is not to blame.
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
  }, 60_000);
});

test('where none is required an update goes on without, says so, and leaves the data if it is rolled back', async () => {
  await begin(', required: false');
  mark('broken-dump');
  const done = await device.outcome(await device.order('update', '1.1.0'));
  expect(done).toMatchObject({ state: 'succeeded', backupProblem: { code: 'backup_failed' } });
  expect(done.backup).toBeUndefined();
  expect(backups()).toEqual([]);
  const back = await device.outcome(await device.order('update', '1.2.0'));
  expect(back).toMatchObject({ state: 'rolled-back', dataRestored: false, dataLeft: true, backupProblem: {} });
  expect(device.data()).toBe('{"format":2}\n');
}, 60_000);
