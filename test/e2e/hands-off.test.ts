import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { publish } from '../../src/cli/publish.ts';
import { writeArchive } from '../support/artifact.ts';
import { type FeedServer, serveFolder } from '../support/feed-server.ts';
import { freePort } from '../support/free-port.ts';
import { type Home, makeHome } from '../support/home.ts';
import { RELEASE_KEY, RELEASE_KEYS } from '../support/release-key.ts';
import { until } from '../support/until.ts';

/** Hands-off updates as a person sees them: the shipped bundle, a feed over HTTP, a chat that stays open. */
describe('hands-off', { timeout: 120_000 }, () => {
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  let home: Home;
  let feed: FeedServer;
  beforeEach(async () => {
    home = makeHome();
    const port = await freePort();
    await offer('1.0.0');
    feed = await serveFolder(join(home.layout.home, 'published'));
    writeFileSync(
      home.layout.config,
      `settings: {grace: 4s}
apps:
  web:
    source: feed ${feed.url}/
    ${RELEASE_KEYS}
    install: 1.0.0
    run: node server.mjs
    env: {PORT: ${port}}
    healthy: {http: "http://127.0.0.1:${port}/", version: .version, for: 300ms, every: 50ms, checks: 2}
`,
    );
    expect((await home.fettle(['up', '--detach'])).code).toBe(0);
  }, 60_000);
  afterEach(async () => {
    await home.close();
    await feed.close();
  }, 60_000);

  async function offer(version: string): Promise<void> {
    const path = join(home.layout.home, `web-${version}.tar.gz`);
    const program = `import { createServer } from 'node:http';
createServer((_, response) => response.end('{"version":"${version}"}')).listen(process.env.PORT, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;
    await writeArchive(path, [
      { name: 'server.mjs', content: program },
      { name: 'filler', content: randomBytes(1_000) },
    ]);
    const folder = join(home.layout.home, 'published');
    await publish({
      folder,
      app: 'web',
      version,
      notes: `What ${version} brings`,
      files: [{ platform: 'any', path }],
      clock,
      key: RELEASE_KEY,
    });
  }

  const say = async (text: string) => (await home.fettle(['say', text, '--timeout', '60'])).out;
  /** A chat that stays open, and what it has shown. */
  function openChat(): { readonly shown: () => string } {
    const child = home.start(['chat'], {}, 'pipe');
    let out = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    return { shown: () => out };
  }
  const count = (text: string, part: string) => text.split(part).length - 1;
  function query<T>(sql: string): T[] {
    const db = new BetterSqlite3(home.layout.hub.db, { readonly: true });
    try {
      return db.prepare(sql).all() as T[];
    } finally {
      db.close();
    }
  }

  test('auto on survives a restart of everything; a new release is told once, and comes by itself within the grace and the update', async () => {
    expect(await say('/update auto on web')).toContain('Automatic updates of web: on');
    expect((await home.fettle(['down'])).code).toBe(0);
    expect((await home.fettle(['up', '--detach'])).code).toBe(0);
    expect(await say('/update status web')).toContain('auto: on');
    expect(await say('/update')).toMatch(/web +1\.0\.0 +1\.0\.0 +on/);

    const chat = openChat();
    await offer('1.1.0');
    await say('/update check web');
    await until('the notice', () => chat.shown().includes('web updates to 1.1.0 in'));
    expect(chat.shown()).toContain('What 1.1.0 brings');
    expect(chat.shown()).toMatch(/Cancel: \/update cancel u-\w{4}/);
    // A second question, by a person, makes no second notice.
    await say('/update check web');
    await until('the result', () => chat.shown().includes('web is back online, 1.1.0'), 30_000);
    expect(count(chat.shown(), 'web updates to 1.1.0 in')).toBe(1);
    expect(count(chat.shown(), 'web is back online')).toBe(1);
    expect(await say('/update status web')).toContain('web 1.1.0: healthy');
    const [row] = query<{ requested_by: string; automatic: number; took: number }>(
      `select requested_by, automatic, ended_at - (select at from notices where version = '1.1.0') took
       from updates where to_version = '1.1.0'`,
    );
    expect(row).toMatchObject({ automatic: 1 });
    // The grace is 4 s. What else there is took as long as this machine needs for an update.
    expect(row?.took).toBeGreaterThanOrEqual(4_000);
    expect(query(`select count(*) n from notices where kind = 'release' and version = '1.1.0'`)).toEqual([{ n: 1 }]);
  });

  test('Cancel stops it, for good; a newer one comes', async () => {
    await say('/update auto on web');
    const chat = openChat();
    await offer('1.1.0');
    await say('/update check web');
    const id = await until('the notice', () => /\/update cancel (u-\w{4})/.exec(chat.shown())?.[1]);
    expect(await say(`/update cancel ${id}`)).toContain('is cancelled');
    await say('/update check web');
    // Longer than the grace: the row of another attempt would be there.
    await until(
      'the grace to be over',
      () => query(`select 1 from notices where at < ${Date.now() - 6_000}`).length > 0,
      20_000,
    );
    expect(query(`select state from updates where to_version = '1.1.0'`)).toEqual([{ state: 'cancelled' }]);
    expect(await say('/update status web')).toContain('web 1.0.0: healthy');
    await offer('1.2.0');
    await say('/update check web');
    await until('the newer one', () => chat.shown().includes('web is back online, 1.2.0'), 30_000);
  });

  test('skipped and pinned versions are left alone; minor holds a major one', async () => {
    await say('/update auto on web');
    await say('/update pin web');
    const chat = openChat();
    await offer('1.1.0');
    expect(await say('/update check web')).toContain('web is held at 1.0.0');
    expect(await say('/update now web')).toMatch(/pinned|held/);
    await say('/update unpin web');
    const id = await until('the notice', () => /\/update cancel (u-\w{4})/.exec(chat.shown())?.[1]);
    await say('/update skip web@1.1.0');
    await until(
      'it to be withdrawn',
      () => query<{ state: string }>(`select state from updates where id = '${id}'`)[0]?.state === 'cancelled',
      20_000,
    );
    expect(await say('/update status web')).toContain('web 1.0.0: healthy');

    await say('/update auto minor web');
    await offer('1.2.0');
    await offer('2.0.0');
    await say('/update check web');
    await until('the minor one', () => chat.shown().includes('web is back online, 1.2.0'), 30_000);
    await until('the major one to be announced', () => chat.shown().includes('/update now web@2.0.0'), 30_000);
    expect(await say('/update status web')).toContain('web 1.2.0: healthy');
    expect(query(`select 1 from updates where to_version = '2.0.0'`)).toEqual([]);
  });

  test('a release is told to who opens a chat later; a script hears only its own answers', async () => {
    await offer('1.1.0');
    expect((await home.fettle(['down'])).code).toBe(0);
    const script = await home.fettle([], '/update check web\n/update check web\n');
    expect(count(script.out, '/update later web@1.1.0')).toBe(0);
    expect(script.out).toContain('web 1.1.0 is available');
    expect((await home.fettle(['up', '--detach'])).code).toBe(0);
    const chat = openChat();
    await until('the notice', () => chat.shown().includes('/update later web@1.1.0'));
    const again = openChat();
    expect(await say('/help all')).toContain('/update later');
    expect(count(chat.shown() + again.shown(), '/update later web@1.1.0')).toBe(1);
  });

  test('bad input changes nothing', async () => {
    expect(await say('/settings interval 0')).toMatch(/1h.*30d|30d/);
    expect(await say('/settings interval 30m')).toMatch(/1h/);
    expect(await say('/settings grace 2h')).toMatch(/1h/);
    expect(await say('/settings colour blue')).toMatch(/colour/);
    expect(query('select * from settings')).toEqual([]);
    expect(await say('/settings grace 0')).toContain('4s → 0s');
    expect(query('select key, value from settings')).toEqual([{ key: 'grace', value: '0s' }]);
    expect(await say('/update auto on hub')).toContain('no source');
    expect(query('select * from app_settings')).toEqual([]);
  });
});
