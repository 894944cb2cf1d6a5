import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

describe('an update on a device', () => {
  let device: Device;
  let before: string;
  beforeEach(async () => {
    device = await makeDevice();
    await device.startAgent();
    const first = await device.outcome(await device.order('install', '1.0.0'));
    expect(first).toMatchObject({ state: 'succeeded', to: '1.0.0' });
    before = device.data();
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  test('succeeds: the new version runs, is proven, and the outage is known', async () => {
    const outcome = await device.outcome(await device.order('update', '1.1.0'));
    expect(outcome).toMatchObject({
      state: 'succeeded',
      from: '1.0.0',
      to: '1.1.0',
      running: '1.1.0',
      proof: 'reported',
    });
    expect(outcome.outageMs).toBeGreaterThan(0);
    // Each write of the journal while the app is down costs outage: the number that they carry tells how many there were.
    const seqOf = (state: string) =>
      device.messages.find((m) => m.type === 'report' && m.update === outcome.update && m.state === state);
    const [stopping, probing] = [seqOf('stopping'), seqOf('probing')];
    if (stopping?.type !== 'report' || probing?.type !== 'report') throw new Error('the states were not told');
    expect((probing.seq - stopping.seq) / 1_000).toBe(3);
    expect(await device.version()).toBe('1.1.0');
    expect(device.data()).toBe(before);
    expect(outcome.backup).toBe(1);
    const manifest = readFileSync(join(device.layout.app('app').backups, '1', 'manifest.json'), 'utf8');
    expect(JSON.parse(manifest)).toMatchObject({ format: 'fettle-backup/1', roots: ['data'] });
  });

  test('a release that migrates its data and is ill is rolled back, code and data', async () => {
    const outcome = await device.outcome(await device.order('update', '1.2.0'));
    expect(outcome).toMatchObject({
      state: 'rolled-back',
      running: '1.0.0',
      dataRestored: true,
      problem: { code: 'health_failed' },
    });
    expect(await device.version()).toBe('1.0.0');
    expect(device.data()).toBe(before);
    // What the failed version wrote is set aside, not destroyed.
    const aside = join(device.layout.app('app').dir, outcome.setAside ?? '', 'data');
    expect(readFileSync(join(aside, 'store.json'), 'utf8')).toBe('{"format":2}\n');
    expect(existsSync(join(aside, 'new-file'))).toBe(true);
    expect(existsSync(join(device.layout.app('app').shared, 'data', 'new-file'))).toBe(false);
    // The log's end came along, without the secret.
    expect(outcome.logTail).toContain('app 1.2.0 starts with token');
    expect(outcome.logTail).not.toContain('very-secret-value-4711');
  });

  test.each([
    ['1.3.0', 'crashed'],
    ['1.4.0', 'wrong_version'],
    ['1.5.0', 'crashed'],
  ])('release %s is rolled back because it %s, and is blocked from then on', async (version, code) => {
    const outcome = await device.outcome(await device.order('update', version));
    expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.0.0', problem: { code } });
    expect(await device.version()).toBe('1.0.0');
    expect(device.data()).toBe(before);
    const again = await device.outcome(await device.order('update', version));
    expect(again).toMatchObject({ state: 'failed', problem: { code: 'release_blocked' } });
    const forced = await device.outcome(await device.order('update', version, { force: true }));
    expect(forced).toMatchObject({ state: 'rolled-back', problem: { code } });
  });

  test('rollback goes back to last-good and keeps the data; with data it brings the backup', async () => {
    await device.outcome(await device.order('update', '1.1.0'));
    const data = join(device.layout.app('app').shared, 'data', 'store.json');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(data, '{"format":1,"notes":["written by 1.1.0"]}\n');
    const kept = await device.outcome(await device.order('rollback'));
    expect(kept).toMatchObject({ state: 'succeeded', from: '1.1.0', to: '1.0.0' });
    expect(await device.version()).toBe('1.0.0');
    expect(device.data()).toContain('written by 1.1.0');

    await device.outcome(await device.order('update', '1.1.0'));
    writeFileSync(data, '{"format":1,"notes":["again"]}\n');
    const restored = await device.outcome(await device.order('rollback', undefined, { withData: true }));
    expect(restored).toMatchObject({ state: 'succeeded', to: '1.0.0', dataRestored: true });
    expect(device.data()).toContain('written by 1.1.0');
  });

  test('a version whose native modules are for another Node.js is not gone back to, nor started again', async () => {
    await device.outcome(await device.order('update', '1.1.0'));
    const { releases } = device.layout.app('app');
    for (const slot of readdirSync(releases)) {
      const marker = join(releases, slot, '.fettle', 'slot.json');
      const record = { ...JSON.parse(readFileSync(marker, 'utf8')), abi: '1' };
      writeFileSync(marker, JSON.stringify(record));
      writeFileSync(join(releases, slot, 'addon.node'), '\0node_register_module_v1\0');
    }
    for (const kind of ['rollback', 'restart'] as const) {
      const outcome = await device.outcome(await device.order(kind));
      expect(outcome).toMatchObject({ state: 'failed', running: '1.1.0', problem: { code: 'wrong_runtime' } });
    }
    expect(await device.version()).toBe('1.1.0');
    // The release itself is made anew for this one. What the test wrote into the slot is for nobody to keep.
    const again = await device.outcome(await device.order('update', '1.0.0', { force: true }));
    expect(again).toMatchObject({ state: 'succeeded', running: '1.0.0' });
  });

  test('restart stops and starts the same version', async () => {
    const pid = (await device.keeper.ask('status', {})).apps.app?.running?.pid;
    const outcome = await device.outcome(await device.order('restart'));
    expect(outcome).toMatchObject({ state: 'succeeded', running: '1.0.0' });
    expect((await device.keeper.ask('status', {})).apps.app?.running?.pid).not.toBe(pid);
    expect(outcome.backup).toBeUndefined();
  });

  test('what the file does not name is refused; a second order of the app is told about the first', async () => {
    const update = await device.order('update', '1.1.0', { app: 'other' });
    const refused = await until('the refusal', () =>
      device.messages.find((m) => m.type === 'order-ack' && m.update === update),
    );
    expect(refused).toMatchObject({ accepted: false, problem: { code: 'capability_denied' } });
    const first = await device.order('update', '1.1.0');
    const second = await device.order('update', '1.2.0');
    const busy = await until('the refusal', () =>
      device.messages.find((m) => m.type === 'order-ack' && m.update === second),
    );
    expect(busy).toMatchObject({ accepted: false, problem: { code: 'in_progress', data: { id: first } } });
    expect(await device.outcome(first)).toMatchObject({ state: 'succeeded' });
  });

  test('a lie about the digest is found out at the origin, before the app is touched', async () => {
    const release = { version: '1.1.0', channel: 'stable', digest: `sha256-${'0'.repeat(64)}` };
    const outcome = await device.outcome(await device.order('update', undefined, { release }));
    expect(outcome).toMatchObject({ state: 'failed', problem: { code: 'artifact_unverified' }, running: '1.0.0' });
    expect(outcome.outageMs).toBeUndefined();
    expect(readdirSync(device.layout.app('app').releases)).toHaveLength(1);
  });

  test('an unreadable journal: the last committed slot runs, data is left alone', async () => {
    await device.stopAgent();
    const { writeFileSync } = await import('node:fs');
    const file = join(device.layout.app('app').shared, 'data', 'store.json');
    writeFileSync(file, '{"format":1,"notes":["newer"]}\n');
    const entry = readdirSync(device.layout.agent.journal).find((name) => name.endsWith('.json'));
    writeFileSync(join(device.layout.agent.journal, entry ?? ''), '{"v":1,"state":"teleporting"');
    await device.startAgent();
    expect(await until('the app', () => device.version())).toBe('1.0.0');
    expect(device.data()).toContain('newer');
    expect(readdirSync(device.layout.agent.journal).some((name) => name.endsWith('.unreadable'))).toBe(true);
  });
});
