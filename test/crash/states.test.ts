import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { crashPoints } from '../support/crash-points.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/**
 * The agent is killed with SIGKILL in each state of the table, once right after the state is on disk (`entered`) and
 * once when its work is done but the next state is not on disk (`worked`), on the paths of success and of failure.
 * The keeper starts it again, and the update converges as the table says.
 */
describe('the agent killed in', () => {
  let device: Device;
  let before: string;
  beforeEach(async () => {
    device = await makeDevice({ probing: '2s' });
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
    before = device.data();
    await device.stopAgent();
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  describe('an update to a good release:', () => {
    test.each(crashPoints('received', 'fetching', 'staged', 'waiting', 'starting', 'probing', 'committing'))(
      '%s → goes on and succeeds',
      async (point) => {
        const outcome = await killedAt(point, 'update', '1.1.0');
        expect(outcome).toMatchObject({ state: 'succeeded', from: '1.0.0', to: '1.1.0', proof: 'reported' });
        await expectRunning('1.1.0');
      },
    );

    test.each(crashPoints('stopping', 'swapping'))(
      '%s → the old version runs, no data is brought back',
      async (point) => {
        const outcome = await killedAt(point, 'update', '1.1.0');
        expect(outcome).toMatchObject({
          state: 'rolled-back',
          running: '1.0.0',
          problem: { code: 'interrupted', retryable: true },
        });
        expect(outcome.dataRestored).toBe(false);
        expect(outcome.setAside).toBeUndefined();
        await expectRunning('1.0.0');
        // An interruption is not the release's fault: the next try succeeds.
        expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
      },
    );
  });

  describe('an update to a release that migrates its data and is ill:', () => {
    test.each(
      crashPoints(
        'received',
        'fetching',
        'staged',
        'waiting',
        'starting',
        'probing',
        'reverting',
        'restarting',
        'reprobing',
      ),
    )('%s → rolled back, code and data', async (point) => {
      const outcome = await killedAt(point, 'update', '1.2.0');
      expect(outcome).toMatchObject({
        state: 'rolled-back',
        running: '1.0.0',
        dataRestored: true,
        problem: { code: 'health_failed' },
      });
      await expectRunning('1.0.0');
      const aside = join(device.layout.app('app').dir, outcome.setAside ?? '', 'data', 'store.json');
      expect(readFileSync(aside, 'utf8')).toBe('{"format":2}\n');
    });

    test.each(crashPoints('stopping', 'swapping'))('%s → the old version runs, its data untouched', async (point) => {
      const outcome = await killedAt(point, 'update', '1.2.0');
      expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.0.0', problem: { code: 'interrupted' } });
      expect(outcome.dataRestored).toBe(false);
      await expectRunning('1.0.0');
    });

    test('probing:entered, three times → out of attempts, rolled back', async () => {
      await device.startAgent('--forever', 'probing:entered');
      const update = await device.order('update', '1.2.0');
      const outcome = await device.outcome(update, 60_000);
      expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.0.0', dataRestored: true });
      await expectRunning('1.0.0');
    });
  });

  test.each(crashPoints('discarding'))('%s of a refused artifact → failed, the app never noticed', async (point) => {
    const pid = (await device.keeper.ask('status', {})).apps.app?.running?.pid;
    const release = { version: '1.1.0', channel: 'stable', digest: `sha256-${'0'.repeat(64)}` };
    const outcome = await killedAt(point, 'update', undefined, { release });
    expect(outcome).toMatchObject({ state: 'failed', problem: { code: 'artifact_unverified' }, running: '1.0.0' });
    expect((await device.keeper.ask('status', {})).apps.app?.running?.pid).toBe(pid);
    expect(readdirSync(device.layout.app('app').releases)).toHaveLength(1);
    await expectRunning('1.0.0');
  });

  test.each(['fetching:entered', 'probing:entered', 'reverting:entered', 'committing:worked'])(
    '%s, twice in a row → converges all the same',
    async (point) => {
      const ill = point.startsWith('reverting');
      await device.startAgent('--twice', point);
      const outcome = await device.outcome(await device.order('update', ill ? '1.2.0' : '1.1.0'));
      expect(outcome.state).toBe(ill ? 'rolled-back' : 'succeeded');
      await expectRunning(ill ? '1.0.0' : '1.1.0');
    },
  );

  async function killedAt(point: string, kind: 'update', version: string | undefined, more = {}) {
    await device.startAgent(point);
    const update = await device.order(kind, version, more);
    const outcome = await device.outcome(update);
    // The kill did happen: a test that never killed would prove nothing.
    expect(readdirSync(device.layout.home)).toContain(`killed-${point.replace(':', '-')}-1`);
    // One outcome, the same however often it was offered.
    const told = device.outcomes.filter((o) => o.update === update);
    expect(new Set(told.map((o) => JSON.stringify(o))).size).toBe(1);
    return outcome;
  }

  async function expectRunning(version: string) {
    expect(await until('the app to answer', () => device.version())).toBe(version);
    expect(device.data()).toBe(before);
    const kept = (await device.keeper.ask('status', {})).apps.app;
    expect(kept).toMatchObject({ desired: 'running', hold: null });
    expect(processesOf(device)).toHaveLength(1);
    const slot = readlinkSync(device.layout.app('app').current);
    expect(slot).toContain(`releases/${version}-`);
  }
});

/** Processes of the app's program, whoever started them: more than one means that it was run twice. */
function processesOf(device: Device): string[] {
  const releases = device.layout.app('app').releases;
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const program = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return program[0]?.endsWith('node') === true && readlinkSync(`/proc/${pid}/cwd`).startsWith(releases);
    } catch {
      return false;
    }
  });
}
