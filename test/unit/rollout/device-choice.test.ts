import { describe, expect, test } from 'vitest';
import { FettleError } from '../../../src/domain/errors.ts';
import { type Choice, chooseDevice } from '../../../src/rollout/device-choice.ts';
import type { DeviceWithApps } from '../../../src/store/devices.ts';

/** Which device is meant by what was typed. */

function device(name: string, apps: readonly string[], more: Partial<DeviceWithApps> = {}): DeviceWithApps {
  const about = { platform: 'linux-x64', agent_version: '1', epoch: 1, connected: 1, recovered: 1, last_seen_at: 0 };
  const reports = apps.map((app) => ({ app, version: '1.0.0', health: 'healthy' as const, blocked: [] }));
  return { id: `d-${name}`, name, ...about, apps: reports, state: 'active', labels: {}, local: false, ...more };
}

const FLEET = [
  device('server', ['hub', 'agent']),
  device('East', ['robot', 'agent'], { labels: { site: 'lab', rack: '1' } }),
  device('west', ['robot', 'agent'], { labels: { site: 'lab' }, connected: 0 }),
];
const choose = (on?: string, app = 'robot', devices = FLEET, more: Partial<Choice> = {}) =>
  chooseDevice(devices, { app, on, command: `/update now ${app}`, ...more });

function refusal(work: () => unknown): FettleError {
  try {
    work();
  } catch (error) {
    if (error instanceof FettleError) return error;
  }
  throw new Error('it was not refused');
}

describe('one device', () => {
  test.each([
    ['west', 'west'],
    ['EAST', 'East'],
    ['d-west', 'west'],
    ['rack=1', 'East'],
  ])('on %s is %s', (on, name) => expect(choose(on).device.name).toBe(name));

  test('without a name the only one that has the app', () =>
    expect(choose(undefined, 'hub').device.name).toBe('server'));

  test('a machine alone, whatever it has told', () =>
    expect(choose(undefined, 'new', FLEET.slice(0, 1)).report).toBeUndefined());
});

describe('is asked back or refused', () => {
  test.each([undefined, 'all', 'site=lab'])('several (%s), with a button for each', (on) => {
    const { code, data } = refusal(() => choose(on));
    expect([code, data.devices, data.selector]).toEqual(['device_needed', ['East', 'west'], on]);
    expect(data.try).toEqual(['/update now robot on East', '/update now robot on west']);
  });

  test.each([
    ['nobody', 'unknown_device'],
    ['site=moon', 'unknown_device'],
    ['server', 'not_on_device'],
  ])('on %s: %s', (on, code) => expect(refusal(() => choose(on)).code).toBe(code));

  test('an app that none of several has', () =>
    expect(refusal(() => choose(undefined, 'x')).code).toBe('not_on_device'));

  test('one that is held', () => {
    const held = [device('a', ['robot'], { state: 'held' })];
    expect(refusal(() => choose(undefined, 'robot', held)).code).toBe('device_cloned');
  });

  test('nobody at all', () => expect(refusal(() => choose(undefined, 'robot', [])).code).toBe('device_offline'));
});
