import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { findByStartId } from '../../agent/keeper/processes.ts';
import {
  alive,
  appPid,
  CRASHING,
  type KeeperHome,
  keeperHome,
  kill,
  type RunningKeeper,
  STEADY,
  starts,
  until,
} from '../support/keeper.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let home: KeeperHome;
afterEach(() => home.remove());

async function kept(app: string, script: string, change: Parameters<KeeperHome['spec']>[1] = {}) {
  home.slot(app, '1.0.0', script);
  await home.client.ask('keep', { app, spec: home.spec(app, change) });
}

async function status(app: string) {
  const found = (await home.client.ask('status', {})).apps[app];
  if (!found) throw new Error(`no ${app}`);
  return found;
}

async function killed(keeper: RunningKeeper): Promise<void> {
  kill(keeper.process.pid);
  await keeper.exited;
}

describe('adoption', () => {
  test('apps outlive a killed keeper; the next one adopts them and runs none twice', async () => {
    home = keeperHome();
    const first = await home.start();
    for (const app of ['agent', 'web', 'other']) {
      await kept(app, STEADY);
      await home.client.ask('start', { app });
    }
    await home.client.ask('stop', { app: 'other' });
    await until(() => starts(home.log('web')) === 1 && starts(home.log('agent')) === 1);
    const before = (await home.client.ask('status', {})).apps;
    await killed(first);

    await home.start();
    const after = (await home.client.ask('status', {})).apps;
    for (const app of ['agent', 'web']) {
      expect(after[app]?.running).toEqual(before[app]?.running);
      expect(alive(appPid(after[app]?.running?.startId ?? '') ?? 0)).toBe(true);
      expect(starts(home.log(app))).toBe(1);
      expect(after[app]?.crashes).toBe(0);
    }
    expect(after.other).toMatchObject({ running: null, desired: 'stopped' });

    expect(await home.client.ask('stop', { app: 'web' })).toEqual({ gone: true, exit: 143 });
    expect(home.pids('web')).toEqual([]);
  });

  test('stop ends what an adopted app left in sessions of its own', async () => {
    home = keeperHome();
    const first = await home.start();
    await kept(
      'web',
      `
      import { spawn } from 'node:child_process';
      spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
      ${STEADY}`,
    );
    const { startId } = await home.client.ask('start', { app: 'web' });
    await until(() => findByStartId(startId).length === 3);
    await killed(first);
    await home.start();
    expect(await home.client.ask('stop', { app: 'web' })).toEqual({ gone: true, exit: 143 });
    expect(home.pids('web')).toEqual([]);
  });

  test('the end of an adopted app is seen, with its exit status, and it is started again', async () => {
    home = keeperHome();
    const first = await home.start();
    await kept('web', `${STEADY} process.on('SIGUSR2', () => process.exit(9))`);
    const { startId } = await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 1);
    await killed(first);
    await home.start({ times: { restart: 50 } });
    kill(appPid(startId) ?? 0, 'SIGUSR2');
    await until(async () => (await status('web')).lastExit);
    expect(await status('web')).toMatchObject({ crashes: 1, lastExit: { code: 9 } });
    await until(() => starts(home.log('web')) === 2);
  });

  test('an app that ended while there was no keeper is started again, its exit status known', async () => {
    home = keeperHome();
    const first = await home.start();
    await kept('web', `${STEADY} process.on('SIGUSR2', () => process.exit(9))`);
    const { startId, pid } = await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 1);
    await killed(first);
    kill(appPid(startId) ?? 0, 'SIGUSR2');
    await until(() => !alive(pid));
    await home.start();
    await until(() => starts(home.log('web')) === 2);
    expect(await status('web')).toMatchObject({ crashes: 1, lastExit: { code: 9 } });
    expect(readdirSync(home.layout.keeper.exits)).toEqual([]);
  });

  test('keepers killed again and again at any moment never run an app twice', async () => {
    home = keeperHome();
    await home.start().then(async (keeper) => {
      await kept('web', STEADY);
      await home.client.ask('start', { app: 'web' });
      await killed(keeper);
    });
    const twice = () => {
      const wrappers = new Set(home.pids('web').flatMap((pid) => (groupLeader(pid) ? [pid] : [])));
      return wrappers.size > 1;
    };
    for (let round = 0; round < 8; round += 1) {
      const keeper = await home.start({ times: { restart: 1, poll: 5 } });
      const asked = [
        home.client.ask('stop', { app: 'web' }, { timeoutMs: 200 }),
        home.client.ask('start', { app: 'web' }, { timeoutMs: 200 }),
      ].map((answer) => answer.catch(() => undefined));
      const until = performance.now() + round * 4;
      while (performance.now() < until) {
        expect(twice()).toBe(false);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await killed(keeper);
      await Promise.all(asked);
      expect(twice()).toBe(false);
    }
    await home.start();
    await home.client.ask('start', { app: 'web' });
    await until(() => home.pids('web').length === 2);
  });

  test('an app whose record was lost is adopted when it is kept again', async () => {
    home = keeperHome();
    const first = await home.start();
    await kept('web', STEADY);
    const started = await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 1);
    await killed(first);
    writeFileSync(home.layout.keeper.keep, '{"format":1,"apps":{"web":');
    const second = await home.start();
    expect(existsSync(`${home.layout.keeper.keep}.bad`)).toBe(true);
    expect(second.output()).toContain('ALARM');
    await home.client.ask('keep', { app: 'web', spec: home.spec('web') });
    expect(await home.client.ask('start', { app: 'web' })).toMatchObject({
      startId: started.startId,
      pid: started.pid,
    });
    expect(starts(home.log('web'))).toBe(1);
  });

  test('a disk that refuses keep.json: apps are restarted and adopted all the same, holds are refused', async () => {
    home = keeperHome();
    const first = await home.start({ times: { restart: 20 } });
    await kept('web', STEADY);
    const before = await home.client.ask('start', { app: 'web' });
    mkdirSync(`${home.layout.keeper.keep}.new`);
    for (let round = 1; round <= 3; round += 1) {
      await until(() => starts(home.log('web')) === round);
      kill(await until(async () => appPid((await status('web')).running?.startId ?? '')));
      await until(() => starts(home.log('web')) === round + 1);
    }
    expect(findByStartId(before.startId)).toEqual([]);
    const hold = home.client.ask('hold', { app: 'web', hold: { fallback: null, forMs: 60_000 } });
    await expect(hold).rejects.toThrow();
    expect((await status('web')).hold).toBeNull();
    const { running } = await status('web');
    await killed(first);
    await home.start();
    expect((await status('web')).running).toMatchObject({ startId: running?.startId, pid: running?.pid });
    rmdirSync(`${home.layout.keeper.keep}.new`);
    await until(() => readFileSync(home.layout.keeper.keep, 'utf8').includes(`"startId":"${running?.startId}"`));
    expect(starts(home.log('web'))).toBe(4);
  });

  test('keep.json behind by a start: the start that it had reserved is found', async () => {
    home = keeperHome();
    const first = await home.start();
    await kept('web', STEADY);
    await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 1);
    await home.client.ask('stop', { app: 'web' });
    const behind = readFileSync(home.layout.keeper.keep);
    const started = await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 2);
    await killed(first);
    writeFileSync(home.layout.keeper.keep, behind);
    await home.start();
    expect(await status('web')).toMatchObject({ desired: 'running', running: { startId: started.startId } });
    expect(starts(home.log('web'))).toBe(2);
  });
});

describe('going away', () => {
  test('shutdown ends all; the next keeper starts the same apps', async () => {
    home = keeperHome();
    const first = await home.start();
    for (const app of ['agent', 'web', 'off']) {
      await kept(app, STEADY);
      await home.client.ask('start', { app });
    }
    await home.client.ask('stop', { app: 'off' });
    await home.client.ask('shutdown', {});
    expect(await first.exited).toBe(0);
    for (const app of ['agent', 'web', 'off']) expect(home.pids(app)).toEqual([]);
    expect(existsSync(home.layout.runtime.keeperSocket)).toBe(false);
    expect(readFileSync(home.layout.keeper.keep, 'utf8')).toContain('"desired":"running"');

    await home.start();
    await until(async () => (await status('web')).running && (await status('agent')).running);
    expect(await status('off')).toMatchObject({ running: null });
    expect((await status('web')).crashes).toBe(0);
  });

  test('SIGTERM does the same, also while an app is restarted', async () => {
    home = keeperHome();
    const first = await home.start({ times: { restart: 20 } });
    await kept('web', STEADY);
    await kept('crashing', CRASHING);
    for (const app of ['web', 'crashing']) await home.client.ask('start', { app });
    first.process.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    expect(home.pids('web')).toEqual([]);
    expect(home.pids('crashing')).toEqual([]);
  });

  test('renew ends the keeper with 75 and leaves the apps', async () => {
    home = keeperHome();
    const first = await home.start();
    await kept('web', STEADY);
    const started = await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 1);
    await home.client.ask('renew', {});
    expect(await first.exited).toBe(75);
    expect(alive(started.pid)).toBe(true);
    await home.start();
    expect((await status('web')).running).toEqual(started);
    expect(starts(home.log('web'))).toBe(1);
  });

  test('the agent restarts itself', async () => {
    home = keeperHome();
    await home.start();
    await kept('agent', STEADY);
    const first = await home.client.ask('start', { app: 'agent' });
    const second = await home.client.ask('restart', { app: 'agent' });
    expect(second.startId).not.toBe(first.startId);
    expect(findByStartId(first.startId)).toEqual([]);
    expect(await status('agent')).toMatchObject({ desired: 'running', crashes: 0 });
  });

  test('the end of the parent pipe is a shutdown, and no app holds the pipe', async () => {
    home = keeperHome();
    const keeper = await home.start({ parentPipe: true });
    await kept('web', '', { argv: ['sleep', '1000'] });
    const { startId } = await home.client.ask('start', { app: 'web' });
    const pid = await until(() => appPid(startId));
    expect(readdirSync(`/proc/${pid}/fd`)).not.toContain('3');
    (keeper.process.stdio[3] as import('node:net').Socket).destroy();
    expect(await keeper.exited).toBe(0);
    expect(home.pids('web')).toEqual([]);
  });
});

describe('one keeper a home', () => {
  test('a second one is refused at once and the first goes on', async () => {
    home = keeperHome();
    const first = await home.start();
    const second = home.spawn();
    expect(await second.exited).toBe(2);
    expect(second.output()).toContain('home_in_use');
    expect((await home.client.ask('hello', {})).pid).toBe(first.process.pid);
  });

  test('of four that start at once exactly one wins', async () => {
    home = keeperHome();
    for (let round = 0; round < 3; round += 1) {
      const four = Array.from({ length: 4 }, () => home.spawn());
      const codes: (number | string)[] = [];
      for (const keeper of four) void keeper.exited.then((code) => codes.push(code));
      await until(() => codes.length === 3);
      expect(codes).toEqual([2, 2, 2]);
      const { pid } = await home.client.ask('hello', {});
      expect(four.map((keeper) => keeper.process.pid)).toContain(pid);
      await home.client.ask('shutdown', {});
      await until(() => codes.length === 4);
      expect(codes[3]).toBe(0);
      rmSync(home.layout.keeper.lock);
    }
  });
});

/** Is this process the wrapper of a start? */
function groupLeader(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[3] === 'fettle-keep' && alive(pid) && isLeader(pid);
  } catch {
    return false;
  }
}

function isLeader(pid: number): boolean {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ');
  return Number(fields?.[3]) === pid;
}
