import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { writeArchive } from '../support/artifact.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { type FettleRelease, packFettle } from '../support/fettle-release.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, makeHome } from '../support/home.ts';
import { RELEASE_KEY, RELEASE_KEYS } from '../support/release-key.ts';
import { until } from '../support/until.ts';

/**
 * `/update now hub` and `/update now agent`, as a user types them: the shipped bundle, releases made by `npm pack`,
 * a chat that stays attached, an app whose download goes on meanwhile.
 */

const NEXT = '0.9.1';
const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const SERVER = (version: string) => `import { createServer } from 'node:http';
createServer((_, response) => response.end(JSON.stringify({ version: '${version}' }))).listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;

/** Fails only where it matters: a rehearsal would have found it otherwise. */
const FAULTS = {
  good: { migration: `await db.schema.createTable('later').addColumn('id', 'text').execute();` },
  'hub exits at start': {
    fault: `if (role === 'hub' && !rehearsing) { console.error('no luck, token=abcdef0123456789'); process.exit(9); }`,
  },
  'hub never healthy': {
    fault: `if (role === 'hub') {
      const { default: http } = await import('node:http');
      const { writeHead } = http.ServerResponse.prototype;
      http.ServerResponse.prototype.writeHead = function (status, ...rest) {
        return writeHead.call(this, this.req.url === '/healthz' ? 503 : status, ...rest);
      };
    }`,
  },
  'migration fails': { migration: `if (!rehearsing) throw new Error('no such column: colour');` },
  'migration fails in rehearsal': { migration: `throw new Error('no such column: colour');` },
  'agent exits at start': { fault: `if (role === 'agent' && !rehearsing) process.exit(9);` },
  'agent hangs': {
    fault: `if (role === 'agent' && !rehearsing) await new Promise(() => setInterval(() => {}, 1_000));`,
  },
  'agent never reaches the hub': {
    fault: `if (role === 'agent') {
      const { default: http } = await import('node:http');
      const { request } = http;
      http.request = (options, ...rest) => request({ ...options, port: 9 }, ...rest);
      (await import('node:module')).syncBuiltinESMExports();
    }`,
  },
} as const satisfies Record<string, Partial<FettleRelease>>;
type Fault = keyof typeof FAULTS;

describe('Fettle updates itself:', { timeout: 240_000 }, () => {
  let packs: string;
  let home: Home;
  let feed: FeedServer;
  let port: number;
  const packed = new Map<Fault, Promise<string>>();

  beforeAll(() => {
    packs = mkdtempSync(join(tmpdir(), 'fettle-packs-'));
  });
  afterAll(() => rmSync(packs, { recursive: true, force: true }));

  beforeEach(async () => {
    home = makeHome();
    port = await freePort();
    const releases = join(home.layout.home, 'published');
    for (const version of ['1.0.0', '1.1.0']) {
      const path = join(home.layout.home, `app-${version}.tar.gz`);
      await writeArchive(path, [
        { name: 'server.mjs', content: SERVER(version) },
        { name: 'filler', content: randomBytes(400_000) },
      ]);
      await publish({
        folder: releases,
        app: 'app',
        version,
        files: [{ platform: 'any', path }],
        clock,
        key: RELEASE_KEY,
      });
    }
    feed = await serveFolder(releases);
    writeFileSync(
      home.layout.config,
      `fettle: {source: folder releases/fettle, ${RELEASE_KEYS}, for: 1s, deadlines: {probing: 6s}}
apps:
  app:
    source: feed ${feed.url}/
    ${RELEASE_KEYS}
    install: 1.0.0
    run: node server.mjs
    env: {PORT: ${port}}
    healthy: {http: "http://127.0.0.1:${port}/", version: .version, for: 500ms, every: 100ms}
`,
    );
  }, 60_000);
  afterEach(async () => {
    await home.close();
    await feed.close();
  }, 60_000);

  /** Starts everything, with a release of Fettle on offer that has (or lacks) a fault. */
  async function startWith(fault: Fault): Promise<void> {
    const path = await (packed.get(fault) ??
      (() => {
        const made = packFettle(join(packs, fault.replaceAll(' ', '-')), { version: NEXT, ...FAULTS[fault] });
        packed.set(fault, made);
        return made;
      })());
    const folder = join(home.layout.releases, 'fettle');
    makeFolder(folder);
    await publish({
      folder,
      app: 'fettle',
      version: NEXT,
      files: [{ platform: 'any', path }],
      clock,
      key: RELEASE_KEY,
    });
    expect((await home.fettle(['up', '--detach'])).code).toBe(0);
  }

  const say = (text: string) => home.fettle(['say', text, '--timeout', '200']);
  const pidOf = (role: string) =>
    home.processes().find((p) => p.command.includes(` ${role} --home`) && !p.command.startsWith('/bin/sh'))?.pid;
  const appPid = () =>
    home.processes().find((p) => /node server\.mjs/.test(p.command) && !/sh -c/.test(p.command))?.pid;
  const current = (app: string) => readlinkSync(home.layout.app(app).current);
  function query<T>(sql: string): T[] {
    const db = new BetterSqlite3(home.layout.hub.db, { readonly: true });
    try {
      return db.prepare(sql).all() as T[];
    } finally {
      db.close();
    }
  }
  /** Exactly one final answer of the app's update was written, and it is delivered. */
  async function expectOneAnswer(app: string): Promise<void> {
    const finals = () =>
      query<{ state: string }>(
        `select state from outbox where key in (select id || '/final' from updates where app = '${app}' and route is not null)`,
      );
    expect(finals()).toHaveLength(1);
    await until('the answer to be delivered', () => finals()[0]?.state === 'sent');
  }
  const migrations = () => query<{ name: string }>('select name from kysely_migration').map(({ name }) => name);

  test('the hub, while a chat is attached and an app is in mid-download', async () => {
    await startWith('good');
    const before = { hub: pidOf('hub'), agent: pidOf('agent'), keeper: pidOf('keeper') };
    expect(migrations()).not.toContain('9999-later');

    feed.habits.slow = { pieces: 60, everyMs: 250 };
    const app = say('/update now app');
    await until(
      'the download to be under way',
      () => query(`select 1 from updates where app = 'app' and state = 'fetching'`).length > 0,
    );
    const hub = await say('/update now hub');
    expect(hub.out).toMatch(new RegExp(`hub is back online, ${NEXT}, outage \\d+\\.\\d s`));
    expect(hub.out).toContain(`version: 0.1.0 → ${NEXT}`);
    expect(hub.out).toContain('proof: reported its version');
    expect(hub.code).toBe(0);
    // The download was under way all the while, and ends as it should.
    expect(query(`select state from updates where app = 'app' and final_state is null`)).toEqual([
      { state: 'fetching' },
    ]);
    const downloads = () => feed.requests.filter((r) => r.path.endsWith('.tar.gz') && r.path.includes('1.1.0'));
    expect((await app).out).toContain('app is back online, 1.1.0');
    expect(downloads().map((r) => r.range)).toEqual([undefined]);

    expect(pidOf('hub')).not.toBe(before.hub);
    expect(pidOf('agent')).toBe(before.agent);
    expect(pidOf('keeper')).toBe(before.keeper);
    expect(current('hub')).toContain(`releases/${NEXT}-`);
    expect(migrations()).toContain('9999-later');
    await expectOneAnswer('hub');
    expect((await say('/update status hub')).out).toContain(`hub ${NEXT}: healthy`);
    // Nobody is told a second time.
    expect((await home.fettle(['chat'], '/help\n')).out).not.toContain('back online');

    // And back: the older hub runs on the newer schema.
    const back = await say('/update rollback hub');
    expect(back.out).toContain('hub is back online at its earlier version, 0.1.0');
    expect(migrations()).toContain('9999-later');
    expect((await say('/update history hub')).out).toContain(NEXT);
  });

  test.each<[Fault, RegExp]>([
    ['hub exits at start', /it ended with status 9/],
    ['hub never healthy', /it answers with 503/],
    ['migration fails', /status 2/],
  ])('%s: the old one is back on the same database, and has forgotten nothing', async (fault, why) => {
    await startWith(fault);
    // Of the time before, and of the time between: an app's update that begins and ends while the hub is changed.
    await say('/update status app');
    feed.habits.slow = { pieces: 20, everyMs: 100 };
    const app = say('/update now app');
    await until(
      'the download to be under way',
      () => query(`select 1 from updates where app = 'app' and state = 'fetching'`).length > 0,
    );
    const said = await say('/update now hub');
    expect(said.out).toContain(`hub ${NEXT} failed and was rolled back`);
    expect(said.out).toMatch(why);
    expect(said.out).not.toContain('abcdef0123456789');
    expect(said.code).toBe(1);
    expect((await app).out).toContain('app is back online, 1.1.0');
    expect(current('hub')).toContain('releases/0.1.0-');
    await expectOneAnswer('hub');
    await expectOneAnswer('app');
    expect((await say('/update status hub')).out).toMatch(/hub 0\.1\.0: healthy[\s\S]*failed here: 0\.9\.1/);
    const history = (await say('/update history')).out;
    expect(history).toMatch(/app .*1\.0\.0 → 1\.1\.0 .*updated/);
    expect(history).toMatch(/hub .*0\.1\.0 → 0\.9\.1 .*rolled back/);
    expect((await home.fettle(['chat'], '/help\n')).out).not.toMatch(/back online|rolled back/);
  });

  test('a migration that fails is found in rehearsal: the hub never stops', async () => {
    await startWith('migration fails in rehearsal');
    const before = pidOf('hub');
    const said = await say('/update now hub');
    expect(said.out).toMatch(/hub 0\.9\.1 did not pass its rehearsal.*no such column: colour/);
    expect(said.out).toContain('hub 0.1.0 never noticed and runs on.');
    expect(said.code).toBe(1);
    expect(pidOf('hub')).toBe(before);
    expect(migrations()).not.toContain('9999-later');
  });

  test('the agent and its keeper: kept apps keep their pids', async () => {
    await startWith('good');
    const before = { hub: pidOf('hub'), agent: pidOf('agent'), keeper: pidOf('keeper'), app: appPid() };
    const said = await say('/update now agent');
    expect(said.out).toContain(`agent is back online, ${NEXT}`);
    expect(said.code).toBe(0);
    expect(pidOf('agent')).not.toBe(before.agent);
    await until(
      'the keeper to be the new one',
      () => pidOf('keeper') !== undefined && pidOf('keeper') !== before.keeper,
    );
    expect(pidOf('hub')).toBe(before.hub);
    expect(appPid()).toBe(before.app);
    expect(current('agent')).toContain(`releases/${NEXT}-`);
    expect(readlinkSync(home.layout.keeper.current)).toContain(`releases/${NEXT}-`);
    await expectOneAnswer('agent');
    // It still does its work, and goes back as well.
    expect((await say('/update now app')).out).toContain('app is back online, 1.1.0');
    expect((await say('/update rollback agent')).out).toContain('agent is back online at its earlier version, 0.1.0');
  });

  test.each<[Fault, RegExp]>([
    ['agent exits at start', /did not come up: it ended with status 9 each time/],
    ['agent hangs', /did not come up: it was started, and was not well in time/],
    ['agent never reaches the hub', /the hub has not been reached/],
  ])('%s: the old one is back, kept apps never noticed', async (fault, why) => {
    await startWith(fault);
    const before = { hub: pidOf('hub'), keeper: pidOf('keeper'), app: appPid() };
    const said = await say('/update now agent');
    expect(said.out).toContain(`agent ${NEXT} failed and was rolled back`);
    expect(said.out).toMatch(why);
    expect(said.code).toBe(1);
    expect({ hub: pidOf('hub'), keeper: pidOf('keeper'), app: appPid() }).toEqual(before);
    // The hub knows it for later as well, not only in the answer.
    expect(query<{ outcome: string }>("select outcome from updates where app = 'agent'")[0]?.outcome).toMatch(why);
    expect(current('agent')).toContain('releases/0.1.0-');
    await expectOneAnswer('agent');
    expect((await say('/update now app')).out).toContain('app is back online, 1.1.0');
    expect((await say('/update status agent')).out).toMatch(/agent 0\.1\.0: healthy[\s\S]*failed here: 0\.9\.1/);
  });

  test('a newer build that is started in the middle waits for the update that was interrupted', async () => {
    await startWith('hub never healthy');
    home.start(['say', '/update now hub']);
    await until('the switch', () => current('hub').includes(NEXT), 30_000);
    expect((await home.fettle(['down'])).code).toBe(0);
    const newer = await packFettle(join(packs, 'newer'), { version: '0.9.5' });
    await execa('tar', ['xzf', newer, '-C', join(packs, 'newer')]);
    const start = () =>
      execa(process.execPath, [join(packs, 'newer/package/dist/main.js'), 'up', '--detach'], {
        env: home.env,
        extendEnv: false,
        reject: false,
      });
    const first = await start();
    expect(first.stdout).toContain('An update of hub was interrupted and goes on first');
    expect(first.exitCode).toBe(0);
    await until(
      'the update to be over',
      async () => /0\.1\.0 → 0\.9\.1 .*rolled back/.test((await say('/update history hub')).out),
      60_000,
    );
    expect((await say('/update status hub')).out).toContain('hub 0.1.0: healthy');
    expect((await home.fettle(['down'])).code).toBe(0);
    expect((await start()).stdout).toContain('This build takes over from 0.1.0.');
    expect((await say('/update status hub')).out).toMatch(/hub 0\.9\.5: healthy[\s\S]*goes back to: 0\.1\.0/);
  });

  test('without a source for Fettle, nothing is done and it is said', async () => {
    writeFileSync(home.layout.config, readFileSync(home.layout.config, 'utf8').replace(/^fettle:.*\n/, ''));
    await home.fettle(['up', '--detach']);
    const before = pidOf('hub');
    for (const app of ['hub', 'agent']) {
      const said = await say(`/update now ${app}`);
      expect(said.out).toContain(`${app} is Fettle itself, and no source is configured for Fettle's own releases.`);
      expect(said.code).toBe(1);
    }
    expect(pidOf('hub')).toBe(before);
    expect(query("select 1 from updates where app in ('hub', 'agent')")).toEqual([]);
  });

  test('an older build that is started afterwards does not take over', async () => {
    await startWith('good');
    await say('/update now hub');
    await home.fettle(['down']);
    const again = await home.fettle(['up', '--detach']);
    expect(again.out).toContain(`Fettle ${NEXT} is installed here and runs; this build is older.`);
    expect((await say('/update status hub')).out).toContain(`hub ${NEXT}: healthy`);
  });
});
