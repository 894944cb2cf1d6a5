import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBinary } from '../../agent/install/binary.ts';
import { crashPoints } from '../support/crash-points.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/**
 * As `states.test.ts`, of an app that is one executable: only the states in which it matters, one after the other on one
 * device, from whatever version the one before has left.
 */
describe('the agent of an executable killed in', () => {
  let device: Device;
  let robot: string;
  let runs = '1.0.0';
  beforeAll(async () => {
    device = await makeDevice({ probing: '2s', binary: true });
    robot = join(device.layout.home, 'opt', 'robot');
    await device.startAgent();
    expect(await device.outcome(await device.order('install', runs))).toMatchObject({ state: 'succeeded' });
    await device.stopAgent();
  }, 60_000);
  afterAll(() => device.close(), 60_000);

  test.each(crashPoints('staged', 'probing', 'committing'))(
    '%s of an update to a good release → it succeeds',
    async (point) => {
      const to = runs === '1.0.0' ? '1.1.0' : '1.0.0';
      expect(await killedAt(point, to)).toMatchObject({ state: 'succeeded', from: runs, to });
      runs = to;
      await expectRunning();
    },
    60_000,
  );

  test.each(crashPoints('swapping', 'stopping'))(
    '%s of an update to a good release → the old one runs',
    async (point) => {
      const to = runs === '1.0.0' ? '1.1.0' : '1.0.0';
      const outcome = await killedAt(point, to);
      expect(outcome).toMatchObject({ state: 'rolled-back', running: runs, dataRestored: false });
      await expectRunning();
    },
    60_000,
  );

  test.each(crashPoints('reverting'))(
    '%s of an update to a release that migrates its data and is ill → rolled back, code and data',
    async (point) => {
      const outcome = await killedAt(point, '1.2.0', { force: true });
      expect(outcome).toMatchObject({ state: 'rolled-back', running: runs, dataRestored: true });
      const aside = join(device.layout.app('app').dir, outcome.setAside ?? '', 'data', 'store.json');
      expect(readFileSync(aside, 'utf8')).toBe('{"format":2}\n');
      await expectRunning();
    },
    60_000,
  );

  async function killedAt(point: string, version: string, more = {}) {
    const killed = () => readdirSync(device.layout.home).filter((name) => name.startsWith('killed-')).length;
    const before = killed();
    await device.startAgent(point);
    const outcome = await device.outcome(await device.order('update', version, more));
    // The kill did happen: a test that never killed would prove nothing.
    expect(killed()).toBe(before + 1);
    return outcome;
  }

  async function expectRunning() {
    expect(await until('the app to answer', () => device.version())).toBe(runs);
    expect(device.data()).toBe('{"format":1,"notes":["kept"]}\n');
    expect((await device.keeper.ask('status', {})).apps.app).toMatchObject({ desired: 'running', hold: null });
    const current = openBinary(device.layout.app('app'), robot).current() ?? '';
    expect(current).toMatch(new RegExp(`^${runs.replaceAll('.', '\\.')}-`));
    expect(basename(readlinkSync(device.layout.app('app').current))).toBe(current);
    // What lies beside it are versions that are kept, and nothing else.
    const kept = readdirSync(device.layout.app('app').releases).map((slot) => `.robot.fettle-${slot}`);
    expect(readdirSync(dirname(robot)).sort()).toEqual([...kept, 'data', 'robot'].sort());
    await device.stopAgent();
  }
});
