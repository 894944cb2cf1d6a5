import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { switchLink } from '../../src/files/durable.ts';
import { alive, CRASHING, type KeeperHome, keeperHome, kill, STEADY, starts, until } from '../support/keeper.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let home: KeeperHome;
const daemons: number[] = [];
afterEach(async () => {
  for (const pid of daemons.splice(0)) kill(pid);
  await home.remove();
});

/** Leaves a process behind in a session of its own, writes its pid down, and ends with 0. */
const DAEMON = `
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
console.log('start', process.pid, process.env.TEST_SLOT, process.env.FETTLE_START);
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
child.unref();
writeFileSync(process.env.TEST_HOME + '/daemon', String(child.pid));
`;

/** Two slots, each with its script; `current` points at `now`. */
async function once(scripts: { old: string; now: string }) {
  const old = home.slot('web', 'old', scripts.old);
  const now = home.slot('web', 'now', scripts.now);
  switchLink(home.layout.app('web').current, now);
  await home.client.ask('keep', { app: 'web', spec: home.spec('web', { once: true }) });
  return { old, now };
}

async function status() {
  const found = (await home.client.ask('status', {})).apps.web;
  if (!found) throw new Error('no web');
  return found;
}

async function daemon(): Promise<number> {
  const file = join(home.layout.home, 'daemon');
  const pid = await until(() => existsSync(file) && Number(readFileSync(file, 'utf8')));
  daemons.push(pid);
  return pid;
}

const current = () => readlinkSync(home.layout.app('web').current);

describe('a command that runs to its end', () => {
  test('what it leaves behind is not its own: not marked, not ended by a stop, nor with the keeper', async () => {
    home = keeperHome();
    const keeper = await home.start();
    const { now } = await once({ old: STEADY, now: DAEMON });
    expect((await home.client.ask('hello', {})).knows).toContain('once');
    const started = await home.client.ask('start', { app: 'web' });
    expect(started.slot).toContain(now);
    await until(async () => (await status()).lastExit?.code === 0);
    expect(await status()).toMatchObject({ desired: 'stopped', running: null, crashes: 0 });
    const pid = await daemon();
    expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).not.toContain('FETTLE_START');
    expect(await home.client.ask('stop', { app: 'web' })).toMatchObject({ gone: true });
    await home.client.ask('shutdown', {});
    await keeper.exited;
    expect(alive(pid)).toBe(true);
    // The next keeper neither takes it for its own nor runs the command again.
    await home.start();
    expect(await status()).toMatchObject({ running: null, desired: 'stopped' });
    expect(starts(home.log('web'))).toBe(1);
    expect(alive(pid)).toBe(true);
  });

  test('another status than 0 is tried again, until it is 0 or somebody stops it', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 20 } });
    const flag = join(home.layout.home, 'works-now');
    await once({
      old: STEADY,
      now: `
import { existsSync } from 'node:fs';
console.log('start', process.pid);
process.exit(existsSync(${JSON.stringify(flag)}) ? 0 : 3);
`,
    });
    await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) >= 3);
    expect(await status()).toMatchObject({ desired: 'running', lastExit: { code: 3 } });
    writeFileSync(flag, '');
    await until(async () => (await status()).desired === 'stopped');
    const done = starts(home.log('web'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(starts(home.log('web'))).toBe(done);
  });

  test('an expired hold goes to the fallback and runs the command; a keeper that dies meanwhile finishes it', async () => {
    home = keeperHome();
    const first = await home.start({ times: { restart: 20 } });
    const flag = join(home.layout.home, 'works-now');
    const { old } = await once({
      old: `
import { existsSync } from 'node:fs';
console.log('start', process.pid, process.env.TEST_SLOT);
process.exit(existsSync(${JSON.stringify(flag)}) ? 0 : 3);
`,
      now: CRASHING,
    });
    await home.client.ask('hold', { app: 'web', hold: { fallback: old, forMs: 300 } });
    await until(() => starts(home.log('web')) >= 2);
    expect(current()).toBe(old);
    expect(await status()).toMatchObject({ fellBack: true, hold: null, desired: 'running' });
    kill(first.process.pid);
    await first.exited;
    writeFileSync(flag, '');
    await home.start({ times: { restart: 20 } });
    await until(async () => (await status()).desired === 'stopped');
    expect(await status()).toMatchObject({ lastExit: { code: 0 }, fellBack: true });
    expect(home.log('web')).not.toContain('releases/now');
  });

  test('an agent that failed three times ends the hold as well', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 50, quickRestart: 20 } });
    const { old } = await once({ old: DAEMON, now: CRASHING });
    home.slot('agent', 'now', CRASHING);
    await home.client.ask('keep', { app: 'agent', spec: home.spec('agent') });
    await home.client.ask('hold', { app: 'web', hold: { fallback: old, forMs: 60_000 } });
    await home.client.ask('start', { app: 'agent' });
    await until(async () => (await status()).fellBack && (await status()).lastExit?.code === 0);
    expect(current()).toBe(old);
    expect(alive(await daemon())).toBe(true);
  });

  test('the keeper does not run it by itself; one under way is waited for, not run twice', async () => {
    home = keeperHome();
    const first = await home.start();
    await once({ old: STEADY, now: STEADY });
    const { pid } = await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 1);
    kill(first.process.pid);
    await first.exited;
    const second = await home.start({ times: { poll: 20 } });
    expect(await status()).toMatchObject({ running: { pid } });
    // Asked for once more: the one that runs is the answer.
    expect((await home.client.ask('start', { app: 'web' })).pid).toBe(pid);
    expect(await home.client.ask('stop', { app: 'web' })).toMatchObject({ gone: true });
    await until(() => home.pids('web').length === 0);
    await home.client.ask('shutdown', {});
    await second.exited;
    await home.start();
    expect(await status()).toMatchObject({ running: null, desired: 'stopped' });
    expect(starts(home.log('web'))).toBe(1);
  });

  test('one that takes too long is ended whole, and tried again', async () => {
    home = keeperHome();
    await home.start({ times: { once: 300, restart: 20 } });
    await once({ old: STEADY, now: STEADY });
    await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 2);
    expect((await status()).crashes).toBeGreaterThan(0);
    expect(home.pids('web').length).toBeLessThanOrEqual(3);
    await home.client.ask('stop', { app: 'web' });
    await until(() => home.pids('web').length === 0);
  });

  test('an entry becomes another kind only while it does not run; its hold stays', async () => {
    home = keeperHome();
    await home.start();
    const { old } = await once({ old: DAEMON, now: STEADY });
    await home.client.ask('keep', { app: 'web', spec: home.spec('web') });
    await home.client.ask('start', { app: 'web' });
    await home.client.ask('hold', { app: 'web', hold: { fallback: old, forMs: 1_500 } });
    const spec = home.spec('web', { once: true });
    await expect(home.client.ask('keep', { app: 'web', spec })).rejects.toMatchObject({ code: 'busy' });
    await home.client.ask('stop', { app: 'web' });
    await home.client.ask('keep', { app: 'web', spec });
    expect((await status()).hold).toMatchObject({ fallback: old });
    await until(async () => (await status()).fellBack && (await status()).lastExit?.code === 0);
    expect(home.log('web')).toContain('undefined');
    await daemon();
  });
});
