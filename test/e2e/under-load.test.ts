import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { writeArchive } from '../support/artifact.ts';
import { packFettle } from '../support/fettle-release.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, makeHome } from '../support/home.ts';
import { type Load, type LoadReport, startLoad } from '../support/load.ts';
import { RELEASE_KEY, RELEASE_KEYS } from '../support/release-key.ts';
import { until } from '../support/until.ts';

/**
 * What people use while Fettle is changed or killed under it: a kept app at 1,000 requests a second, each on a new
 * connection. Not one may fail, and the process that answers stays the same one.
 */

const RATE = 1_000;
const NEXT = '0.9.1';
const clock = { now: () => Date.now(), monotonic: () => performance.now() };
/** A backlog for a machine that is busy: what waits is late, and not lost. */
const SERVER = `import { createServer } from 'node:http';
createServer((_, response) => response.setHeader('connection', 'close').end('pid ' + process.pid))
  .listen({ port: process.env.PORT, host: '127.0.0.1', backlog: 4096 });
process.on('SIGTERM', () => process.exit(0));
`;

describe('under 1,000 requests a second', { timeout: 120_000 }, () => {
  let pack: string;
  let home: Home;
  let load: Load | undefined;
  let port: number;

  beforeAll(() => {
    pack = mkdtempSync(join(tmpdir(), 'fettle-pack-'));
  });
  afterAll(() => rmSync(pack, { recursive: true, force: true }));
  beforeEach(async () => {
    home = makeHome();
    port = await freePort();
    const releases = join(home.layout.releases, 'app');
    makeFolder(releases);
    const path = join(home.layout.home, 'app.tar.gz');
    await writeArchive(path, [{ name: 'server.mjs', content: SERVER }]);
    await publish({ folder: releases, app: 'app', version: '1.0.0', files: [{ platform: 'any', path }], clock });
    writeFileSync(
      home.layout.config,
      `fettle: {source: folder releases/fettle, ${RELEASE_KEYS}, for: 1s}
apps:
  app:
    source: folder releases/app
    install: 1.0.0
    run: node server.mjs
    env: {PORT: ${port}}
    healthy: {http: "http://127.0.0.1:${port}/", for: 500ms, every: 100ms}
`,
    );
  });
  afterEach(async () => {
    load?.kill();
    load = undefined;
    await home.close();
  });

  const pidsOf = (role: string) =>
    home
      .processes()
      .filter(({ command }) => command.includes(` ${role} --home`) && !command.startsWith('/bin/sh'))
      .map(({ pid }) => pid);
  const pidOf = (role: string) => pidsOf(role)[0];
  const appPids = () =>
    home
      .processes()
      .filter(({ command }) => /node server\.mjs/.test(command) && !/sh -c/.test(command))
      .map(({ pid }) => pid);

  /** Everything runs, and so does the load. */
  async function startUnderLoad(): Promise<Load> {
    const up = await home.fettle(['up', '--detach']);
    expect(up.code, up.out + up.err).toBe(0);
    await until('one process of the app', () => appPids().length === 1);
    const started = startLoad(port, RATE);
    load = started;
    await until('the load', async () => (await started.report()).answered > RATE / 2);
    return started;
  }

  /** A second more of the load, so that what comes late is seen. */
  async function onward(running: Load): Promise<void> {
    const { sent } = await running.report();
    await until('a second of load', async () => (await running.report()).answered > sent + RATE, 30_000);
  }

  function expectUnharmed(seen: LoadReport, pid: number | undefined): void {
    console.log(
      `${seen.sent} sent in ${seen.seconds.toFixed(1)} s, ${seen.failed} failed, slowest ${seen.slowestMs.toFixed(0)} ms`,
    );
    expect({ failed: seen.failed, failures: seen.failures, pids: seen.pids }).toEqual({
      failed: 0,
      failures: {},
      pids: [pid],
    });
    expect(seen.answered).toBe(seen.sent);
    // Sent in time, by and large: a generator that stood still would have seen nothing.
    expect(seen.sent).toBeGreaterThan(seen.seconds * RATE * 0.9);
  }

  test('the agent and its keeper are updated: no request fails, the app is the same process', async () => {
    const folder = join(home.layout.releases, 'fettle');
    makeFolder(folder);
    const path = await packFettle(pack, { version: NEXT });
    await publish({
      folder,
      app: 'fettle',
      version: NEXT,
      files: [{ platform: 'any', path }],
      clock,
      key: RELEASE_KEY,
    });
    const running = await startUnderLoad();
    const before = { hub: pidOf('hub'), agent: pidOf('agent'), keeper: pidOf('keeper'), app: appPids()[0] };

    const said = await home.fettle(['say', '/update now agent', '--timeout', '100']);
    expect(said.out).toContain(`agent is back online, ${NEXT}`);
    expect(said.code).toBe(0);
    await until('the keeper to be the new one', () => {
      const keeper = pidOf('keeper');
      return keeper !== undefined && keeper !== before.keeper;
    });
    await until('the new keeper to serve', async () => (await home.fettle(['status'])).code === 0);
    await onward(running);

    expectUnharmed(await running.end(), before.app);
    expect(appPids()).toEqual([before.app]);
    expect(pidsOf('agent')).toHaveLength(1);
    expect(pidOf('agent')).not.toBe(before.agent);
    expect(pidOf('hub')).toBe(before.hub);
    expect(readlinkSync(home.layout.keeper.current)).toContain(`releases/${NEXT}-`);
  });

  test('the keeper is killed: the next one adopts the app, which runs once, and keeps it', async () => {
    const running = await startUnderLoad();
    const before = { hub: pidOf('hub'), agent: pidOf('agent'), app: appPids()[0] };
    // Twice: the second takes over what the first had adopted.
    for (const time of ['first', 'second']) {
      const keeper = pidOf('keeper');
      process.kill(keeper ?? Number.NaN, 'SIGKILL');
      await until(`the ${time} heir`, () => {
        const [heir] = pidsOf('keeper');
        return heir !== undefined && heir !== keeper;
      });
      await until('the keeper to know the app', async () => {
        const status = await home.fettle(['say', '/update status app']);
        return status.out.includes('healthy');
      });
    }
    await onward(running);
    expectUnharmed(await running.end(), before.app);
    expect(appPids()).toEqual([before.app]);
    expect([pidOf('hub'), pidOf('agent')]).toEqual([before.hub, before.agent]);
    expect(pidsOf('keeper')).toHaveLength(1);

    // What the load would have told: the app is killed, and the heir of the heir starts it again.
    const again = startLoad(port, RATE);
    load = again;
    await until('the load', async () => (await again.report()).answered > 0);
    process.kill(before.app ?? Number.NaN, 'SIGKILL');
    await until('another process to answer', async () => (await again.report()).pids.length === 2);
    const seen = await again.end();
    expect(seen.failed).toBeGreaterThan(0);
    expect(seen.answered + seen.failed).toBe(seen.sent);
    expect(seen.pids).toEqual([before.app, ...appPids()]);
  });
});
