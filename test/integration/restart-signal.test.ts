import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Device, makeDevice } from '../support/device.ts';
import { makeDriverApp, type Release } from '../support/driver-releases.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

let device: Device;
afterEach(() => device.close());

async function installed(releases: Readonly<Record<string, Release>>): Promise<void> {
  device = await makeDevice();
  // No data to bring back: going back needs no stop either.
  await makeDriverApp(device, releases, [
    'run: node {slot}/server.mjs',
    'restart: signal SIGUSR2',
    'stop: {grace: 1s}',
    'backup: []',
  ]);
  await device.startAgent();
  const first = await device.outcome(await device.order('install', Object.keys(releases)[0]));
  expect(first).toMatchObject({ state: 'succeeded' });
}

async function answer(): Promise<{ version: string; pid: number }> {
  const response = await fetch(`http://127.0.0.1:${device.port}/`, { headers: { connection: 'close' } });
  return (await response.json()) as { version: string; pid: number };
}
const update = async (version: string) => device.outcome(await device.order('update', version));

describe('an app that replaces itself when it gets a signal', () => {
  test('keeps its process over updates and over going back', async () => {
    await installed({ '1.0.1': {}, '1.1.1': {}, '1.2.1': { ill: true } });
    const { pid } = await answer();
    expect(await update('1.1.1')).toMatchObject({ state: 'succeeded', proof: 'reported' });
    expect(await answer()).toEqual(expect.objectContaining({ version: '1.1.1', pid }));
    expect(await update('1.2.1')).toMatchObject({ state: 'rolled-back', problem: { code: 'health_failed' } });
    expect(await answer()).toEqual(expect.objectContaining({ version: '1.1.1', pid }));
    // A restart is a real one.
    expect(await device.outcome(await device.order('restart'))).toMatchObject({ state: 'succeeded' });
    expect((await answer()).pid).not.toBe(pid);
  });

  test('may hand over to a child, and the keeper follows; may die, and is started', async () => {
    await installed({ '1.0.1': { onSignal: 'child' }, '1.1.1': { onSignal: 'die' }, '1.2.1': {} });
    const { pid } = await answer();
    expect(await update('1.1.1')).toMatchObject({ state: 'succeeded' });
    const child = await answer();
    expect(child).toMatchObject({ version: '1.1.1' });
    expect(child.pid).not.toBe(pid);
    const kept = async () => (await device.keeper.ask('status', {})).apps.app;
    expect((await kept())?.running?.pid).toBe(child.pid);
    expect(await update('1.2.1')).toMatchObject({ state: 'succeeded' });
    expect((await answer()).version).toBe('1.2.1');
    expect(await kept()).toMatchObject({ desired: 'running', hold: null });
  });

  test('that does nothing is not taken for the new one: it is stopped, and started from the old slot', async () => {
    await installed({ '1.0.1': { onSignal: 'nothing' }, '1.1.1': {} });
    const { pid } = await answer();
    const outcome = await update('1.1.1');
    expect(outcome).toMatchObject({ state: 'rolled-back', running: '1.0.1', problem: { code: 'start_failed' } });
    expect(await answer()).toEqual(expect.objectContaining({ version: '1.0.1', pid }));
  });
});
