import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Device, makeDevice } from '../support/device.ts';
import { programsOf, rescue } from '../support/rescue.ts';
import { until } from '../support/until.ts';

/** A home on a disk that is full, or read-only: a tmpfs. Needs the right to mount. */

const usual = tmpdir();
const folder = mkdtempSync(join(usual, 'fettle-full-'));
const small = join(folder, 'small');
mkdirSync(small);

const refusal = (() => {
  try {
    mount();
    execFileSync('umount', [small]);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
})();

function mount(): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128M', 'tmpfs', small], { stdio: 'pipe' });
}

/** Waits for whoever was killed to let go of its log. */
async function remount(how: 'ro' | 'rw'): Promise<void> {
  await until(`the disk to be ${how}`, () => {
    execFileSync('mount', ['-o', `remount,${how}`, small], { stdio: 'pipe' });
    return true;
  });
}

const rubbish = join(small, 'rubbish');

/** To the last byte. */
function fill(): void {
  for (const size of [1_000_000, 4_096, 1]) {
    try {
      for (;;) appendFileSync(rubbish, Buffer.alloc(size, 1));
    } catch {
      // Full, in steps of this size.
    }
  }
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(refusal !== undefined)(`rescue on a disk${refusal ? ` (not run: ${refusal})` : ''}`, () => {
  let device: Device;
  const current = () => device.layout.app('app').current;
  beforeEach(async () => {
    mount();
    process.env.TMPDIR = small;
    device = await makeDevice({ probing: '3s' });
    await device.startAgent();
    await device.outcome(await device.order('install', '1.0.0'));
  }, 60_000);
  afterEach(async () => {
    await remount('rw');
    rmSync(rubbish, { force: true });
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    await device.close();
    process.env.TMPDIR = usual;
    execFileSync('umount', ['-l', small]);
  }, 60_000);

  async function expectRunning(version: string) {
    expect(await until('the app to answer', () => device.version())).toBe(version);
    expect(programsOf(device)).toHaveLength(1);
    expect(readlinkSync(current())).toContain(`releases/${version}-`);
  }

  it.each([true, false])('that is full, with the agent reserve there: %s → last-good runs', async (reserve) => {
    await device.outcome(await device.order('update', '1.1.0'));
    await device.killAll();
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    rmSync(join(device.layout.app('app').dir, readlinkSync(current()), '.fettle', 'slot.json'));
    if (!reserve) rmSync(join(device.layout.agent.dir, 'ballast'));
    fill();
    const { code, report, text } = await rescue(device);
    expect({ code, report }, text).toMatchObject({ code: 0, report: { result: 'well', version: '1.0.0' } });
    await expectRunning('1.0.0');
  });

  it('that is full, in the middle of an update → code and data as before', async () => {
    const data = device.data();
    await device.stopAgent();
    await device.startAgent('--forever', 'probing:entered');
    const update = await device.order('update', '1.2.0');
    await until('the new version to migrate', () => device.data().includes('"format":2'));
    await device.killAll();
    fill();
    const { code, report, text } = await rescue(device);
    expect({ code, report }, text).toMatchObject({
      code: 0,
      report: { version: '1.0.0', update: { id: update, state: 'rolled-back', dataRestored: true } },
    });
    await expectRunning('1.0.0');
    expect(device.data()).toBe(data);
  });

  it('that is read-only → what there is runs; what would need a change says why not', async () => {
    await device.killAll();
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    await remount('ro');
    const { code, report, text } = await rescue(device);
    expect({ code, report }, text).toMatchObject({ code: 0, report: { result: 'well', version: '1.0.0' } });
    await expectRunning('1.0.0');
    expect(await rescue(device)).toMatchObject({ code: 0, report: { already: true, pid: report.pid } });
    for (const pid of programsOf(device)) process.kill(pid, 'SIGKILL');
    await remount('rw');
    rmSync(current());
    await remount('ro');
    const refused = await rescue(device);
    expect(refused).toMatchObject({ code: 2, report: { result: 'not-started', problem: { code: 'io_failed' } } });
  });
});
