import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { writeArchive } from '../support/artifact.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { programsOf } from '../support/rescue.ts';
import { until } from '../support/until.ts';

/** Updates on a disk that fills up on the way: ext4 on a loop device. Needs the right to mount. */

const usual = tmpdir();
const folder = mkdtempSync(join(usual, 'fettle-full-'));
const small = join(folder, 'small');
mkdirSync(small);
const DISK_BYTES = 220_000_000;
/** The journal's own entries, logs, and folders that were made. */
const KEPT_BYTES = 300_000;

const refusal = (() => {
  try {
    const image = join(folder, 'disk');
    closeSync(openSync(image, 'w'));
    truncateSync(image, DISK_BYTES);
    execFileSync('mkfs.ext4', ['-q', '-m', '0', image], { stdio: 'pipe' });
    execFileSync('mount', ['-o', 'loop', image, small], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
})();

const free = () => {
  const { bavail, bsize } = statfsSync(small);
  return bavail * bsize;
};

afterAll(() => {
  if (refusal === undefined) execFileSync('umount', ['-l', small]);
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(refusal !== undefined)(
  `an update on a disk that fills up${refusal ? ` (not run: ${refusal})` : ''}`,
  () => {
    let device: Device;
    const data = () => join(device.layout.app('app').shared, 'data');
    /** What the failed version left is the user's, and stays. */
    const setAside = () => {
      const failed = join(device.layout.app('app').dir, 'failed');
      return existsSync(failed) ? contents(failed).reduce((sum, [, bytes]) => sum + bytes, 0) : 0;
    };
    const rubbish = () => join(device.layout.home, 'rubbish');
    beforeEach(async () => {
      process.env.TMPDIR = small;
      device = await makeDevice({ probing: '3s' });
      await device.startAgent();
      await device.outcome(await device.order('install', '1.0.0'));
    });
    afterEach(async () => {
      rmSync(rubbish(), { force: true });
      await device.close();
      process.env.TMPDIR = usual;
    });

    /** Orders an update with the disk filling up at a point, and looks at what is left when it has ended. */
    async function fillingAt(point: string, version: string, leave = 0) {
      await device.stopAgent();
      await device.startAgent(`--fill=${point}=${leave}`);
      const before = free();
      const [pid] = programsOf(device);
      const kept = contents(data());
      const outcome = await device.outcome(await device.order('update', version));
      expect(existsSync(rubbish())).toBe(true);
      rmSync(rubbish());
      await until('the app to answer', async () => (await device.version()) === '1.0.0');
      expect(programsOf(device)).toHaveLength(1);
      expect(readlinkSync(device.layout.app('app').current)).toContain('1.0.0-');
      expect(contents(data())).toEqual(kept);
      await until('the space to be back', () => before - free() < KEPT_BYTES + setAside());
      return { outcome, samePid: programsOf(device)[0] === pid };
    }

    /** A release of 40 MB that is 40 kB in its archive. */
    async function publishLarge(): Promise<void> {
      const archive = join(folder, 'large.tar.gz');
      await writeArchive(archive, [
        { name: 'server.mjs', content: '' },
        { name: 'large', content: Buffer.alloc(40_000_000) },
      ]);
      await publish({
        folder: join(device.layout.home, 'releases'),
        app: 'app',
        version: '2.0.0',
        files: [{ platform: 'any', path: archive }],
        clock: { now: () => Date.now(), monotonic: () => performance.now() },
      });
      rmSync(archive);
    }

    it.each([
      { at: 'in the download', point: 'fetching:entered', leave: 0 },
      { at: 'in the first pass of the backup', point: 'fetching:entered', leave: 3_000_000 },
      { at: 'when the slot is sealed', point: 'staged:entered', leave: 0 },
    ])('$at → the app never noticed', async ({ point, leave }) => {
      writeFileSync(join(data(), 'much'), Buffer.alloc(12_000_000, 7));
      const { outcome, samePid } = await fillingAt(point, '1.1.0', leave);
      expect(outcome).toMatchObject({ state: 'failed', problem: { code: 'no_space', retryable: true } });
      expect(samePid).toBe(true);
    });

    it('in the slot, that is unpacked → the app never noticed', async () => {
      await publishLarge();
      const { outcome, samePid } = await fillingAt('fetching:entered', '2.0.0', 5_000_000);
      expect(outcome).toMatchObject({ state: 'failed', problem: { code: 'no_space', retryable: true } });
      expect(samePid).toBe(true);
    });

    it.each([
      { at: 'in the second pass of the backup', point: 'swapping:entered', version: '1.1.0', code: 'no_space' },
      {
        at: 'when going back from a release that is ill',
        point: 'reverting:entered',
        version: '1.2.0',
        code: 'health_failed',
      },
    ])('$at → the old version is back', async ({ point, version, code }) => {
      writeFileSync(join(data(), 'much'), Buffer.alloc(12_000_000, 7));
      const { outcome } = await fillingAt(point, version);
      expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.0.0', problem: { code } });
    });
  },
);

/** Files below a folder, with their sizes. */
function contents(root: string): [name: string, bytes: number][] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }): [string, number] => {
      const path = join(parentPath, name);
      return [relative(root, path), readFileSync(path).length];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
