import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { addRawRelease } from '../support/raw-release.ts';
import { npmCli } from '../support/registry.ts';
import { until } from '../support/until.ts';

/** A real ELF program in versions that somebody else published: esbuild, from the registry that this user's npm names. */

const [OLD, NEW] = ['0.25.0', '0.25.1'];
const folder = mkdtempSync(join(tmpdir(), 'fettle-esbuild-'));
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

const why = process.arch !== 'x64' ? `this is ${process.arch}` : unreachable();
const tools = ['setcap', 'getcap', 'setfacl', 'getfacl'].filter((tool) => !isThere(tool));

describe.skipIf(why !== undefined)(`esbuild in place${why ? ` (not run: ${why})` : ''}`, () => {
  let device: Device;
  let server: FeedServer;
  let robot: string;
  let releases: string;
  beforeAll(async () => {
    device = await makeDevice({
      other: async (of) => {
        releases = of.releases;
        robot = join(of.home, 'opt', 'robot');
        mkdirSync(dirname(robot));
        for (const version of [OLD, NEW]) {
          const files = [{ platform: 'linux-x64', path: binary('linux-x64', version) }];
          await publish({ folder: of.releases, app: 'app', version, files, clock });
        }
        server = await serveFolder(of.releases);
        return `apps:
  app:
    source: feed ${server.url}
    trust: source
    binary: ${robot}
    run: ${robot} --servedir=. --serve=127.0.0.1:${of.port} --watch=forever
    healthy: {http: "http://127.0.0.1:${of.port}/", every: 50ms, checks: 2, for: 200ms}
    stop: {grace: 2s}
`;
      },
    });
    await device.startAgent();
    expect(await device.outcome(await device.order('install', OLD))).toMatchObject({ state: 'succeeded' });
  }, 120_000);
  afterAll(async () => {
    await device?.close();
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test(`goes from ${OLD} to ${NEW} and back${tools.length > 0 ? ` (capabilities and ACL not looked at: no ${tools.join(', ')})` : ''}`, async () => {
    expect(said()).toBe(OLD);
    if (tools.length === 0) {
      execFileSync('setcap', ['cap_net_bind_service+ep', robot]);
      execFileSync('setfacl', ['-m', 'u:nobody:rx', robot]);
    }
    expect(await device.outcome(await device.order('update', NEW))).toMatchObject({
      state: 'succeeded',
      from: OLD,
      to: NEW,
      proof: 'slot',
    });
    expect(said()).toBe(NEW);
    if (tools.length === 0) {
      expect(execFileSync('getcap', [robot], { encoding: 'utf8' })).toContain('cap_net_bind_service=ep');
      expect(execFileSync('getfacl', ['-cp', robot], { encoding: 'utf8' })).toContain('user:nobody:r-x');
    }
    expect(await device.outcome(await device.order('rollback'))).toMatchObject({ state: 'succeeded', running: OLD });
    expect(said()).toBe(OLD);
  }, 60_000);

  const good = () => readFileSync(binary('linux-x64', NEW));
  test.each([
    ['truncated', () => ({ content: good().subarray(0, 9_000_000) }), 'artifact_invalid', /cut off/],
    [
      'for arm64',
      () => ({ content: readFileSync(binary('linux-arm64', NEW)) }),
      'artifact_wrong_platform',
      /it is for linux-arm64; this device is linux-x64/,
    ],
    [
      'a web page',
      () => ({ content: Buffer.from('<!DOCTYPE html><title>Sign in</title>') }),
      'artifact_invalid',
      /it is a web page/,
    ],
    ['of another hash', () => ({ content: good(), sha256: '0'.repeat(64) }), 'artifact_mismatch', /sha256/],
  ] as const)(
    'refuses one that is %s, and leaves nothing behind',
    async (name, make, code, reason) => {
      const version = `0.26.${['truncated', 'for arm64', 'a web page', 'of another hash'].indexOf(name)}`;
      addRawRelease(releases, { version, file: 'esbuild', ...make() });
      const seen = () => [
        readdirSync(dirname(robot)).sort(),
        hashOf(robot),
        readdirSync(device.layout.app('app').releases).sort(),
      ];
      const before = seen();
      const pid = (await device.keeper.ask('status', {})).apps.app?.running?.pid;
      const outcome = await device.outcome(await device.order('update', version));
      expect(outcome).toMatchObject({ state: 'failed', problem: { code } });
      expect(String(outcome.problem?.data.reason)).toMatch(reason);
      expect(seen()).toEqual(before);
      expect(existsSync(device.layout.app('app').tmp)).toBe(false);
      expect((await device.keeper.ask('status', {})).apps.app?.running?.pid).toBe(pid);
    },
    60_000,
  );

  test('goes on with a download that broke off', async () => {
    // Its last byte another, so that it is none that is there.
    const content = Buffer.concat([good(), Buffer.from('x')]);
    addRawRelease(releases, { version: '0.27.0', file: 'esbuild', content });
    // Of the index, which comes first, that is the whole.
    server.habits.dropAt = { bytes: 3_000_000, times: 2 };
    const update = await device.order('update', '0.27.0');
    expect(await device.outcome(update)).toMatchObject({ state: 'succeeded' });
    const asked = server.requests.filter(({ path }) => path.includes('0.27.0'));
    expect(asked.map(({ status }) => status)).toEqual([200, 206]);
    expect(asked[1]?.range).toMatch(/^bytes=[1-9]/);
    expect(hashOf(robot)).toBe(createHash('sha256').update(content).digest('hex'));
    // What lies beside it: what runs, and the one before.
    expect(readdirSync(dirname(robot)).filter((name) => name.startsWith('.'))).toHaveLength(2);
  }, 60_000);

  test('begins a download anew where the file has changed while the agent was away', async () => {
    const content = Buffer.concat([good(), Buffer.from('xy')]);
    addRawRelease(releases, { version: '0.28.0', file: 'esbuild', content });
    server.habits.stallAt = { bytes: 3_000_000, times: 2 };
    const update = await device.order('update', '0.28.0');
    const part = () => readdirSync(dirname(robot)).find((name) => /0\.28\.0-\w+\.part$/.test(name));
    const bytes = () => statSync(join(dirname(robot), part() ?? ''), { throwIfNoEntry: false })?.size ?? 0;
    await until('a part of it', () => part() !== undefined && bytes() >= 1_000_000);
    expect(statSync(join(dirname(robot), part() ?? '')).mode & 0o777).toBe(0o600);
    await device.stopAgent();
    server.habits.salt = 'changed';
    await device.startAgent();
    expect(await device.outcome(update)).toMatchObject({ state: 'succeeded' });
    const asked = server.requests.filter(({ path }) => path.includes('0.28.0'));
    expect(asked.map(({ status }) => status)).toEqual([200, 200]);
    expect(asked[1]?.range).toMatch(/^bytes=[1-9]/);
    expect(hashOf(robot)).toBe(createHash('sha256').update(content).digest('hex'));
  }, 60_000);

  const said = () => execFileSync(robot, ['--version'], { encoding: 'utf8' }).trim();
});

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function isThere(tool: string): boolean {
  return (process.env.PATH ?? '').split(':').some((place) => existsSync(join(place, tool)));
}

/** The program of a published package. */
function binary(platform: string, version: string): string {
  const place = join(folder, `${platform}-${version}`);
  const file = join(place, 'package', 'bin', 'esbuild');
  if (existsSync(file)) return file;
  mkdirSync(place, { recursive: true });
  npmPack(`@esbuild/${platform}@${version}`, place);
  const packed = readdirSync(place).find((name) => name.endsWith('.tgz')) ?? '';
  execFileSync('tar', ['xzf', join(place, packed), '-C', place]);
  return file;
}

function npmPack(name: string, into: string): void {
  const args = [npmCli, 'pack', name, '--ignore-scripts', `--cache=${join(folder, 'cache')}`];
  execFileSync(process.execPath, args, { cwd: into, stdio: 'ignore', timeout: 60_000 });
}

function unreachable(): string | undefined {
  try {
    binary('linux-x64', OLD);
    return undefined;
  } catch {
    return 'the registry does not answer';
  }
}
