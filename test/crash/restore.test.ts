import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { crashPoints } from '../support/crash-points.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

const OLD = '{"format":1,"notes":["kept"]}\n';
const NEWER = '{"format":1,"notes":["newer"]}\n';

/**
 * The agent is killed with SIGKILL in each state of a restore: right after the state is on disk (`entered`), when its
 * work is done but the next state is not on disk (`worked`), and when data has been moved but that is not on disk
 * (`moved`). The app ends up on the one data or the other, whole, and nothing of either is lost.
 */
describe('the agent killed in', () => {
  let device: Device;
  beforeEach(async () => {
    device = await makeDevice({ probing: '2s' });
    await device.startAgent();
    await device.outcome(await device.order('install', '1.0.0'));
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ backup: 1 });
    expect(device.data()).toBe(OLD);
    writeFileSync(inApp('shared', 'data', 'store.json'), NEWER);
    await device.stopAgent();
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  const inApp = (...path: string[]) => join(device.layout.app('app').dir, ...path);

  describe('a restore that works:', () => {
    test.each([...crashPoints('received', 'staged', 'waiting', 'starting', 'probing', 'committing'), 'starting:moved'])(
      '%s → goes on and succeeds',
      async (point) => {
        const { outcome } = await killedAt(point);
        expect(outcome).toMatchObject({ state: 'succeeded', running: '1.1.0', backup: 2, restored: { seq: 1 } });
        await expectRunningOn(OLD);
        expect(readFileSync(inApp('backups', '2', 'data', 'data', 'store.json'), 'utf8')).toBe(NEWER);
        expect(existsSync(inApp('replaced'))).toBe(false);
      },
    );

    test.each(crashPoints('stopping', 'swapping'))('%s → runs on, its data untouched', async (point) => {
      const { outcome } = await killedAt(point);
      expect(outcome).toMatchObject({ state: 'rolled-back', dataRestored: false, problem: { code: 'interrupted' } });
      expect(outcome.setAside).toBeUndefined();
      await expectRunningOn(NEWER);
      const again = await device.outcome(await device.order('restore', undefined, { backupSeq: 1 }));
      expect(again).toMatchObject({ state: 'succeeded' });
      await expectRunningOn(OLD);
    });
  });

  const failing = [
    ...crashPoints('starting', 'probing', 'reverting', 'restarting', 'reprobing'),
    'starting:moved',
    'reverting:moved',
  ];
  describe.each([
    ['with a backup of the data from before', true],
    ['with backups off', false],
  ])('a restore on which the app is ill, %s:', (_what, backup) => {
    test.each(failing)('%s → the data from before is back', async (point) => {
      device.poison(1);
      const { outcome, update } = await killedAt(point, { backup });
      expect(outcome).toMatchObject({
        state: 'rolled-back',
        running: '1.1.0',
        dataRestored: true,
        setAside: `failed/${update}`,
        problem: { code: 'health_failed' },
      });
      await expectRunningOn(NEWER);
      expect(readdirSync(inApp('failed', update, 'data')).sort()).toEqual(['store.json', 'written-by-ill']);
    });
  });

  test('starting:moved, twice in a row → converges all the same', async () => {
    const { outcome } = await killedAt('starting:moved', {}, '--twice');
    expect(outcome).toMatchObject({ state: 'succeeded' });
    await expectRunningOn(OLD);
  });

  async function killedAt(point: string, more = {}, ...flags: string[]) {
    await device.startAgent(...flags, point);
    const update = await device.order('restore', undefined, { backupSeq: 1, ...more });
    const outcome = await device.outcome(update);
    // The kill did happen: a test that never killed would prove nothing.
    expect(readdirSync(device.layout.home)).toContain(`killed-${point.replace(':', '-')}-1`);
    return { outcome, update };
  }

  async function expectRunningOn(data: string) {
    expect(await until('the app to answer', () => device.version())).toBe('1.1.0');
    expect(device.data()).toBe(data);
    // Nothing half-way is left beside it, and the backup itself stays.
    expect(readdirSync(inApp('shared'))).toEqual(['data']);
    expect(readdirSync(inApp('shared', 'data'))).toEqual(['store.json']);
    expect(existsSync(inApp('backups', '1', 'manifest.json'))).toBe(true);
    expect((await device.keeper.ask('status', {})).apps.app).toMatchObject({ desired: 'running', hold: null });
  }
});
