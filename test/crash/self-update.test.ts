import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { crashPoints } from '../support/crash-points.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/**
 * The agent's own update, killed with SIGKILL at each state, in the old agent and in the new one. Whoever is started
 * next goes on; the app that is kept runs through it all, by the same process.
 */
describe('the agent killed in its own update,', { timeout: 120_000 }, () => {
  let device: Device;
  let app: { pid: number; startId: string };
  beforeEach(async () => {
    device = await makeDevice();
    await device.startOwnAgent();
    expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
    app = await kept('app');
    await device.stopAgent();
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  const kept = async (name: string) => {
    const running = (await device.keeper.ask('status', {})).apps[name]?.running;
    return { pid: running?.pid ?? 0, startId: running?.startId ?? '' };
  };

  test.each(crashPoints('fetching', 'rehearsing', 'waiting', 'stopping', 'swapping', 'probing', 'committing'))(
    '%s → goes on and succeeds',
    async (point) => {
      const outcome = await killedAt(point, 'update', '2.1.0');
      expect(outcome).toMatchObject({ state: 'succeeded', from: '2.0.0', to: '2.1.0', proof: 'reported' });
      await expectRunning('2.1.0');
    },
  );

  // The end of its work is the end of the process, so there is no `worked`.
  test('starting:entered → goes on and succeeds', async () => {
    expect(await killedAt('starting:entered', 'update', '2.1.0')).toMatchObject({ state: 'succeeded', to: '2.1.0' });
    await expectRunning('2.1.0');
  });

  test.each(crashPoints('reverting', 'reprobing'))(
    '%s of a release that does not start → the old one runs',
    async (point) => {
      const outcome = await killedAt(point, 'update', '2.2.0');
      expect(outcome).toMatchObject({ state: 'rolled-back', running: '2.0.0', problem: { code: 'crashed' } });
      await expectRunning('2.0.0');
      expect(device.inventory()?.find((one) => one.app === 'agent')).toMatchObject({ blocked: ['2.2.0'] });
    },
  );

  test('probing:entered, again and again → the old one runs, and the release is blocked', async () => {
    await device.startOwnAgent('--forever', 'probing:entered');
    const outcome = await device.outcome(await device.order('update', '2.1.0', { app: 'agent' }));
    expect(outcome).toMatchObject({ state: 'rolled-back', running: '2.0.0', problem: { code: 'crashed' } });
    await device.stopAgent();
    await device.startOwnAgent();
    await expectRunning('2.0.0');
  });

  test.each(crashPoints('stopping', 'swapping', 'probing'))('%s of a restart → it was restarted', async (point) => {
    const outcome = await killedAt(point, 'restart', undefined);
    expect(outcome).toMatchObject({ state: 'succeeded', kind: 'restart' });
    await expectRunning('2.0.0');
  });

  async function killedAt(point: string, kind: 'update' | 'restart', version: string | undefined) {
    await device.startOwnAgent(point);
    const update = await device.order(kind, version, { app: 'agent' });
    const outcome = await device.outcome(update);
    expect(readdirSync(device.layout.home)).toContain(`killed-${point.replace(':', '-')}-1`);
    const told = device.outcomes.filter((o) => o.update === update);
    expect(new Set(told.map((o) => JSON.stringify(o))).size).toBe(1);
    return outcome;
  }

  async function expectRunning(version: string) {
    expect(readlinkSync(device.layout.app('agent').current)).toContain(`releases/${version}-`);
    await until('the agent to be without a hold', async () => {
      const agent = (await device.keeper.ask('status', {})).apps.agent;
      return agent?.hold === null && agent.running?.slot.includes(`/${version}-`) && !agent.fellBack;
    });
    await until('the agent to say what it is', () =>
      device.inventory()?.some((a) => a.app === 'agent' && a.version === version),
    );
    expect(await kept('app')).toEqual(app);
    expect(await device.version()).toBe('1.0.0');
    // It does its work: an app is updated.
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
  }
});
