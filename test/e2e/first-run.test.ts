import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome, registryAnswers } from '../support/home.ts';
import { until } from '../support/until.ts';

const registry = await registryAnswers();
const needsRegistry = registry ? test : test.skip;
if (!registry) console.warn('not run: tests that update a real package, because the npm registry does not answer');

/** The final answers of updates of an app that the hub has in its outbox. */
function finalAnswers(home: Home, app: string): unknown[] {
  const db = new BetterSqlite3(home.layout.hub.db, { readonly: true });
  try {
    return db
      .prepare(
        "select o.state from outbox o join updates u on o.key = u.id || '/final' where u.app = ? and o.final = 1",
      )
      .all(app);
  } finally {
    db.close();
  }
}

/** The shipped commands, as a user types them, on an empty folder. */
describe('on an empty folder', () => {
  let home: Home;
  beforeEach(() => {
    home = makeHome();
  });
  afterEach(() => home.close(), 60_000);

  needsRegistry(
    'a script checks, updates and asks for the status of a real package',
    { timeout: 180_000 },
    async () => {
      const { code, out } = await home.fettle([], '/update check web\n/update now web\n/update status web\n');
      expect(out).toMatch(/web \d+\.\d+\.\d+ is available/);
      const updated = /web is back online, (\d+\.\d+\.\d+), outage [\d.]+ m?s/.exec(out);
      expect(updated, out).not.toBeNull();
      expect(updated?.[1]).not.toBe('2.0.2');
      expect(out).toContain(`web ${updated?.[1]}: healthy`);
      expect(out).toMatch(/\[\d\/\d\]/);
      expect(code).toBe(0);
      // The script that runs the keeper ends right after it.
      await until('everything to have ended', () => home.processes().length === 0);
    },
  );

  test('a broken release is rolled back, with its data, its reason and a redacted log', {
    timeout: 180_000,
  }, async () => {
    const data = join(home.layout.app('hello').shared, 'data', 'visits.json');
    const { code, out } = await home.fettle([], '/update now hello@1.2.0\n/update status hello\n');
    expect(out).toContain('rolled back');
    expect(out).toContain('failed its health check');
    expect(out).toContain('token=[hidden]');
    expect(out).not.toContain('hello-demo-token-4711');
    expect(out).toContain('hello 1.0.0: healthy');
    expect(code).toBe(1);
    expect(readFileSync(data, 'utf8')).toBe('{"visits":0}\n');
    expect(home.processes()).toEqual([]);
  });

  needsRegistry(
    'the hub killed in the middle of an update: it goes on, and the answer comes once',
    { timeout: 180_000 },
    async () => {
      expect((await home.fettle(['up', '--detach'])).code).toBe(0);
      const said = home.fettle(['say', '/update now web', '--json']);
      const hub = () =>
        home.processes().find(({ command }) => / hub --home/.test(command) && !command.startsWith('/bin/sh'));
      const before = hub();
      await until('the update to be under way', () =>
        /web: fetching/.test(readFileSync(home.layout.appLog('agent'), 'utf8').split('succeeded').at(-1) ?? ''),
      );
      process.kill(before?.pid ?? 0, 'SIGKILL');
      const { code, out } = await said;
      const lines = out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { final?: boolean; reply?: { title: string } });
      expect(lines.filter((line) => line.final)).toHaveLength(1);
      expect(JSON.stringify(lines.at(-1))).toContain('back online');
      expect(code).toBe(0);
      expect(hub()?.pid).not.toBe(before?.pid);
      // Exactly one final answer was ever written, and it was delivered: nothing is told again to whoever comes next.
      // The hub notes the delivery a moment after the reader has it.
      await until('the delivery to be noted', () => !JSON.stringify(finalAnswers(home, 'web')).includes('pending'));
      expect(finalAnswers(home, 'web')).toEqual([{ state: 'sent' }]);
      const later = await home.fettle(['chat'], '/help\n');
      expect(later.out).toContain('/update now');
      expect(later.out).not.toContain('back online');
      expect((await home.fettle(['down'])).code).toBe(0);
      // The script that runs the keeper ends right after it.
      await until('everything to have ended', () => home.processes().length === 0);
    },
  );

  test('a kept app goes on when keeper, agent and hub are killed, and is not run twice', {
    timeout: 120_000,
  }, async () => {
    expect((await home.fettle(['up', '--detach'])).code).toBe(0);
    const app = () =>
      home.processes().filter(({ command }) => /node .*server\.mjs/.test(command) && !command.startsWith('/bin/sh'));
    const [before] = app();
    expect(before).toBeDefined();
    for (const role of ['keeper', 'agent', 'hub']) {
      for (const { pid } of home
        .processes()
        .filter(({ command }) => command.includes(` ${role} --home`) && !command.startsWith('/bin/sh')))
        process.kill(pid, 'SIGKILL');
    }
    const answer = await until(
      'the hub to answer again',
      async () => {
        const { code, out } = await home.fettle(['say', '/update status hello', '--timeout', '20']);
        return code === 0 && out.includes('healthy') ? out : undefined;
      },
      60_000,
    );
    expect(answer).toContain('hello 1.0.0: healthy');
    expect(app()).toEqual([before]);
    expect((await home.fettle(['down'])).code).toBe(0);
  });

  test('what was configured stays: a second start changes nothing and keeps what is installed', {
    timeout: 120_000,
  }, async () => {
    await home.fettle([], '/update now hello@1.1.0\n');
    const file = readFileSync(home.layout.config, 'utf8');
    const { out, code } = await home.fettle([], '/update status hello\n');
    expect(out).toContain('hello 1.1.0: healthy');
    expect(code).toBe(0);
    expect(readFileSync(home.layout.config, 'utf8')).toBe(file);
    expect(readlinkSync(home.layout.app('hello').current)).toContain('1.1.0');
  });

  test('a source that is away is said, and the app runs on', { timeout: 120_000 }, async () => {
    await home.fettle([], '/help\n');
    const file = readFileSync(home.layout.config, 'utf8').replace(
      'folder releases/hello',
      'feed http://127.0.0.1:9/hello\n    trust: source',
    );
    writeFileSync(home.layout.config, file);
    const { out, code } = await home.fettle([], '/update now hello\n/update status hello\n');
    expect(out).toMatch(/127\.0\.0\.1:9/);
    expect(out).toContain('hello 1.0.0: healthy');
    expect(code).toBe(1);
  });
});
