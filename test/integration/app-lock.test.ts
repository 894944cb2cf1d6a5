import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/** The hook of a robot: busy while the file says so, broken where it says that. */
const HOOK = `#!/bin/sh
[ -e "$1" ] || exit 0
cat "$1"
grep -q broken "$1" && exit 1
exit 75
`;

describe("an app's own lock", () => {
  let device: Device;
  const home = () => device.layout.home;
  const busy = () => join(home(), 'busy');
  const lockFile = () => join(home(), 'moving.lock');

  beforeEach(async () => {
    device = await makeDevice({
      app: {
        notNow: '{file: moving.lock, command: [sh, $HOME/hook, $HOME/busy], every: 100ms}',
        deadlines: '{probing: 3s, waiting: 20s}',
      },
    });
    writeFileSync(join(home(), 'hook'), HOOK);
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  const noteOf = (update: string) =>
    device.messages.flatMap((m) => (m.type === 'report' && m.update === update && m.note ? [m.note] : [])).at(-1);
  const locked = (update: string, reason: string) =>
    until(`${update} to wait for ${reason}`, () => {
      const note = noteOf(update);
      return note?.code === 'locked_by_app' && String(note.data.reason).includes(reason) ? note : undefined;
    });
  const answer = (update: string, asked: 'force' | 'hold') =>
    until(`the answer to ${asked}`, () =>
      device.messages.find((m) => m.type === 'lock-answer' && m.update === update && m.asked === asked),
    );

  test('blocks the stop and not the download; the reason is told, and the update goes on when both are gone', async () => {
    writeFileSync(lockFile(), 'arm is moving\nsecond line');
    writeFileSync(busy(), 'very-secret-value-4711 gripper');
    const update = await device.order('update', '1.1.0');
    const note = await locked(update, 'arm is moving');
    expect(note.data.reason).toBe('arm is moving');
    expect(Date.parse(String(note.data.until))).toBeGreaterThan(Date.parse(String(note.data.since)));
    const entry = device.journal(update);
    expect(existsSync(join(device.layout.app('app').releases, entry?.to ?? '', '.fettle', 'slot.json'))).toBe(true);
    expect(await device.version()).toBe('1.0.0');
    rmSync(lockFile());
    expect((await locked(update, 'gripper')).data.reason).toBe('[hidden] gripper');
    rmSync(busy());
    expect(await device.outcome(update)).toMatchObject({ state: 'succeeded', running: '1.1.0' });
  });

  test('force passes it, also across a killed agent; an order that is forced never waits', async () => {
    writeFileSync(busy(), 'broken');
    const update = await device.order('update', '1.1.0');
    // A hook that fails is no permission.
    await locked(update, 'status 1: broken');
    await device.stopAgent();
    await device.startAgent('stopping:entered');
    await locked(update, 'broken');
    await device.say({ type: 'force', update });
    // It dies right after, before the app is stopped: the old version is brought back.
    const outcome = await device.outcome(update);
    expect(outcome.state).toBe('rolled-back');
    const forced = await device.order('update', '1.1.0', { force: true });
    expect(await device.outcome(forced)).toMatchObject({ state: 'succeeded', running: '1.1.0' });
    // What comes later by itself has to wait again, whatever was forced before; so has a restart.
    const restart = await device.order('restart');
    await locked(restart, 'broken');
    await device.say({ type: 'force', update: restart });
    expect(await answer(restart, 'force')).toMatchObject({ accepted: true });
    expect(await device.outcome(restart)).toMatchObject({ state: 'succeeded', running: '1.1.0' });
    await device.say({ type: 'force', update: restart });
    await device.say({ type: 'hold', update: restart });
    expect(await answer(restart, 'hold')).toMatchObject({ accepted: false, state: 'succeeded' });
  });

  test('a cancel ends the wait at once', async () => {
    writeFileSync(lockFile(), '');
    const update = await device.order('update', '1.1.0');
    await locked(update, 'moving.lock is there');
    device.cancel(update);
    expect(await device.outcome(update)).toMatchObject({ state: 'cancelled', running: '1.0.0' });
  });
});

describe('the deadline of a lock', () => {
  let device: Device;
  beforeEach(async () => {
    device = await makeDevice({
      app: { notNow: '$HOME/moving.lock', deadlines: '{probing: 3s, waiting: 2s}' },
    });
    await device.startAgent();
    expect(await device.outcome(await device.order('install', '1.0.0'))).toMatchObject({ state: 'succeeded' });
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  test('ends it, to be tried again from what was fetched; hold begins it anew', async () => {
    const file = join(device.layout.home, 'moving.lock');
    writeFileSync(file, 'moving');
    const update = await device.order('update', '1.1.0');
    const first = await until('the lock', () =>
      device.messages.find((m) => m.type === 'report' && m.update === update && m.note?.code === 'locked_by_app'),
    );
    await device.say({ type: 'hold', update });
    // Told anew, with a later end.
    const later = await until('a later end', () =>
      device.messages.find(
        (m) =>
          m.type === 'report' &&
          m.update === update &&
          m.note !== undefined &&
          first.type === 'report' &&
          String(m.note.data.until) > String(first.note?.data.until),
      ),
    );
    expect(later).toMatchObject({ note: { data: { reason: 'moving' } } });
    const outcome = await device.outcome(update);
    expect(outcome).toMatchObject({
      state: 'failed',
      running: '1.0.0',
      problem: { code: 'locked_by_app', retryable: true, data: { reason: 'moving' } },
    });
    const slot = device.journal(update)?.to ?? '';
    expect(existsSync(join(device.layout.app('app').releases, slot, '.fettle', 'slot.json'))).toBe(true);
    rmSync(file);
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
  });
});
