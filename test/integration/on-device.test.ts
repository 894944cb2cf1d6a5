import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { offerOrder } from '../../agent/local/order-file.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { until } from '../support/until.ts';

/** Commands on the device alone, on a real device. Its test hub is only a gateway, which gives none of these orders. */

const OLD = '{"format":1,"notes":["kept"]}\n';
const NEWER = '{"format":1,"notes":["newer"]}\n';

let device: Device;
beforeEach(async () => {
  device = await makeDevice();
  await device.startAgent();
  await device.outcome(await device.order('install', '1.0.0'));
  expect(await device.outcome(await device.order('update', '1.1.0'))).toMatchObject({ backup: 1 });
  writeFileSync(store(), NEWER);
}, 60_000);
afterEach(() => device.close(), 60_000);

const inApp = (...path: string[]) => join(device.layout.app('app').dir, ...path);
const store = () => inApp('shared', 'data', 'store.json');
const localOutcomes = () => device.messages.filter((message) => message.type === 'local-outcome');

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, ['src/main.ts', '--home', device.layout.home, ...args], {
    env: device.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function fettle(
  ...args: string[]
): Promise<{ code: number | null; text: string; json: Record<string, unknown> }> {
  const child = start(...args);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const last = text.trim().split('\n').at(-1) ?? '';
  return { code, text, json: last.startsWith('{') ? (JSON.parse(last) as Record<string, unknown>) : {} };
}

test('with the agent alive orders go through it, one after the other, and the hub is told', async () => {
  const restarted = await fettle('restart', 'app');
  expect(restarted).toMatchObject({
    code: 0,
    text: expect.stringMatching(/app: checking[\s\S]*app is back online after a restart, 1\.1\.0/),
  });
  await until('the hub to hear of it', () => localOutcomes().length > 0);
  expect(localOutcomes()[0]).toMatchObject({
    by: expect.any(String),
    outcome: { kind: 'restart', state: 'succeeded' },
  });

  const stopped = await fettle('backup', 'create', 'app', '--stop', '--json');
  expect(stopped.json).toMatchObject({ exit: 0, outcome: { kind: 'restart', backup: 2 } });
  expect(readFileSync(inApp('backups', '2', 'data', 'data', 'store.json'), 'utf8')).toBe(NEWER);

  const restored = await fettle('backup', 'restore', 'app/1', '--json');
  expect(restored.json).toMatchObject({
    exit: 0,
    outcome: { kind: 'restore', state: 'succeeded', restored: { seq: 1 } },
  });
  expect(device.data()).toBe(OLD);

  const back = await fettle('rollback', 'app', '--json');
  expect(back.json).toMatchObject({ exit: 0, outcome: { kind: 'rollback', running: '1.0.0' } });
  expect(await device.version()).toBe('1.0.0');

  // Ctrl-C, once it has begun: it goes on.
  const left = start('restart', 'app');
  let said = '';
  left.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const heard = localOutcomes().length;
  await until('it to begin', () => said.includes('app: '));
  left.kill('SIGINT');
  expect(await new Promise((resolve) => left.once('close', resolve))).toBe(130);
  expect(said).toMatch(/It goes on: `fettle status app` shows it \(u-\w{8}\)/);
  await until('its end', () => localOutcomes().length > heard);
  expect((await fettle('rollback', 'nobody')).text).toContain('There is no app nobody here. There are: ');
  expect(await fettle('backup', 'restore', 'app/99')).toMatchObject({
    code: 2,
    text: expect.stringContaining('app/1'),
  });
  // While an update is under way, nothing else is begun.
  const update = await device.order('update', '1.5.0');
  await until(
    'it to be under way',
    () => device.journal(update)?.state === 'probing' || device.journal(update)?.outcome,
  );
  const refused = await fettle('restart', 'app', '--json');
  expect(refused).toMatchObject({ code: 2, json: { problem: { code: 'in_progress', data: { id: update } } } });
  await device.outcome(update);
  expect(readdirSync(device.layout.agent.local)).toEqual([]);
}, 120_000);

test('with everything but the app dead it is done by the command, and told later', async () => {
  await device.killAll();
  const status = await fettle('status', 'app', '--json');
  expect(status.json).toMatchObject({
    keeper: false,
    agent: false,
    apps: [{ app: 'app', version: '1.1.0', lastGood: '1.0.0', health: 'healthy', backups: { count: 1 } }],
  });
  const back = await fettle('rollback', 'app', '--with-data');
  expect(back.code, back.text).toBe(0);
  expect(await device.version()).toBe('1.0.0');
  expect(device.data()).toBe(OLD);
  const before = localOutcomes().length;
  await device.startKeeper();
  await device.startAgent();
  await until('the hub to hear of it', () => localOutcomes().length > before);
  expect(localOutcomes().at(-1)).toMatchObject({ outcome: { kind: 'rollback', running: '1.0.0', dataRestored: true } });
  expect(await device.version()).toBe('1.0.0');
}, 120_000);

test('an order that nobody waits for is taken up, whatever was killed; a bad one is refused', async () => {
  await device.stopAgent();
  const order = {
    v: 1,
    update: 'u-bbbbbbbb',
    app: 'app',
    kind: 'rollback',
    withData: false,
    by: 'ada',
    at: Date.now(),
  } as const;
  offerOrder(device.layout.agent.local, order);
  writeFileSync(join(device.layout.agent.local, 'u-cccccccc.json'), '{"v":1,"update":"u-cccccccc"');
  writeFileSync(
    join(device.layout.agent.local, 'u-dddddddd.json'),
    JSON.stringify({ ...order, update: 'u-dddddddd', app: 'other' }),
  );
  await device.startAgent('stopping:worked');
  const ended = await until('its end', () => device.journal(order.update)?.outcome, 30_000);
  expect(readdirSync(device.layout.home)).toContain('killed-stopping-worked-1');
  expect(ended).toMatchObject({ state: 'rolled-back', problem: { code: 'interrupted' } });
  expect(readdirSync(device.layout.agent.local).sort()).toEqual(['u-cccccccc.refused', 'u-dddddddd.refused']);
  await until('the hub to hear of it', () => localOutcomes().some((m) => m.type === 'local-outcome' && m.by === 'ada'));
}, 60_000);

describe('backups', () => {
  test('are made beside the agent, listed, checked and exported', async () => {
    mkdirSync(inApp('shared', 'data', 'sub'));
    execFileSync('mkfifo', [inApp('shared', 'data', 'pipe')]);
    const made = await fettle('backup', 'create', 'app');
    expect(made).toMatchObject({ code: 0, text: expect.stringContaining('Backup app/2 was made while app ran') });
    expect(made.text).toContain('Without data/pipe, which is a fifo');
    expect(await device.backups()).toMatchObject([{ seq: 2, by: expect.any(String) }, { seq: 1 }]);
    expect((await fettle('backup', 'verify')).code).toBe(0);

    const archive = join(device.layout.home, 'out.tar.zst');
    expect(await fettle('backup', 'export', 'app/2', archive)).toMatchObject({ code: 0 });
    const listed = execFileSync('tar', ['--zstd', '-tf', archive], { encoding: 'utf8' });
    expect(listed.split('\n').sort()).toEqual(
      ['', 'app-2/data/data/', 'app-2/data/data/store.json', 'app-2/data/data/sub/', 'app-2/manifest.json'].sort(),
    );
    const content = execFileSync('tar', ['--zstd', '-xOf', archive, 'app-2/data/data/store.json'], {
      encoding: 'utf8',
    });
    expect(content).toBe(NEWER);
    expect((await fettle('backup', 'export', 'app/2', archive)).code).toBe(2);

    // One byte is another: the sizes are right.
    writeFileSync(inApp('backups', '2', 'data', 'data', 'store.json'), NEWER.replace('newer', 'never'));
    writeFileSync(inApp('backups', '1', 'manifest.json'), '{');
    expect(await fettle('backup', 'verify', 'app', '2')).toMatchObject({
      code: 1,
      text: expect.stringContaining('app/2: DAMAGED'),
    });
    const list = await fettle('backup', 'list', 'app');
    expect(list).toMatchObject({
      code: 1,
      text: expect.stringMatching(/app\/2 .* whole\n.*app\/1 .* can't be put back/),
    });
    const told = device.messages.filter((m) => m.type === 'backups');
    await device.backups();
    const answer = device.messages.filter((m) => m.type === 'backups').at(-1);
    expect(told).toHaveLength(1);
    expect(answer).toMatchObject({ backups: [{ seq: 2 }], strange: [{ name: '1', why: 'unreadable' }] });
    const broken = join(device.layout.home, 'broken.tar.zst');
    expect((await fettle('backup', 'export', 'app/2', broken)).code).toBe(2);
    expect(existsSync(broken) || existsSync(`${broken}.part`)).toBe(false);
  }, 60_000);
});

test('an app that keeps crashing is told, and again only after it was well', async () => {
  const crashing = () => device.inventory()?.find(({ app }) => app === 'app')?.crashing;
  expect(crashing()).toBeUndefined();
  for (let time = 1; time <= 3; time += 1) {
    const running = await until(
      'the app to run',
      async () => (await device.keeper.ask('status', {})).apps.app?.running,
    );
    process.kill(-running.pid, 'SIGKILL');
    await until('its end to be seen', async () => (await device.keeper.ask('status', {})).apps.app?.crashes === time);
  }
  const first = await until('the alarm', crashing, 20_000);
  expect(first).toMatchObject({ times: 3 });
  // A restart that ends well is a new beginning.
  expect((await fettle('restart', 'app')).code).toBe(0);
  await until('the end of the alarm', () => crashing() === undefined);
}, 60_000);
