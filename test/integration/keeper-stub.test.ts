import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startStub } from '../../agent/keeper/start-stub.ts';
import {
  alive,
  followKeeper,
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
let stubs: RunningKeeper[] = [];
afterEach(async () => {
  for (const stub of stubs) {
    kill(stub.process.pid);
    await stub.exited;
  }
  stubs = [];
  await home.remove();
});

const ENTRY = join(import.meta.dirname, '..', 'support', 'keeper-entry.ts');

/** A slot of Fettle itself: `node` and `fettle` as links, the latter to any script. */
function fettleSlot(version: string, script: string = ENTRY): string {
  const { dir } = home.layout.app('agent');
  const slot = join(dir, 'releases', version);
  mkdirSync(join(slot, '.fettle'), { recursive: true });
  symlinkSync(process.execPath, join(slot, '.fettle', 'node'));
  if (script === ENTRY) symlinkSync(ENTRY, join(slot, '.fettle', 'fettle'));
  else writeFileSync(join(slot, '.fettle', 'fettle'), script);
  return slot;
}

function writeStub(): void {
  mkdirSync(home.layout.keeper.dir, { recursive: true });
  writeFileSync(home.layout.keeper.start, startStub(home.layout));
  chmodSync(home.layout.keeper.start, 0o700);
}

function runStub(options: { args?: string[]; env?: Record<string, string>; pipe?: boolean } = {}): RunningKeeper {
  const child = spawn(home.layout.keeper.start, options.args ?? [], {
    stdio: ['ignore', 'ignore', 'pipe', options.pipe ? 'pipe' : 'ignore'],
    detached: true,
    // TEST_HOME: what is left of a failed test is found and ended by it.
    env: {
      PATH: process.env.PATH ?? '',
      XDG_RUNTIME_DIR: join(home.layout.home, 'run'),
      TEST_HOME: home.layout.home,
      ...options.env,
    },
  });
  const stub = followKeeper(child);
  stubs.push(stub);
  return stub;
}

const hello = (ms = 5_000) => home.client.ask('hello', {}, { timeoutMs: ms });

describe('the start script', () => {
  test('counts three starts, then goes to last-good', async () => {
    home = keeperHome();
    writeStub();
    const bad = fettleSlot('bad', 'console.error("bad start"); process.exit(1)');
    const good = fettleSlot('good');
    symlinkSync(bad, home.layout.keeper.current);
    symlinkSync(good, home.layout.keeper.lastGood);
    const stub = runStub({ env: { KEEPER_TEST_TIMES: '{"served":300}' } });
    await hello(15_000);
    expect(stub.output().match(/bad start/g)).toHaveLength(3);
    expect(stub.output()).toContain('going back to');
    expect(readlinkSync(home.layout.keeper.current)).toBe(good);
    // A keeper that has served for a while is a good one.
    await until(() => !existsSync(home.layout.keeper.starts));
    await home.client.ask('shutdown', {});
    expect(await stub.exited).toBe(0);
  });

  test('starts a killed keeper again, which adopts', async () => {
    home = keeperHome();
    writeStub();
    symlinkSync(fettleSlot('good'), home.layout.keeper.current);
    runStub();
    const { pid } = await hello();
    home.slot('web', '1.0.0', STEADY);
    await home.client.ask('keep', { app: 'web', spec: home.spec('web') });
    const started = await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 1);
    kill(pid);
    await until(async () => (await hello(200)).pid !== pid);
    expect((await home.client.ask('status', {})).apps.web?.running).toEqual(started);
    expect(starts(home.log('web'))).toBe(1);
  });

  test('a keeper that asked for its own update is started again at once, from the new slot', async () => {
    home = keeperHome();
    writeStub();
    symlinkSync(fettleSlot('one'), home.layout.keeper.current);
    const stub = runStub();
    const { pid } = await hello();
    await home.client.ask('renew', {});
    await until(async () => (await hello(200)).pid !== pid, 900);
    expect(alive(stub.process.pid)).toBe(true);
  });

  test('hands SIGTERM on and waits until all apps have ended', async () => {
    home = keeperHome();
    writeStub();
    symlinkSync(fettleSlot('good'), home.layout.keeper.current);
    const stub = runStub();
    await hello();
    home.slot('web', '1.0.0', `process.on('SIGTERM', () => setTimeout(() => process.exit(0), 500)); ${STEADY}`);
    await home.client.ask('keep', { app: 'web', spec: home.spec('web') });
    await home.client.ask('start', { app: 'web' });
    await until(() => starts(home.log('web')) === 1);
    stub.process.kill('SIGTERM');
    expect(await stub.exited).toBe(0);
    expect(home.pids('web')).toEqual([]);
  });

  test('SIGTERM before a keeper can hear it: apps of an earlier one are ended all the same', async () => {
    home = keeperHome();
    writeStub();
    symlinkSync(fettleSlot('good'), home.layout.keeper.current);
    const first = await home.start();
    home.slot('web', '1.0.0', STEADY);
    await home.client.ask('keep', { app: 'web', spec: home.spec('web') });
    await home.client.ask('start', { app: 'web' });
    kill(first.process.pid);
    await first.exited;
    const stub = runStub();
    await until(() => existsSync(home.layout.keeper.starts));
    stub.process.kill('SIGTERM');
    expect(await stub.exited).toBe(0);
    expect(home.pids('web')).toEqual([]);
  });

  test('a home in use ends it with 2, and is not counted', async () => {
    home = keeperHome();
    writeStub();
    symlinkSync(fettleSlot('good'), home.layout.keeper.current);
    symlinkSync(fettleSlot('last'), home.layout.keeper.lastGood);
    await home.start();
    for (let round = 0; round < 5; round += 1) expect(await runStub().exited).toBe(2);
    expect(readFileSync(home.layout.keeper.starts, 'utf8')).toBe('0\n');
    expect(readlinkSync(home.layout.keeper.current)).toContain('good');
  });

  test('hands descriptor 3 and its arguments on', async () => {
    home = keeperHome();
    writeStub();
    symlinkSync(fettleSlot('good'), home.layout.keeper.current);
    const stub = runStub({ args: ['--parent-pipe'], pipe: true });
    await hello();
    (stub.process.stdio[3] as import('node:net').Socket).destroy();
    expect(await stub.exited).toBe(0);
  });

  test('does not pass for a process of the agent that started it', async () => {
    home = keeperHome();
    writeStub();
    symlinkSync(fettleSlot('good'), home.layout.keeper.current);
    const stub = runStub({ env: { FETTLE_START: 'of-the-agent', FETTLE_APP: 'agent' } });
    const { pid } = await hello();
    for (const one of [pid, stub.process.pid]) {
      expect(readFileSync(`/proc/${one}/environ`, 'latin1')).not.toContain('FETTLE_START');
    }
  });

  test('a home with quotes and spaces in its name', () => {
    home = keeperHome();
    const text = startStub({ ...home.layout, home: '/tmp/it\'s a "$HOME"' });
    expect(text).toContain(`HOME_DIR='/tmp/it'\\''s a "$HOME"'`);
  });
});
