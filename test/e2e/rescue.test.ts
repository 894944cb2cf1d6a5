import { readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Home, makeHome } from '../support/home.ts';

/** `fettle rescue` and `fettle doctor` of the shipped bundle, on the samples. */
let home: Home;
beforeEach(async () => {
  home = makeHome();
  await home.fettle([], '/update now hello@1.1.0\n');
  expect((await home.fettle(['up', '--detach'])).code).toBe(0);
}, 120_000);
afterEach(() => home.close(), 60_000);

const app = () =>
  home.processes().filter(({ command }) => /node .*server\.mjs/.test(command) && !command.startsWith('/bin/sh'));

/** Keeper, its start script, agent and hub; the shells above apps go with what is below them. */
function killFettle() {
  for (const { pid, command } of home.processes()) {
    if (/keeper\/start|(keeper|agent|hub) --home/.test(command) && !command.includes('fettle-keep'))
      process.kill(pid, 'SIGKILL');
  }
}

test('everything dead and current broken: rescue, doctor, and `up` adopts what was started', {
  timeout: 180_000,
}, async () => {
  killFettle();
  for (const { pid } of app()) process.kill(pid, 'SIGKILL');
  const { current } = home.layout.app('hello');
  rmSync(current);
  symlinkSync('releases/9.9.9-gone', current);
  const ill = await home.fettle(['doctor']);
  expect(ill.out).toContain('WRONG  hello: `current` points to 9.9.9-gone, which is not there');
  expect(ill.out).toContain('→ fettle rescue hello');
  expect(ill.code).toBe(1);

  const { code, out } = await home.fettle(['rescue', 'hello']);
  expect(out).toMatch(/hello 1\.0\.0 runs \(process \d+, http:\/\/127\.0\.0\.1:\d+\)\./);
  expect(out).toContain('Nobody watches it until Fettle is started: `fettle up --detach`.');
  expect(code).toBe(0);
  const pid = Number(/process (\d+)/.exec(out)?.[1]);
  expect(app().map((one) => one.pid)).toEqual([pid]);
  expect((await home.fettle(['doctor'])).out).not.toContain('WRONG  hello');

  expect((await home.fettle(['up', '--detach'])).code).toBe(0);
  expect((await home.fettle(['say', '/update status hello'])).out).toContain('hello 1.0.0: healthy');
  expect(app().map((one) => one.pid)).toEqual([pid]);
  const well = await home.fettle(['doctor', '--json']);
  expect(JSON.parse(well.out)).toMatchObject({ wrong: 0 });
  expect(well.code).toBe(0);
});

test('the hub and the agent are rescued, too', { timeout: 180_000 }, async () => {
  killFettle();
  const { current, releases } = home.layout.app('hub');
  // A slot that is half gone, as after a disk error.
  const slot = basename(readlinkSync(current));
  rmSync(join(releases, slot, '.fettle', 'slot.json'));
  const hub = await home.fettle(['rescue', 'hub']);
  // There is one version of the hub alone: it is started as it is.
  expect(hub.out).toContain('which is not whole');
  expect(hub.out).toMatch(/hub .*runs/);
  expect(hub.code).toBe(0);
  const agent = await home.fettle(['rescue', 'agent']);
  expect(agent.out).toMatch(/agent [\d.]+ runs/);
  expect(agent.code).toBe(0);
  expect((await home.fettle(['say', '/update status hello'])).out).toContain('hello 1.1.0: healthy');
});

test('an app that nobody knows, a home that is not there, help', async () => {
  const unknown = await home.fettle(['rescue', 'helo']);
  expect(unknown).toMatchObject({ code: 2, out: expect.stringContaining('There is no app helo here') });
  const nowhere = await home.fettle(['rescue', 'hello'], undefined, { FETTLE_HOME: join(home.layout.home, 'nowhere') });
  expect(nowhere.code).toBe(2);
  expect(nowhere.err).toContain('no such folder');
  writeFileSync(home.layout.config, 'apps: [\n');
  const alive = await home.fettle(['rescue', 'hello']);
  expect(alive.out).toContain("the configuration can't be read");
  expect(alive.code).toBe(0);
  expect((await home.fettle(['rescue', '--help'])).out).toContain('Exit code 0: it runs and is well');
});
