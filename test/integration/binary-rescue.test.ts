import { copyFileSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBinary } from '../../agent/install/binary.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { rescue } from '../support/rescue.ts';
import { until } from '../support/until.ts';

/** `fettle rescue` of an app that is one executable, with keeper and agent dead; one thing after the other. */
describe('with keeper and agent dead, the executable', () => {
  let device: Device;
  let robot: string;
  beforeAll(async () => {
    device = await makeDevice({ binary: true });
    robot = join(device.layout.home, 'opt', 'robot');
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
    await device.stopAgent();
    await device.killAll();
  }, 60_000);
  afterAll(() => device.close(), 60_000);

  test('that runs and is well → nothing is done', async () => {
    const { code, report } = await rescue(device);
    expect([code, report.result, report.version, report.already]).toEqual([0, 'well', '1.1.0', true]);
  }, 60_000);

  test('whose file was removed, --force → last-good is there and runs', async () => {
    rmSync(robot);
    const { code, report } = await rescue(device, '--force');
    expect([code, report.result, report.version]).toEqual([0, 'well', '1.0.0']);
    await expectRunning('1.0.0');
  }, 60_000);

  test('that was replaced by hand with one that crashes → that is kept, and a good one runs', async () => {
    const made = `${robot}.made`;
    writeFileSync(made, '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    renameSync(made, robot);
    const { code, report } = await rescue(device, '--force');
    expect([code, report.result]).toEqual([0, 'well']);
    expect(['1.0.0', '1.1.0']).toContain(report.version);
    await expectRunning(report.version ?? '');
    const strange = readdirSync(dirname(robot)).filter((name) => name.includes('fettle-0.0.0-'));
    expect(strange).toHaveLength(1);
  }, 60_000);

  test('without a configuration that can be read → it is known from what is installed', async () => {
    copyFileSync(device.layout.config, `${device.layout.config}.kept`);
    writeFileSync(device.layout.config, 'apps: [');
    try {
      const { report } = await rescue(device, '--to', '1.1.0');
      expect(report).toMatchObject({ result: 'well', version: '1.1.0' });
      await expectRunning('1.1.0');
    } finally {
      copyFileSync(`${device.layout.config}.kept`, device.layout.config);
    }
  }, 60_000);

  async function expectRunning(version: string) {
    expect(await until('the app to answer', () => device.version())).toBe(version);
    const current = openBinary(device.layout.app('app'), robot).current() ?? '';
    expect(current).toContain(`${version}-`);
    expect(basename(readlinkSync(device.layout.app('app').current))).toBe(current);
  }
});
