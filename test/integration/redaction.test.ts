import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { redactorOf } from '../../src/domain/redact.ts';
import { type Device, makeDevice } from '../support/device.ts';
import { OFF, OUTLETS, tryOutlet } from '../support/outlets.ts';
import { knownSecrets, lookIn, plantedLine, randomOf } from '../support/planted.ts';
import { until } from '../support/until.ts';

/** `npm run redaction` does the same with 10,000 lines for each. */
const LINES = 700;

describe('no secret leaves, whole or in part', () => {
  test.each(Object.keys(OUTLETS))('%s', { timeout: 120_000 }, async (name) => {
    const redactor = redactorOf({ secrets: Object.values(knownSecrets()) });
    const { leaked, planted } = await tryOutlet(name, redactor, LINES);
    expect(planted).toBe(LINES);
    expect(leaked.map(({ kind, line }) => `${kind}: ${line}`).slice(0, 5)).toEqual([]);
    // It would be seen.
    const off = await tryOutlet(name, OFF, LINES);
    expect(off.leaked.length).toBeGreaterThan(LINES / 4);
  });
});

describe('a device', () => {
  let device: Device;
  afterEach(() => device.close(), 60_000);

  test('an app that prints secrets and is rolled back: nothing of them in what is told or kept', {
    timeout: 120_000,
  }, async () => {
    const known = knownSecrets();
    const random = randomOf(11);
    const planted = Array.from({ length: 400 }, (_, i) => plantedLine(i, random, known));
    const lines = planted.map(({ line }) => line);
    const env = Object.fromEntries(
      Object.entries(known).map(([name, value]) => [`${name.toUpperCase()}_TOKEN`, value]),
    );
    device = await makeDevice({
      app: { env: JSON.stringify({ ...env, PORT: '$PORT' }) },
      program: (version, behaviour) => `
        import { createServer } from 'node:http';
        for (const line of ${JSON.stringify(lines)}) console.log(line);
        ${behaviour === 'crashes' ? 'process.exit(3);' : ''}
        createServer((_, response) => response.end(JSON.stringify({ version: '${version}' }))).listen(Number(process.env.PORT), '127.0.0.1');
        process.on('SIGTERM', () => process.exit(0));`,
    });
    await device.startAgent();
    const first = await device.outcome(await device.order('install', '1.0.0'));
    expect(first.state).toBe('succeeded');
    const failed = await device.outcome(await device.order('update', '1.3.0'));
    expect(failed.state).toBe('rolled-back');
    expect(failed.logTail).toContain('[hidden]');
    await device.say({ type: 'read-log', request: 'r-1', app: 'app', lines: 500 });
    const log = await until('the log', () => device.messages.find((m) => m.type === 'log' && m.request === 'r-1'));
    expect(log.type === 'log' && log.text).toContain('[hidden]');

    const told = JSON.stringify(device.messages);
    const kept = readdirSync(device.layout.agent.journal).map((name) =>
      readFileSync(join(device.layout.agent.journal, name), 'utf8'),
    );
    const logs = [device.layout.appLog('agent'), device.layout.keeper.log].map((file) => readFileSync(file, 'utf8'));
    const read = (text: string) => `${text}\n${text.replaceAll('\\\\', '\\').replaceAll('\\"', '"')}`;
    for (const [where, text] of Object.entries({ told, kept: kept.join('\n'), logs: logs.join('\n') })) {
      expect(
        planted
          .filter(lookIn(read(text)))
          .map(({ kind, line }) => `${where}: ${kind}: ${line}`)
          .slice(0, 5),
      ).toEqual([]);
    }
    // The app's own log is the app's: what it printed is there.
    const own = readFileSync(device.layout.appLog('app'), 'utf8');
    expect(planted.filter(lookIn(own)).length).toBe(planted.length);
  });

  test('a secret of a kept .env that is written after the start is known', { timeout: 120_000 }, async () => {
    device = await makeDevice({
      app: { keep: '[data, .env]' },
      program: (version, behaviour) => `
        import { createServer } from 'node:http';
        import { readFileSync } from 'node:fs';
        console.log('read', readFileSync('.env', 'utf8'));
        console.log('signs in as', readFileSync('.env', 'utf8').split('=')[1]);
        ${behaviour === 'crashes' ? 'process.exit(3);' : ''}
        createServer((_, response) => response.end(JSON.stringify({ version: '${version}' }))).listen(Number(process.env.PORT), '127.0.0.1');
        process.on('SIGTERM', () => process.exit(0));`,
    });
    await device.startAgent();
    const { dir, shared } = device.layout.app('app');
    const { makeFolder } = await import('../../src/files/durable.ts');
    makeFolder(dir);
    makeFolder(shared);
    writeFileSync(join(shared, '.env'), 'MY_SECRET=xyzzy-is-not-a-shape\n');
    const first = await device.outcome(await device.order('install', '1.0.0'));
    expect(first).toMatchObject({ state: 'succeeded' });
    const failed = await device.outcome(await device.order('update', '1.3.0'));
    expect(failed.logTail).toContain('signs in as [hidden]');
    expect(JSON.stringify(device.messages)).not.toContain('xyzzy');
  });
});
