import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Order } from '../../src/protocol/messages.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

const OLD = '{"format":1,"notes":["kept"]}\n';
const NEWER = '{"format":1,"notes":["newer"]}\n';

describe('a device with a backup', () => {
  let device: Device;
  beforeEach(async () => {
    device = await makeDevice();
    await device.startAgent();
    await device.outcome(await device.order('install', '1.0.0'));
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ backup: 1 });
    expect(device.data()).toBe(OLD);
    writeFileSync(dataFile(), NEWER);
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  const inApp = (...path: string[]) => join(device.layout.app('app').dir, ...path);
  const dataFile = () => inApp('shared', 'data', 'store.json');
  const seqs = async () => (await device.backups()).map(({ seq }) => seq);
  const pid = async () => (await device.keeper.ask('status', {})).apps.app?.running?.pid;
  const restore = async (backupSeq: number, more: Partial<Order> = {}) => {
    const update = await device.order('restore', undefined, { backupSeq, ...more });
    return device.outcome(update);
  };
  /** Stops the agent, changes the app's file, starts it again. */
  async function reconfigure(change: (text: string) => string) {
    await device.stopAgent();
    writeFileSync(device.layout.config, change(readFileSync(device.layout.config, 'utf8')));
    await device.startAgent();
  }

  test('lists it: what it was made for, how large, and that its release runs', async () => {
    expect(await device.backups()).toEqual([
      { seq: 1, at: expect.any(Number), from: '1.0.0', to: '1.1.0', bytes: OLD.length, files: 1, ofRunning: true },
    ]);
  });

  test('restores it: the release stays, the data from before is a backup', async () => {
    const outcome = await restore(1);
    expect(outcome).toMatchObject({
      state: 'succeeded',
      kind: 'restore',
      from: '1.1.0',
      to: '1.1.0',
      running: '1.1.0',
      backup: 2,
      restored: { seq: 1, from: '1.0.0', to: '1.1.0', skipped: [], absent: [] },
    });
    expect(outcome.outageMs).toBeGreaterThan(0);
    expect(outcome.setAside).toBeUndefined();
    expect(outcome.dataLeft).toBeUndefined();
    expect(await device.version()).toBe('1.1.0');
    expect(device.data()).toBe(OLD);
    expect(readFileSync(inApp('backups', '2', 'data', 'data', 'store.json'), 'utf8')).toBe(NEWER);
    const [second, first] = await device.backups();
    expect(second).toMatchObject({ seq: 2, from: '1.1.0', restores: 1, ofRunning: false });
    expect(second?.to).toBeUndefined();
    // A restore's own backup does not stand for that of the switch.
    expect(first).toMatchObject({ seq: 1, ofRunning: true });
    expect(existsSync(inApp('replaced'))).toBe(false);
    expect(existsSync(inApp('failed'))).toBe(false);

    // And back again.
    expect(await restore(2)).toMatchObject({ state: 'succeeded', backup: 3, restored: { seq: 2, restores: 1 } });
    expect(device.data()).toBe(NEWER);
  });

  test('one that is not there is refused, and the app never notices', async () => {
    const before = await pid();
    expect(await restore(7)).toMatchObject({
      state: 'failed',
      running: '1.1.0',
      problem: { code: 'unknown_backup', data: { backup: 'app/7', known: ['app/1'] } },
    });
    expect(await pid()).toBe(before);
    expect(device.data()).toBe(NEWER);
  });

  test.each([
    ['changed', () => appendFileSync(inApp('backups', '1', 'data', 'data', 'store.json'), 'x')],
    ['missing', () => rmSync(inApp('backups', '1', 'data', 'data', 'store.json'))],
  ])('one with a file that is %s is refused, and the app never notices', async (_what, tamper) => {
    tamper();
    const before = await pid();
    const outcome = await restore(1);
    expect(outcome).toMatchObject({
      state: 'failed',
      problem: { code: 'backup_failed', data: { backup: 'app/1', path: 'data/store.json' } },
    });
    expect(outcome.outageMs).toBeUndefined();
    expect(await pid()).toBe(before);
    expect(device.data()).toBe(NEWER);
    expect(await seqs()).toEqual([1]);
  });

  test('what somebody put into a backup besides is not restored', async () => {
    writeFileSync(inApp('backups', '1', 'data', 'data', 'planted'), 'x');
    expect(await restore(1)).toMatchObject({ state: 'succeeded' });
    expect(readdirSync(inApp('shared', 'data'))).toEqual(['store.json']);
  });

  test.each([true, false])('an app that is ill on it has the data from before again (backup: %s)', async (backup) => {
    device.poison(1);
    const outcome = await restore(1, { backup });
    expect(outcome).toMatchObject({
      state: 'rolled-back',
      running: '1.1.0',
      dataRestored: true,
      setAside: `failed/${outcome.update}`,
      problem: { code: 'health_failed' },
      restored: { seq: 1 },
    });
    expect(outcome.backup).toBe(backup ? 2 : undefined);
    expect(outcome.dataLeft).toBeUndefined();
    expect(await device.version()).toBe('1.1.0');
    expect(device.data()).toBe(NEWER);
    expect(readdirSync(inApp('shared'))).toEqual(['data']);
    // What it wrote on that data is not lost either.
    expect(readdirSync(inApp('failed', outcome.update, 'data')).sort()).toEqual(['store.json', 'written-by-ill']);
    // It is nobody's fault: the release is not blocked.
    expect(device.inventory()?.[0]?.blocked).toEqual([]);
  });

  test('with backups off, what it replaces is set aside where nothing is removed', async () => {
    const outcome = await restore(1, { backup: false });
    expect(outcome).toMatchObject({ state: 'succeeded', setAside: `failed/${outcome.update}-before` });
    expect(outcome.backup).toBeUndefined();
    expect(device.data()).toBe(OLD);
    expect(readFileSync(inApp(outcome.setAside ?? '', 'data', 'store.json'), 'utf8')).toBe(NEWER);
    expect(await seqs()).toEqual([1]);
  });

  test('with backups off, a failing update says that its data stays as it left it', async () => {
    const outcome = await device.outcome(await device.order('update', '1.2.0', { backup: false }));
    expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.1.0', dataRestored: false, dataLeft: true });
    expect(outcome.backup).toBeUndefined();
    expect(device.data()).toBe('{"format":2}\n');
    expect(await seqs()).toEqual([1]);
  });

  test('with backups off, a rollback with data that fails brings the data from before back', async () => {
    device.poison(1);
    const outcome = await device.outcome(await device.order('rollback', undefined, { withData: true, backup: false }));
    expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.1.0', dataRestored: true });
    expect(outcome.dataLeft).toBeUndefined();
    expect(device.data()).toBe(NEWER);
  });

  test('a rollback with data whose backup is gone is refused before the app is stopped', async () => {
    rmSync(inApp('backups', '1'), { recursive: true });
    const before = await pid();
    const outcome = await device.outcome(await device.order('rollback', undefined, { withData: true }));
    expect(outcome).toMatchObject({ state: 'failed', problem: { code: 'backup_failed' } });
    expect(await pid()).toBe(before);
  });

  test('paths that are backed up since stay as they are; those that no longer are, are left out', async () => {
    await reconfigure((text) => text.replace('keep: [data]', 'keep: [data, uploads]'));
    writeFileSync(inApp('shared', 'uploads'), 'mine');
    expect(await restore(1)).toMatchObject({ state: 'succeeded', restored: { absent: ['uploads'], skipped: [] } });
    expect(device.data()).toBe(OLD);
    expect(readFileSync(inApp('shared', 'uploads'), 'utf8')).toBe('mine');

    // Backup 2 holds both; only one of them is still kept.
    await reconfigure((text) => text.replace('keep: [data, uploads]', 'keep: [uploads]'));
    writeFileSync(inApp('shared', 'uploads'), 'changed');
    writeFileSync(dataFile(), NEWER);
    expect(await restore(2)).toMatchObject({ state: 'succeeded', restored: { skipped: ['data'], absent: [] } });
    expect(readFileSync(inApp('shared', 'uploads'), 'utf8')).toBe('mine');
    expect(device.data()).toBe(NEWER);
    expect(await restore(1)).toMatchObject({ state: 'failed', problem: { code: 'backup_failed' } });
  });

  test('an ill app on a backup that lacks a path: that path, too, is as before', async () => {
    await reconfigure((text) => text.replace('keep: [data]', 'keep: [uploads, data]'));
    writeFileSync(inApp('shared', 'uploads'), 'mine');
    device.poison(1);
    const outcome = await restore(1);
    expect(outcome).toMatchObject({ state: 'rolled-back', dataRestored: true, restored: { absent: ['uploads'] } });
    expect(device.data()).toBe(NEWER);
    expect(readFileSync(inApp('shared', 'uploads'), 'utf8')).toBe('mine');
    expect(existsSync(inApp('shared', 'data', 'written-by-ill'))).toBe(false);
  });

  test('a database and what SQLite keeps beside it go together, there and back', async () => {
    await reconfigure((text) => text.replace('keep: [data]', 'keep: [data, bot.db]'));
    const put = (name: string, text: string) => writeFileSync(inApp('shared', name), text);
    const beside = () =>
      readdirSync(inApp('shared'))
        .filter((name) => name !== 'data')
        .map((name) => `${name}=${readFileSync(inApp('shared', name), 'utf8')}`)
        .sort();
    put('bot.db', 'A');
    expect(await restore(1)).toMatchObject({ state: 'succeeded', backup: 2 });
    put('bot.db', 'B');
    put('bot.db-wal', 'W');
    expect(await restore(2)).toMatchObject({ state: 'succeeded', backup: 3 });
    // A log of another database would be written into this one.
    expect(beside()).toEqual(['bot.db=A']);
    put('bot.db', 'C');
    device.poison(3);
    for (const backup of [true, false]) {
      expect(await restore(3, { backup })).toMatchObject({ state: 'rolled-back', dataRestored: true });
      expect(beside()).toEqual(['bot.db=C']);
    }
  });

  test('nothing is removed while an update is under way; then it is', async () => {
    for (const seq of [1, 2]) expect(await restore(seq)).toMatchObject({ state: 'succeeded' });
    device.poison(1);
    const update = await device.order('restore', undefined, { backupSeq: 1 });
    await until('the probe', () =>
      device.messages.some((m) => m.type === 'report' && m.update === update && m.state === 'probing'),
    );
    await device.say({ type: 'settings', retentionDays: 0 });
    expect(await seqs()).toEqual([4, 3, 2, 1]);
    expect(await device.outcome(update)).toMatchObject({ state: 'rolled-back', dataRestored: true, backup: 4 });
    await until('the others to go', async () => (await seqs()).length === 2);
    expect(await seqs()).toEqual([4, 1]);
  });

  test('the days that a hub says are kept; whatever it says, two backups stay', async () => {
    for (const seq of [1, 2, 3]) expect(await restore(seq)).toMatchObject({ state: 'succeeded' });
    expect(await seqs()).toEqual([4, 3, 2, 1]);
    await device.say({ type: 'settings', retentionDays: 0 });
    // 4 is the newest; 1 is of the switch to what runs.
    await until('the others to go', async () => (await seqs()).length === 2);
    expect(await seqs()).toEqual([4, 1]);
    await device.say({ type: 'settings', retentionDays: 0 });
    await device.stopAgent();
    await device.startAgent();
    expect(await seqs()).toEqual([4, 1]);
    expect(JSON.parse(readFileSync(join(device.layout.agent.dir, 'settings.json'), 'utf8'))).toEqual({
      retentionDays: 0,
    });
    // Not a number of days: nothing follows from it.
    await device.say({ type: 'settings', retentionDays: -1 });
    expect(await seqs()).toEqual([4, 1]);
  });
});
