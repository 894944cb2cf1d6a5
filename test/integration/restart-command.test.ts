import { appendFileSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openJournal } from '../../agent/journal.ts';
import { allPids } from '../../agent/keeper/proc.ts';
import { runsFrom } from '../../agent/keeper/processes.ts';
import { newEntry } from '../../agent/updater/new-entry.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { askVersion, type Device, makeDevice } from '../support/device.ts';
import { configure, makeDriverApp, type Release } from '../support/driver-releases.ts';
import { rescue } from '../support/rescue.ts';
import { until } from '../support/until.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

let device: Device;
afterEach(() => device.close());

const COMMAND = ['restart: command node ctl.mjs', 'stop: {grace: 1s}'];
const KEPT = ['run: node server.mjs', 'stop: {grace: 1s}'];

async function installed(releases: Readonly<Record<string, Release>>, lines: readonly string[]): Promise<void> {
  device = await makeDevice();
  await makeDriverApp(device, releases, lines);
  await device.startAgent();
  const first = await device.outcome(await device.order('install', Object.keys(releases)[0]));
  expect(first).toMatchObject({ state: 'succeeded' });
}

/** Processes that run from the app's slots, but for the shell above it and commands that are about to end. */
const running = () =>
  allPids().filter(
    (pid) =>
      runsFrom([pid], device.layout.app('app').releases) && !/ctl\.mjs|^\/bin\/sh|^setsid|^env/.test(commandOf(pid)),
  );
const answers = () => askVersion(device.port);

describe('an app that a command of its own starts and stops', () => {
  test('is updated, rolled back when its start fails, and survives keeper and agent', async () => {
    await installed({ '1.0.1': {}, '1.1.1': { staysOnStop: true }, '1.2.1': { startFails: 3 } }, COMMAND);
    const [first] = running();
    expect(readFileSync(`/proc/${first}/environ`, 'latin1')).not.toContain('FETTLE_START');
    expect(await device.outcome(await device.order('update', '1.1.1'))).toMatchObject({
      state: 'succeeded',
      proof: 'reported',
    });
    expect(await answers()).toBe('1.1.1');
    // A status command that was just begun looks like the app for a moment.
    await until('one process of the app', () => running().length === 1);
    // Its stop command only says that it stopped it: what is left gets SIGKILL, and the old one is brought back.
    const failed = await device.outcome(await device.order('update', '1.2.1'));
    expect(failed).toMatchObject({ state: 'rolled-back', running: '1.1.1', problem: { code: 'start_failed' } });
    expect(JSON.stringify(failed.problem)).toContain('no licence found');
    expect(await answers()).toBe('1.1.1');
    const [pid] = running();
    await device.killAll();
    expect(running()).toEqual([pid]);
    await device.startKeeper();
    await device.startAgent();
    expect(await device.outcome(await device.order('restart'))).toMatchObject({ state: 'succeeded' });
    // A status command that was just begun looks like the app for a moment.
    await until('one process of the app', () => running().length === 1);
    expect(running()).not.toEqual([pid]);
  });

  test('neither version can be started: the keeper tries until one can', async () => {
    await installed({ '1.0.1': {}, '1.1.1': {} }, COMMAND);
    const refuses = join(device.layout.home, 'no-start');
    writeFileSync(refuses, '');
    const failed = await device.outcome(await device.order('update', '1.1.1'));
    expect(failed).toMatchObject({ state: 'rollback-failed' });
    expect(running()).toEqual([]);
    rmSync(refuses);
    await until('1.0.1 to answer', async () => (await answers()) === '1.0.1');
    // A status command that was just begun looks like the app for a moment.
    await until('one process of the app', () => running().length === 1);
  });

  test('is stopped and started from the fallback by the keeper, where the agent does not come back', async () => {
    await installed({ '1.0.1': {}, '1.1.1': {} }, COMMAND);
    const fallback = readlinkSync(device.layout.app('app').current);
    expect(await device.outcome(await device.order('update', '1.1.1'))).toMatchObject({ state: 'succeeded' });
    await device.stopAgent();
    await device.keeper.ask('hold', { app: 'app', hold: { fallback, forMs: 200 } });
    await until('1.0.1 to answer', async () => (await answers()) === '1.0.1');
    expect(readlinkSync(device.layout.app('app').current)).toBe(fallback);
    // A status command that was just begun looks like the app for a moment.
    await until('one process of the app', () => running().length === 1);
    expect((await device.keeper.ask('status', {})).apps.app).toMatchObject({ fellBack: true, desired: 'stopped' });
    // Its commands are known to the keeper, too: for a rescue whose file is broken.
    writeFileSync(device.layout.config, 'apps: [broken');
    const [pid] = running();
    process.kill(pid ?? 0, 'SIGKILL');
    const { code, text } = await rescue(device);
    expect(text).toContain('"result":"well"');
    expect(code).toBe(0);
    expect(await answers()).toBe('1.0.1');
    // A status command that was just begun looks like the app for a moment.
    await until('one process of the app', () => running().length === 1);
  });

  test('a change of `restart` in the file: it runs once, each way', async () => {
    await installed({ '1.0.1': {} }, KEPT);
    const [kept] = running();
    await device.stopAgent();
    configure(device, COMMAND);
    await device.startAgent();
    await until('the command to have started it', async () => (await answers()) === '1.0.1' && running()[0] !== kept);
    // A status command that was just begun looks like the app for a moment.
    await until('one process of the app', () => running().length === 1);
    const { app } = (await device.keeper.ask('status', {})).apps;
    expect(app).toMatchObject({ once: true, running: null });
    await device.stopAgent();
    configure(device, KEPT);
    await device.startAgent();
    await until('the keeper to run it', async () => (await device.keeper.ask('status', {})).apps.app?.running);
    await until('it to answer', async () => (await answers()) === '1.0.1');
    // Its wrapper's argument is in the slot as well.
    const { startId } = (await device.keeper.ask('status', {})).apps.app?.running ?? {};
    for (const pid of running()) {
      expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).toContain(`FETTLE_START=${startId}`);
    }
    expect(await device.outcome(await device.order('restart'))).toMatchObject({ state: 'succeeded' });
  });
});

describe('an app whose unit nobody can be asked about', () => {
  test('does not keep others from being put in order when the agent starts', async () => {
    device = await makeDevice();
    await makeDriverApp(device, { '1.0.1': {} }, KEPT);
    appendFileSync(device.layout.config, '  unit: {source: folder releases, restart: systemd fettle-test-nothere}\n');
    const order = { id: 'o-1', device: 'd', app: 'unit', kind: 'update' as const, withData: false, backup: true };
    const given = { ...order, update: 'u-cut', force: false, notBefore: 0, expiresAt: 0 };
    const cut = { ...newEntry(given, 0), state: 'probing' as const, from: '1.0.0-a', to: '1.0.1-b' };
    makeFolder(device.layout.agent.journal);
    openJournal(device.layout.agent.journal).write(cut);
    await device.startAgent();
    expect(await device.outcome('u-cut')).toMatchObject({ state: 'rollback-failed' });
    expect(await device.outcome(await device.order('install', '1.0.1'))).toMatchObject({ state: 'succeeded' });
  });
});

describe('what survives the end of a kept app without a mark', () => {
  test('is found by what it runs, and ended', async () => {
    await installed({ '1.0.1': { leavesBehind: true }, '1.1.1': {} }, KEPT);
    await until('the process left behind', () => running().some((pid) => commandOf(pid).includes('left.mjs')));
    expect(await device.outcome(await device.order('update', '1.1.1'))).toMatchObject({ state: 'succeeded' });
    expect(running().filter((pid) => commandOf(pid).includes('left.mjs'))).toEqual([]);
  });
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
