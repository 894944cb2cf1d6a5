import { appendFileSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, makeDevice } from '../support/device.ts';

describe('an app that writes into its slot', () => {
  let device: Device;
  const slot = () => join(device.layout.app('app').dir, readlinkSync(device.layout.app('app').current));
  beforeAll(async () => {
    device = await makeDevice({ probing: '1s' });
    await device.startAgent();
    await device.outcome(await device.order('install', '1.0.0'));
  });
  afterAll(() => device.close());

  const write = (path: string) => {
    mkdirSync(join(slot(), path, '..'), { recursive: true });
    writeFileSync(join(slot(), path), 'of value');
  };

  it('is refused with the line that keeps it, and nothing is touched', async () => {
    for (const path of ['uploads/2026/cat.jpg', 'bot.db', 'bot.db-wal', 'logs/today', 'app.pid', '__pycache__/x.pyc'])
      write(path);
    appendFileSync(join(slot(), 'server.mjs'), '\n// edited in place\n');
    const { state, problem, outageMs } = await device.outcome(await device.order('update', '1.1.0'));
    const path = 'bot.db, uploads, server.mjs';
    expect({ state, outageMs, problem }).toMatchObject({
      state: 'failed',
      problem: { code: 'writes_into_slot', data: { path, keep: `data, ${path}` }, retryable: false },
    });
    expect(outageMs).toBeUndefined();
    expect(await device.version()).toBe('1.0.0');
  });

  it('is updated where a person insists, and then goes on without a complaint', async () => {
    expect(await device.outcome(await device.order('update', '1.1.0', { force: true }))).toMatchObject({
      state: 'succeeded',
    });
    expect(await device.outcome(await device.order('update', '1.0.0', { force: true }))).toMatchObject({
      state: 'succeeded',
    });
  });

  it('is let through where its slot is from a Fettle that made no list', async () => {
    write('bot.db');
    rmSync(join(slot(), '.fettle', 'contents.json'));
    expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ state: 'succeeded' });
  });
});
