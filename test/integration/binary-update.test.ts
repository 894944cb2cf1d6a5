import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openBinary } from '../../agent/install/binary.ts';
import { publish } from '../../src/cli/publish.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/** An app that is one executable, through its updates on a device: a real keeper, a real agent, real processes. */
describe('one executable on a device', () => {
  let device: Device;
  let robot: string;
  beforeEach(async () => {
    device = await makeDevice({ binary: true });
    robot = join(device.layout.home, 'opt', 'robot');
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  test('is installed, updated, rolled back, and goes back by itself with its data', async () => {
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
    expect(await device.version()).toBe('1.0.0');
    expect(statSync(robot).mode & 0o7777).toBe(0o755);
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
    expect(await device.version()).toBe('1.1.0');
    expect(beside()).toHaveLength(2);

    const before = device.data();
    const ill = await device.outcome(await device.order('update', '1.2.0'));
    expect(ill).toMatchObject({ state: 'rolled-back', running: '1.1.0', dataRestored: true });
    expect(await device.version()).toBe('1.1.0');
    expect(device.data()).toBe(before);
    const aside = join(device.layout.app('app').dir, ill.setAside ?? '', 'data', 'store.json');
    expect(readFileSync(aside, 'utf8')).toBe('{"format":2}\n');

    expect(await device.outcome(await device.order('rollback'))).toMatchObject({ state: 'succeeded', to: '1.0.0' });
    expect(await device.version()).toBe('1.0.0');
    expect(await device.outcome(await device.order('restart'))).toMatchObject({ state: 'succeeded' });
    // Those that went are gone; last-good stays.
    expect(versionsBeside()).toEqual(['1.0.0', '1.1.0']);
    expect(existsSync(join(device.layout.app('app').tmp, 'unpacked'))).toBe(false);
  }, 60_000);

  test('that was there before Fettle becomes a version that can be gone back to', async () => {
    writeFileSync(robot, readFileSync(join(device.layout.home, 'made', '1.0.0', 'robot')), { mode: 0o750 });
    await device.startAgent();
    expect(await until('the app to answer', () => device.version())).toBe('1.0.0');
    const names = readdirSync(dirname(robot));
    // Refused before anything is touched: also nothing is adopted.
    const release = { version: '1.1.0', channel: 'stable', digest: `sha256-${'0'.repeat(64)}` };
    expect(await device.outcome(await device.order('update', undefined, { release }))).toMatchObject({
      problem: { code: 'artifact_unverified' },
    });
    expect(readdirSync(dirname(robot))).toEqual(names);

    const ill = await device.outcome(await device.order('update', '1.3.0'));
    expect(ill).toMatchObject({ state: 'rolled-back', from: '1.0.0', running: '1.0.0' });
    expect(await device.version()).toBe('1.0.0');
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ from: '1.0.0', to: '1.1.0' });
    expect(statSync(robot).mode & 0o7777).toBe(0o750);
    expect(await device.outcome(await device.order('rollback'))).toMatchObject({
      state: 'succeeded',
      running: '1.0.0',
    });
    expect(await device.version()).toBe('1.0.0');
  }, 60_000);

  test('that says no version any more is not taken for older than what was noted', async () => {
    await device.close();
    device = await makeDevice({ binary: true, app: { downgrade: 'last-good' } });
    const { home } = device.layout;
    robot = join(home, 'opt', 'robot');
    const made = readFileSync(join(home, 'made', '1.1.0', 'robot'), 'utf8');
    const path = join(home, 'made', 'robot');
    writeFileSync(path, made.replaceAll('1.1.0', '0.9.0'));
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    const files = [{ platform: 'any', path }];
    await publish({ folder: join(home, 'releases'), app: 'app', version: '0.9.0', files, clock });
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
    // By hand, in its place: it serves, and tells nobody which version it is.
    rmSync(robot);
    writeFileSync(robot, made.replaceAll('1.1.0', 'of today'), { mode: 0o755 });
    await device.keeper.ask('restart', { app: 'app' });
    await until('the other program to serve', async () => (await device.version()) === 'of today', 20_000);
    expect((await device.outcome(await device.order('update', '0.9.0'))).problem).toMatchObject({
      code: 'downgrade_refused',
      data: { from: '1.1.0', to: '0.9.0' },
    });
    expect(await device.version()).toBe('of today');
  }, 60_000);

  test('is put back by the keeper where the agent never comes back', async () => {
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
    await device.stopAgent();
    await device.startAgent('starting:entered', '--forever');
    await device.order('update', '1.1.0');
    // The agent fails three times, each right after the switch: the keeper ends the hold by itself.
    await until(
      'the keeper to fall back',
      async () => (await device.keeper.ask('status', {})).apps.app?.fellBack,
      30_000,
    );
    expect(await until('the app to answer', () => device.version())).toBe('1.0.0');
    expect(slots().current()).toMatch(/^1\.0\.0-/);
  }, 60_000);

  const slots = () => openBinary(device.layout.app('app'), robot);
  const beside = () => readdirSync(dirname(robot)).filter((name) => name.startsWith(`.${basename(robot)}.`));
  const versionsBeside = () =>
    beside()
      .map((name) => /fettle-(.*)-[0-9a-f]{8}$/.exec(name)?.[1])
      .sort();
});
