import { lstatSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Device, makeDevice } from '../support/device.ts';
import { makeDriverApp } from '../support/driver-releases.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

let device: Device;
afterEach(() => device.close());

interface Said {
  readonly version: string;
  readonly uid: number;
  readonly groups: readonly number[];
  readonly env: Readonly<Record<string, string>>;
}

async function answer(): Promise<Said> {
  const response = await fetch(`http://127.0.0.1:${device.port}/`, { headers: { connection: 'close' } });
  return (await response.json()) as Said;
}

// `daemon` is user 1 and has group 1 wherever Debian's base files are.
describe.skipIf(process.geteuid?.() !== 0)('an app with a user (only root can start it)', () => {
  test('runs as that user with its groups alone; reads its slot, owns its data, and finds nothing of Fettle', async () => {
    device = await makeDevice();
    const { layout } = device;
    await makeDriverApp(device, { '1.0.1': {}, '1.1.1': {} }, [
      'run: node ./server.mjs',
      'user: daemon',
      'stop: {grace: 1s}',
    ]);
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.1'))).toMatchObject({ state: 'succeeded' });
    const said = await answer();
    expect(said).toMatchObject({ uid: 1, groups: [1], env: { HOME: '/usr/sbin', USER: 'daemon', LOGNAME: 'daemon' } });
    expect(Object.keys(said.env).filter((name) => /^(XDG_|TMPDIR|FETTLE_)/.test(name))).toEqual([
      'FETTLE_APP',
      'FETTLE_START',
    ]);
    const { shared, releases, dir } = layout.app('app');
    expect(statSync(join(shared, 'data', 'store.json')).uid).toBe(1);
    expect(statSync(layout.config).mode & 0o007).toBe(0);
    expect(statSync(releases).mode & 0o006).toBe(0);
    expect(lstatSync(join(dir, 'current', 'server.mjs')).uid).toBe(0);
    writeFileSync(join(shared, 'data', 'store.json'), '{"format":1,"notes":["its own"]}\n');
    expect(await device.outcome(await device.order('update', '1.1.1'))).toMatchObject({ state: 'succeeded' });
    expect(await answer()).toMatchObject({ version: '1.1.1', uid: 1 });
    expect(device.data()).toContain('its own');
  });

  test('that this machine has not is refused before anything is fetched, and never started as root', async () => {
    device = await makeDevice();
    await makeDriverApp(device, { '1.0.1': {} }, ['run: node ./server.mjs', 'user: nobody-here']);
    await device.startAgent();
    const outcome = await device.outcome(await device.order('install', '1.0.1'));
    expect(outcome).toMatchObject({ state: 'failed', problem: { code: 'driver_unusable' } });
    await expect(answer()).rejects.toThrow();
  });
});

describe('draining', () => {
  test('comes before the stop, is cut off at its time, and costs no outage', async () => {
    device = await makeDevice();
    await makeDriverApp(device, { '1.0.1': {}, '1.1.1': {} }, [
      'run: node ./server.mjs',
      // Says so, and then takes longer than it may.
      'stop: {grace: 1s, drain: [sh, -c, "touch data/drained; sleep 30"], drainFor: 1500ms}',
    ]);
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.1'))).toMatchObject({ state: 'succeeded' });
    const update = await device.order('update', '1.1.1');
    await until('it to drain', () => statSync(join(device.layout.app('app').shared, 'data', 'drained')));
    // It serves while it drains.
    expect((await answer()).version).toBe('1.0.1');
    const outcome = await device.outcome(update);
    expect(outcome).toMatchObject({ state: 'succeeded' });
    expect(outcome.outageMs).toBeLessThan(1_400);
  });
});
