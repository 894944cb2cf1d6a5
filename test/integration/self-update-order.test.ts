import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { UpdateState } from '../../src/domain/update.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/** What is under way when the agent is asked to update itself, and what is asked meanwhile. */
describe('the agent is asked to update', { timeout: 60_000 }, () => {
  let device: Device;
  beforeEach(async () => {
    device = await makeDevice({ probing: '6s' });
    await device.startOwnAgent();
    await device.outcome(await device.order('install', '1.0.0'));
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  const agent = { app: 'agent' };
  const reached = (update: string, state: UpdateState) =>
    until(`${update} in ${state}`, () =>
      device.messages.some((m) => m.type === 'report' && m.update === update && m.state === state),
    );
  const notesOf = (update: string) =>
    device.messages.flatMap((m) => (m.type === 'report' && m.update === update && m.note ? [m.note] : []));

  test('while an app is being switched: it waits, and says for what', async () => {
    // Ill: it takes the whole probing deadline, and then goes back.
    const app = await device.order('update', '1.2.0');
    await reached(app, 'probing');
    const self = await device.order('update', '2.1.0', agent);
    await until('it to say what it waits for', () => notesOf(self).length > 0);
    expect(notesOf(self)).toMatchObject([{ code: 'busy', data: { app: 'agent', other: 'app' } }]);
    expect(device.outcomes.some((o) => o.update === app)).toBe(false);

    expect(await device.outcome(app)).toMatchObject({ state: 'rolled-back', dataRestored: true });
    expect(await device.outcome(self)).toMatchObject({ state: 'succeeded', to: '2.1.0' });
    const told = device.messages.findIndex((m) => m.type === 'outcome' && m.outcome.update === app);
    const stopping = device.messages.findIndex(
      (m) => m.type === 'report' && m.update === self && m.state === 'stopping',
    );
    expect(told).toBeGreaterThan(0);
    expect(stopping).toBeGreaterThan(told);
    expect(await device.version()).toBe('1.0.0');
  });

  test('it can be cancelled while it waits', async () => {
    const app = await device.order('update', '1.2.0');
    await reached(app, 'probing');
    const self = await device.order('update', '2.1.0', agent);
    await until('it to wait', () => notesOf(self).length > 0);
    device.cancel(self);
    expect(await device.outcome(self)).toMatchObject({ state: 'cancelled', running: '2.0.0' });
    expect(await device.outcome(app)).toMatchObject({ state: 'rolled-back' });
    expect(readdirSync(device.layout.app('agent').releases)).toHaveLength(1);
  });

  test('an app that is asked for meanwhile waits until the new agent is well, and goes on with it', async () => {
    const self = await device.order('update', '2.1.0', agent);
    await reached(self, 'probing');
    const app = await device.order('update', '1.1.0');
    await until('it to say what it waits for', () => notesOf(app).length > 0);
    expect(notesOf(app)).toMatchObject([{ code: 'busy', data: { app: 'app', other: 'agent' } }]);
    expect(await device.outcome(self)).toMatchObject({ state: 'succeeded', to: '2.1.0' });
    expect(await device.outcome(app)).toMatchObject({ state: 'succeeded', to: '1.1.0' });
    expect(await device.version()).toBe('1.1.0');
  });

  test('also where the app was asked for first and both were interrupted: the agent proves itself alone', async () => {
    const self = await device.order('update', '2.1.0', agent);
    await reached(self, 'probing');
    const app = await device.order('update', '1.1.0');
    await until('it to wait', () => notesOf(app).length > 0);
    await device.stopAgent();
    const file = (id: string) => join(device.layout.agent.journal, `${id}.json`);
    const entry = (id: string) => JSON.parse(readFileSync(file(id), 'utf8')) as { startedAt: number; state: string };
    expect(entry(self).state).toBe('probing');
    // As if its download had taken longer than everything else.
    writeFileSync(file(app), JSON.stringify({ ...entry(app), startedAt: entry(self).startedAt - 1_000 }));
    const from = device.messages.length;
    await device.keeper.ask('start', { app: 'agent' });
    expect(await device.outcome(self)).toMatchObject({ state: 'succeeded' });
    expect(await device.outcome(app)).toMatchObject({ state: 'succeeded' });
    const later = device.messages.slice(from);
    const proven = later.findIndex((m) => m.type === 'outcome' && m.outcome.update === self);
    const stopped = later.findIndex((m) => m.type === 'report' && m.update === app && m.state === 'stopping');
    expect(proven).toBeGreaterThanOrEqual(0);
    expect(stopped).toBeGreaterThan(proven);
  });

  test('an acknowledgement that can’t be written down does not end the agent', async () => {
    const before = (await device.keeper.ask('status', {})).apps.agent?.running?.pid;
    const update = await device.order('restart');
    await until('its outcome', () => device.outcomes.some((o) => o.update === update));
    const file = join(device.layout.agent.journal, `${update}.json`);
    rmSync(file);
    mkdirSync(join(file, 'in-the-way'), { recursive: true });
    await device.say({ type: 'outcome-ack', update });
    await until('it to be logged', () =>
      /outcome-ack was not taken/.test(readFileSync(device.layout.appLog('agent'), 'utf8')),
    );
    expect((await device.keeper.ask('status', {})).apps.agent?.running?.pid).toBe(before);
    rmSync(file, { recursive: true });
  });

  test('a second update of the agent itself is refused', async () => {
    const self = await device.order('update', '2.1.0', agent);
    const second = await device.order('restart', undefined, agent);
    const ack = await until('the answer', () =>
      device.messages.find((m) => m.type === 'order-ack' && m.update === second),
    );
    expect(ack).toMatchObject({ accepted: false, problem: { code: 'in_progress' } });
    expect(await device.outcome(self)).toMatchObject({ state: 'succeeded' });
  });

  test.each<[string, object, string]>([
    [
      'of another digest',
      { release: { version: '2.1.0', channel: 'stable', digest: `sha256-${'0'.repeat(64)}` } },
      'artifact_unverified',
    ],
    [
      'that the source does not have',
      { release: { version: '9.9.9', channel: 'stable', digest: `sha256-${'1'.repeat(64)}` } },
      'artifact_unverified',
    ],
  ])('to a release %s: refused, nothing changed', async (_, more, code) => {
    const before = (await device.keeper.ask('status', {})).apps.agent?.running?.pid;
    const outcome = await device.outcome(await device.order('update', undefined, { ...agent, ...more }));
    expect(outcome).toMatchObject({ state: 'failed', problem: { code }, running: '2.0.0' });
    expect((await device.keeper.ask('status', {})).apps.agent?.running?.pid).toBe(before);
    expect(readdirSync(device.layout.app('agent').releases)).toHaveLength(1);
  });
});
