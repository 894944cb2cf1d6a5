import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { packFettle } from '../support/fettle-release.ts';
import { type Home, makeHome } from '../support/home.ts';
import { RELEASE_KEY, RELEASE_KEYS } from '../support/release-key.ts';
import { until } from '../support/until.ts';

/** Hub and agent started by hand, as in a container that runs nothing else: nobody starts them again. */
describe('an agent without a keeper', { timeout: 120_000 }, () => {
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  let home: Home;
  let packs: string;
  beforeEach(() => {
    home = makeHome();
    packs = mkdtempSync(join(tmpdir(), 'fettle-packs-'));
    writeFileSync(
      home.layout.config,
      `fettle: {source: folder releases/fettle, ${RELEASE_KEYS}, for: 500ms, deadlines: {probing: 5s}}\n`,
    );
  });
  afterEach(async () => {
    await home.close();
    rmSync(packs, { recursive: true, force: true });
  }, 60_000);

  const say = (text: string) => home.fettle(['say', text, '--timeout', '60']);
  const startTime = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19];
  const connected = () =>
    until('the agent to be connected', async () => (await say('/update status agent')).out.includes('healthy'), 60_000);

  async function offer(version: string, fault?: string): Promise<void> {
    const path = await packFettle(packs, { version, ...(fault === undefined ? {} : { fault }) });
    const folder = join(home.layout.releases, 'fettle');
    await publish({ folder, app: 'fettle', version, files: [{ platform: 'any', path }], clock, key: RELEASE_KEY });
  }

  test('becomes the new one in place, and the one before where that does not reach the hub', async () => {
    await offer('0.9.1');
    home.start(['hub']);
    const agent = home.start(['agent']);
    const pid = agent.pid ?? 0;
    await connected();
    const before = startTime(pid);

    const said = await say('/update now agent');
    expect(said.out).toContain('agent is back online, 0.9.1');
    expect(said.code).toBe(0);
    expect(agent.exitCode).toBeNull();
    expect(startTime(pid)).toBe(before);
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain(
      readlinkSync(home.layout.app('agent').current) && 'agent',
    );
    expect(readlinkSync(home.layout.app('agent').current)).toContain('releases/0.9.1-');
    expect((await say('/update status agent')).out).toContain('agent 0.9.1: healthy');

    await offer(
      '0.9.2',
      `if (role === 'agent') {
        const { default: http } = await import('node:http');
        const { request } = http;
        http.request = (options, ...rest) => request({ ...options, port: 9 }, ...rest);
        (await import('node:module')).syncBuiltinESMExports();
      }`,
    );
    const failed = await say('/update now agent@0.9.2');
    expect(failed.out).toContain('agent 0.9.2 failed and was rolled back');
    expect(failed.code).toBe(1);
    expect(startTime(pid)).toBe(before);
    expect(readlinkSync(home.layout.app('agent').current)).toContain('releases/0.9.1-');

    // Started again from what it came with (an older image): what is installed goes on.
    agent.kill('SIGKILL');
    home.start(['agent']);
    await until(
      'the agent to be back',
      async () => (await say('/update status agent')).out.includes('agent 0.9.1: healthy'),
      60_000,
    );
  });

  test('a new one that crashes is given up at the third start from outside; the one before goes on, and says so', async () => {
    await offer('0.9.1', `if (role === 'agent' && !rehearsing) process.exit(9);`);
    home.start(['hub']);
    // What a container's restart policy does.
    let starts = 0;
    let over = false;
    const run = () => {
      starts += 1;
      home.start(['agent']).once('exit', () => !over && run());
    };
    run();
    await connected();
    const said = await say('/update now agent');
    over = true;
    expect(said.out).toContain('agent 0.9.1 failed and was rolled back');
    expect(said.out).toContain('did not come up');
    expect(starts).toBe(4);
    expect(readlinkSync(home.layout.app('agent').current)).toContain('releases/0.1.0-');
    expect((await say('/update status agent')).out).toMatch(/agent 0\.1\.0: healthy[\s\S]*failed here: 0\.9\.1/);
  });

  test('the hub has nobody who could update it, and says so', async () => {
    home.start(['hub']);
    home.start(['agent']);
    await connected();
    const said = await say('/update now hub');
    expect(said.out).toContain('No agent here can update hub');
    expect(said.code).toBe(1);
  });
});
