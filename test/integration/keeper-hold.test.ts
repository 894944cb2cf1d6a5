import { existsSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { switchLink } from '../../src/files/durable.ts';
import { appPid, CRASHING, type KeeperHome, keeperHome, kill, STEADY, starts, until } from '../support/keeper.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let home: KeeperHome;
afterEach(() => home.remove());

/** Two slots: `old` runs well, `now` is what `current` points at. */
async function kept(app: string, script: string) {
  const old = home.slot(app, 'old', STEADY);
  const now = home.slot(app, 'now', script);
  switchLink(home.layout.app(app).current, now);
  await home.client.ask('keep', { app, spec: home.spec(app) });
  return { old, now };
}

async function status(app: string) {
  const found = (await home.client.ask('status', {})).apps[app];
  if (!found) throw new Error(`no ${app}`);
  return found;
}

const current = (app: string) => readlinkSync(home.layout.app(app).current);

describe('hold', () => {
  test('a held app is not started again; the agent starts it once; release gives it back', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 20 } });
    const { old } = await kept('web', CRASHING);
    await home.client.ask('hold', { app: 'web', hold: { fallback: old, forMs: 60_000 } });
    await home.client.ask('start', { app: 'web' });
    await until(async () => (await status('web')).lastExit);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(starts(home.log('web'))).toBe(1);
    expect(await status('web')).toMatchObject({ crashes: 1, running: null, fellBack: false, hold: { fallback: old } });
    expect((await status('web')).hold?.leftMs).toBeGreaterThan(50_000);

    await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 2);
    await home.client.ask('release', { app: 'web' });
    expect((await status('web')).hold).toBeNull();
    await until(() => starts(home.log('web')) >= 4);
  });

  test('an expired hold starts the fallback, where the app does not run', async () => {
    home = keeperHome();
    await home.start();
    const { old, now } = await kept('web', STEADY);
    await home.client.ask('start', { app: 'web' });
    await home.client.ask('hold', { app: 'web', hold: { fallback: old, forMs: 400 } });
    await home.client.ask('stop', { app: 'web' });
    expect(current('web')).toBe(now);
    await until(async () => (await status('web')).running);
    expect(await status('web')).toMatchObject({ desired: 'running', fellBack: true, hold: null });
    expect(current('web')).toBe(old);
    await until(() => home.log('web').includes('releases/old'));
  });

  test('an expired hold leaves an app that runs, and watches it', async () => {
    home = keeperHome();
    await home.start();
    const { old, now } = await kept('web', STEADY);
    await home.client.ask('hold', { app: 'web', hold: { fallback: old, forMs: 100 } });
    const { startId } = await home.client.ask('start', { app: 'web' });
    await until(async () => (await status('web')).hold?.leftMs === 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await status('web')).toMatchObject({ running: { startId }, fellBack: false });
    expect(current('web')).toBe(now);
    kill(appPid(startId) ?? 0);
    await until(async () => (await status('web')).fellBack && (await status('web')).running);
    expect(current('web')).toBe(old);
  });

  test('holds outlive the keeper: not started before, fallen back after', async () => {
    home = keeperHome();
    const first = await home.start();
    const { old } = await kept('web', STEADY);
    await home.client.ask('start', { app: 'web' });
    await home.client.ask('hold', { app: 'web', hold: { fallback: old, forMs: 1_500 } });
    await home.client.ask('stop', { app: 'web' });
    const left = home.log('web');
    kill(first.process.pid);
    await first.exited;
    await home.start();
    expect(await status('web')).toMatchObject({ running: null, crashes: 0 });
    expect((await status('web')).hold?.leftMs).toBeLessThan(1_500);
    expect(home.log('web')).toBe(left);
    await until(async () => (await status('web')).running);
    expect(await status('web')).toMatchObject({ fellBack: true });
    expect(current('web')).toBe(old);
  });

  test('a reboot starts the time of a hold anew', async () => {
    home = keeperHome();
    const first = await home.start();
    const { old } = await kept('web', STEADY);
    await home.client.ask('hold', { app: 'web', hold: { fallback: old, forMs: 60_000 } });
    await home.client.ask('shutdown', {});
    await first.exited;
    const saved = JSON.parse(readFileSync(home.layout.keeper.keep, 'utf8'));
    saved.apps.web.hold = { ...saved.apps.web.hold, boot: 'another', since: 5 };
    writeFileSync(home.layout.keeper.keep, JSON.stringify(saved));
    await home.start();
    expect((await status('web')).hold?.leftMs).toBeGreaterThan(55_000);
    expect((await status('web')).running).toBeNull();
  });

  test('nothing to fall back to: nothing is started', async () => {
    home = keeperHome();
    await home.start();
    await kept('web', STEADY);
    await home.client.ask('hold', { app: 'web', hold: { fallback: null, forMs: 50 } });
    await until(async () => (await status('web')).hold === null);
    expect(await status('web')).toMatchObject({ running: null, desired: 'stopped', fellBack: false });
  });

  test('a fallback that does not exist: what is there is started', async () => {
    home = keeperHome();
    await home.start();
    const { now } = await kept('web', STEADY);
    await home.client.ask('hold', { app: 'web', hold: { fallback: 'releases/none', forMs: 50 } });
    await until(async () => (await status('web')).running);
    expect(current('web')).toBe(now);
    expect((await status('web')).fellBack).toBe(true);
  });
});

describe('the agent', () => {
  test('that fails three times without commit goes to last-good, and held apps to their fallback', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 50, quickRestart: 20 } });
    const agent = await kept('agent', CRASHING);
    const web = await kept('web', STEADY);
    const alive = await kept('alive', STEADY);
    symlinkSync(agent.old, home.layout.app('agent').lastGood);
    await home.client.ask('start', { app: 'alive' });
    for (const [app, { old }] of [
      ['web', web],
      ['alive', alive],
    ] as const) {
      await home.client.ask('hold', { app, hold: { fallback: old, forMs: 60_000 } });
    }
    await home.client.ask('start', { app: 'agent' });
    await until(async () => (await status('agent')).fellBack && (await status('web')).fellBack);
    await until(() => home.log('agent').includes('releases/old'));
    expect(starts(home.log('agent'))).toBe(4);
    expect(current('agent')).toBe(agent.old);
    expect(current('web')).toBe(web.old);
    expect((await status('web')).running).not.toBeNull();
    expect(current('alive')).toBe(alive.now);
    expect(await status('alive')).toMatchObject({ fellBack: false, hold: { leftMs: 0 } });
    await home.client.ask('commit', { app: 'agent' });
    expect(await status('agent')).toMatchObject({ crashes: 0, fellBack: false });
  });

  test('commits clear the counter', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 20, quickRestart: 20 } });
    const agent = await kept('agent', STEADY);
    symlinkSync(agent.old, home.layout.app('agent').lastGood);
    await home.client.ask('start', { app: 'agent' });
    for (let round = 1; round <= 5; round += 1) {
      await home.client.ask('commit', { app: 'agent' });
      await until(() => starts(home.log('agent')) === round);
      kill(appPid((await status('agent')).running?.startId ?? '') ?? 0);
      await until(() => starts(home.log('agent')) === round + 1);
    }
    expect(current('agent')).toBe(agent.now);
  });

  test('counts outlive the keeper', async () => {
    home = keeperHome();
    let keeper = await home.start();
    const agent = await kept('agent', STEADY);
    symlinkSync(agent.old, home.layout.app('agent').lastGood);
    await home.client.ask('start', { app: 'agent' });
    for (let round = 1; round <= 3; round += 1) {
      await until(() => starts(home.log('agent')) === round);
      const running = await until(async () => (await status('agent')).running);
      kill(keeper.process.pid);
      await keeper.exited;
      kill(appPid(running.startId) ?? 0);
      await until(() => home.pids('agent').length === 0);
      keeper = await home.start();
    }
    await until(() => home.log('agent').includes('releases/old'));
    expect(current('agent')).toBe(agent.old);
  });

  test('stops that somebody asked for are not failures', async () => {
    home = keeperHome();
    await home.start();
    const agent = await kept('agent', STEADY);
    symlinkSync(agent.old, home.layout.app('agent').lastGood);
    for (let round = 0; round < 5; round += 1) {
      await home.client.ask('start', { app: 'agent' });
      await home.client.ask('stop', { app: 'agent' });
    }
    await home.client.ask('start', { app: 'agent' });
    kill(await until(async () => appPid((await status('agent')).running?.startId ?? '')));
    await until(async () => (await status('agent')).crashes === 1 && (await status('agent')).running);
    expect(current('agent')).toBe(agent.now);
  });

  test('a hub that lived for a while was well, also without a commit', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 20, quickRestart: 20, steady: 50 } });
    const hub = await kept('hub', STEADY);
    symlinkSync(hub.old, home.layout.app('hub').lastGood);
    await home.client.ask('start', { app: 'hub' });
    for (let round = 1; round <= 5; round += 1) {
      await until(async () => starts(home.log('hub')) === round && (await status('hub')).running);
      await new Promise((resolve) => setTimeout(resolve, 60));
      kill(appPid((await status('hub')).running?.startId ?? '') ?? 0);
    }
    await until(() => starts(home.log('hub')) === 6);
    expect(current('hub')).toBe(hub.now);
  });

  test('a new agent that hangs is ended when its own hold is over', async () => {
    home = keeperHome();
    await home.start();
    const agent = await kept('agent', STEADY);
    await home.client.ask('hold', { app: 'agent', hold: { fallback: agent.old, forMs: 600 } });
    await home.client.ask('start', { app: 'agent' });
    await until(async () => (await status('agent')).fellBack && (await status('agent')).running);
    expect(current('agent')).toBe(agent.old);
    await until(() => home.pids('agent').length === 2);
  });

  test('a new agent that commits in time stays', async () => {
    home = keeperHome();
    await home.start();
    const agent = await kept('agent', STEADY);
    await home.client.ask('hold', { app: 'agent', hold: { fallback: agent.old, forMs: 300 } });
    await home.client.ask('start', { app: 'agent' });
    await home.client.ask('commit', { app: 'agent' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(current('agent')).toBe(agent.now);
    expect(await status('agent')).toMatchObject({ hold: null, fellBack: false });
  });

  test('its commit clears the counter of the start script', async () => {
    home = keeperHome();
    await home.start();
    writeFileSync(home.layout.keeper.starts, '2\n');
    await kept('agent', STEADY);
    await home.client.ask('commit', { app: 'agent' });
    expect(existsSync(home.layout.keeper.starts)).toBe(false);
    expect(existsSync(join(home.layout.keeper.dir, 'keep.json'))).toBe(true);
  });
});
