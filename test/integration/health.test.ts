import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandCheck } from '../../agent/health/command.ts';
import type { Subject } from '../../agent/health/contract.ts';
import { tcpCheck } from '../../agent/health/tcp.ts';
import { words } from '../../agent/restart/command-line.ts';
import { HealthSchema } from '../../config/agent-schema.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';

/** What each release leaves out or does wrong. */
type Fault = 'none' | 'says-no-line' | 'not-ready' | 'wrong-version' | 'flaps' | 'late-crash' | 'crashes';

/** Milliseconds that a release must stay well here. */
const PERIOD = 1_000;

const server = (fault: Fault) => `
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
${fault === 'crashes' ? 'process.exit(3);' : ''}
${fault === 'late-crash' ? `setTimeout(() => process.exit(4), ${PERIOD * 0.9});` : ''}
createServer((socket) => socket.end()).listen(Number(process.env.PORT), '127.0.0.1');
${fault === 'says-no-line' ? '' : `console.log('the app is ready to serve');`}
${fault === 'not-ready' ? '' : `execFile('systemd-notify', ['--ready', '--no-block']);`}
process.on('SIGTERM', () => process.exit(0));
`;

/** The version on its last output line; ill where the data says so. */
const check = (version: string, fault: Fault) => `
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
if (process.env.API_TOKEN !== 'very-secret-value-4711') process.exit(5);
if (existsSync('data/ill')) process.exit(6);
if (${fault === 'flaps'}) {
  const count = existsSync('data/count') ? Number(readFileSync('data/count', 'utf8')) : 0;
  writeFileSync('data/count', String(count + 1));
  if (count % 2 === 1) { console.error('not now'); process.exit(1); }
}
console.log('${fault === 'wrong-version' ? '1.0.0' : version}');
`;

const FAULTS: Readonly<Record<string, Fault>> = {
  '2.0.0': 'none',
  '2.1.0': 'none',
  '2.2.0': 'says-no-line',
  '2.3.0': 'not-ready',
  '2.4.0': 'wrong-version',
  '2.5.0': 'flaps',
  '2.6.0': 'late-crash',
  '2.7.0': 'crashes',
};

describe('checks by tcp, command, log and notify', () => {
  let device: Device;
  beforeEach(async () => {
    device = await makeDevice({
      app: {
        healthy: `{tcp: $PORT, command: node check.mjs, version: ., log: ready to serve, notify: true, every: 50ms, checks: 2, for: ${PERIOD}ms, timeout: 1s}`,
        deadlines: '{probing: 4s}',
      },
      releases: Object.fromEntries(
        Object.entries(FAULTS).map(([version, fault]) => [
          version,
          { 'server.mjs': server(fault), 'check.mjs': check(version, fault) },
        ]),
      ),
    });
    await device.startAgent();
    const first = await device.outcome(await device.order('install', '2.0.0'));
    expect(first, JSON.stringify(first)).toMatchObject({ state: 'succeeded', proof: 'reported' });
  }, 60_000);
  afterEach(() => device.close(), 60_000);

  test('a good release passes, also where the agent is killed while it looks; each fault is found', async () => {
    await device.stopAgent();
    await device.startAgent('probing:entered');
    const good = await device.outcome(await device.order('update', '2.1.0'));
    expect(good).toMatchObject({ state: 'succeeded', running: '2.1.0', proof: 'reported' });
    // What the start before printed and said does not count for this one.
    for (const [version, code, reason] of [
      ['2.2.0', 'health_failed', 'ready to serve'],
      ['2.3.0', 'health_failed', 'READY=1'],
      ['2.4.0', 'wrong_version', undefined],
      ['2.5.0', 'health_failed', 'by turns'],
      ['2.6.0', 'crashed', 'status 4'],
    ] as const) {
      const outcome = await device.outcome(await device.order('update', version));
      expect(outcome, version).toMatchObject({ state: 'rolled-back', running: '2.1.0', problem: { code } });
      if (reason !== undefined) expect(outcome.problem?.data.reason, version).toContain(reason);
    }
  }, 90_000);

  test('an app that was ill before is not held to more when it is brought back', async () => {
    writeFileSync(join(device.layout.app('app').shared, 'data', 'ill'), '');
    const outcome = await device.outcome(await device.order('update', '2.7.0'));
    expect(outcome).toMatchObject({ state: 'rolled-back', running: '2.0.0', problem: { code: 'crashed' } });
    const told = await until('what runs', () => device.inventory()?.find((a) => a.app === 'app' && a.health === 'ill'));
    expect(told.version).toBe('2.0.0');
  }, 60_000);
});

describe('one look', () => {
  const subject = (pids: readonly number[]): Subject => ({
    app: 'app',
    startId: 's',
    status: async () => undefined,
    pids: async () => pids,
    runs: () => true,
    command: (command) => ({ argv: words(command), cwd: '/', env: { PATH: process.env.PATH ?? '' } }),
    printed: async () => true,
    ready: async () => true,
  });
  const signal = () => AbortSignal.timeout(5_000);

  test('a port that another program answers on is not the app’s; a closed one takes no connection', async () => {
    const listener = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as { port: number };
    const health = HealthSchema.parse({ tcp: port });
    expect(await tcpCheck.look(subject([process.pid]), health, signal())).toEqual({ good: true });
    expect(await tcpCheck.look(subject([1]), health, signal())).toMatchObject({
      reason: expect.stringContaining('belongs to another program'),
    });
    listener.close();
    const closed = HealthSchema.parse({ tcp: await freePort() });
    expect(await tcpCheck.look(subject([process.pid]), closed, signal())).toMatchObject({
      reason: expect.stringContaining('connection refused'),
    });
  });

  test('a command that hangs is killed whole at its time; endless output ends it too', async () => {
    const health = HealthSchema.parse({ command: ['sh', '-c', 'sleep 4711.5 & sleep 4711.5'], timeout: '200ms' });
    const began = performance.now();
    expect(await commandCheck.look(subject([]), health, signal())).toMatchObject({
      reason: expect.stringContaining('longer than'),
    });
    expect(performance.now() - began).toBeLessThan(3_000);
    const endless = HealthSchema.parse({ command: 'yes', timeout: '5s' });
    expect(await commandCheck.look(subject([]), endless, signal())).toMatchObject({
      reason: expect.stringContaining('64 KB'),
    });
  });
});
