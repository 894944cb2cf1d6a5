import { lstatSync, readFileSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { KeeperRefusal } from '../../agent/keeper/client.ts';
import { readStat } from '../../agent/keeper/proc.ts';
import { findByStartId, ownsPort, pidsOf, runsFrom } from '../../agent/keeper/processes.ts';
import {
  alive,
  appPid,
  CRASHING,
  type KeeperHome,
  keeperHome,
  kill,
  STEADY,
  starts,
  until,
} from '../support/keeper.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let home: KeeperHome;
afterEach(() => home.remove());

async function kept(app: string, script: string, change: Parameters<KeeperHome['spec']>[1] = {}) {
  home.slot(app, '1.0.0', script);
  await home.client.ask('keep', { app, spec: home.spec(app, change) });
}

async function status(app: string) {
  const found = (await home.client.ask('status', {})).apps[app];
  if (!found) throw new Error(`no ${app}`);
  return found;
}

describe('start and stop', () => {
  test('an app is started with its marks, told about, and stopped', async () => {
    home = keeperHome();
    const keeper = await home.start();
    await kept(
      'web',
      `console.log('env', process.env.FETTLE_START, process.env.FETTLE_APP, process.env.TEST_SLOT);${STEADY}`,
    );
    expect(await status('web')).toMatchObject({ desired: 'stopped', running: null, crashes: 0, lastExit: null });

    const started = await home.client.ask('start', { app: 'web' });
    expect(started.slot).toBe(`${home.layout.app('web').releases}/1.0.0`);
    const saved = JSON.parse(readFileSync(home.layout.keeper.keep, 'utf8'));
    expect(saved.apps.web).toMatchObject({ startId: started.startId, desired: 'running' });
    await until(() => home.log('web').includes(`env ${started.startId} web ${started.slot}`));

    const again = await home.client.ask('start', { app: 'web' });
    expect(again).toEqual(started);
    expect(await status('web')).toMatchObject({ desired: 'running', running: started });
    expect(lstatSync(home.layout.runtime.keeperSocket).mode & 0o777).toBe(0o600);
    expect(statSync(home.layout.runtime.dir).mode & 0o777).toBe(0o700);

    const pid = appPid(started.startId) ?? 0;
    expect(readStat(pid)?.session).toBe(started.pid);
    expect(await home.client.ask('stop', { app: 'web' })).toEqual({ gone: true, exit: 143 });
    expect(home.pids('web')).toEqual([]);
    expect(await status('web')).toMatchObject({ desired: 'stopped', running: null, lastExit: { code: 143 } });
    expect(await home.client.ask('stop', { app: 'web' })).toEqual({ gone: true, exit: 143 });
    expect(starts(home.log('web'))).toBe(1);

    await home.client.ask('forget', { app: 'web' });
    expect((await home.client.ask('status', {})).apps).toEqual({});
    await home.client.ask('shutdown', {});
    expect(await keeper.exited).toBe(0);
    expect(keeper.output()).not.toMatch(/warning/i);
  });

  test('the stop signal, then SIGKILL after the grace', async () => {
    home = keeperHome();
    await home.start();
    await kept(
      'polite',
      `process.on('SIGINT', () => process.exit(3)); console.log('start');setInterval(() => {}, 1000)`,
      {
        stopSignal: 'SIGINT',
      },
    );
    await kept('stubborn', `process.on('SIGTERM', () => {}); console.log('start');setInterval(() => {}, 1000)`);
    for (const app of ['polite', 'stubborn']) await home.client.ask('start', { app });
    await until(() => home.log('polite') && home.log('stubborn'));
    expect(await home.client.ask('stop', { app: 'polite' })).toEqual({ gone: true, exit: 3 });
    expect(await home.client.ask('stop', { app: 'stubborn', graceMs: 100 })).toEqual({ gone: true, exit: 137 });
  });

  test('a stop right after the start does not wait for the grace', async () => {
    home = keeperHome();
    await home.start();
    await kept('web', STEADY, { argv: ['sleep', '1000'], graceMs: 20_000 });
    const began = performance.now();
    for (let round = 0; round < 30; round += 1) {
      void home.client.ask('start', { app: 'web' });
      expect(await home.client.ask('stop', { app: 'web' })).toMatchObject({ gone: true });
    }
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(home.pids('web')).toEqual([]);
  });

  test('what an app starts in order to end well is left to it', async () => {
    home = keeperHome();
    await home.start();
    await kept(
      'web',
      `
      import { spawn } from 'node:child_process';
      process.on('SIGTERM', () => {
        spawn('sh', ['-c', 'sleep 1; echo saved'], { stdio: 'inherit' }).once('exit', (code) => process.exit(code));
      });
      ${STEADY}`,
    );
    await home.client.ask('start', { app: 'web' });
    await until(() => home.log('web').includes('start'));
    expect(await home.client.ask('stop', { app: 'web' })).toEqual({ gone: true, exit: 0 });
    expect(home.log('web')).toContain('saved');
  });

  test('each process gets the stop signal once', async () => {
    home = keeperHome();
    await home.start();
    await kept(
      'web',
      `
      process.on('SIGTERM', () => { console.log('told'); setTimeout(() => process.exit(0), 600); });
      console.log('start');setInterval(() => {}, 1000)`,
    );
    await home.client.ask('start', { app: 'web' });
    await until(() => home.log('web').includes('start'));
    expect(await home.client.ask('stop', { app: 'web' })).toEqual({ gone: true, exit: 0 });
    expect(home.log('web').match(/told/g)).toHaveLength(1);
  });

  test('what an app leaves in sessions of its own, or without its environment, is ended too', async () => {
    home = keeperHome();
    await home.start();
    await kept(
      'web',
      `
      import { spawn } from 'node:child_process';
      const kept = spawn('sh', ['-c', 'setsid sleep 1000 & setsid setsid sleep 1001 & sleep 1002 & wait'], { detached: true, stdio: 'ignore' });
      const bare = spawn('sleep', ['1003'], { env: {}, detached: true, stdio: 'ignore' });
      console.log('bare', bare.pid);
      ${STEADY}`,
    );
    const started = await home.client.ask('start', { app: 'web' });
    await until(() => findByStartId(started.startId).length >= 7);
    const bare = await until(() => Number(/bare (\d+)/.exec(home.log('web'))?.[1]));
    expect(alive(bare)).toBe(true);
    expect(await home.client.ask('stop', { app: 'web' })).toMatchObject({ gone: true });
    expect(home.pids('web')).toEqual([]);
    expect(alive(bare)).toBe(false);
  });

  test('a start that is not possible is refused, counted, and tried again until it is', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 100 } });
    const spec = home.spec('web');
    await home.client.ask('keep', { app: 'web', spec });
    const refused = await home.client.ask('start', { app: 'web' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(KeeperRefusal);
    expect((refused as KeeperRefusal).code).toBe('start_failed');
    expect((await status('web')).crashes).toBeGreaterThan(0);

    home.slot('web', '1.0.0', STEADY);
    await until(() => starts(home.log('web')) === 1);
    await home.client.ask('stop', { app: 'web' });

    await home.client.ask('keep', { app: 'web', spec: { ...spec, argv: ['no-such-program'] } });
    await expect(home.client.ask('start', { app: 'web' })).rejects.toMatchObject({ code: 'start_failed' });
    await home.client.ask('stop', { app: 'web' });
    const { crashes } = await status('web');
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect((await status('web')).crashes).toBe(crashes);
  });

  test('an app whose PATH names a shell command is not run by the shell', async () => {
    home = keeperHome();
    await home.start();
    await kept('web', STEADY, { argv: ['echo', '-n', '{slot}'] });
    await home.client.ask('start', { app: 'web' });
    await until(() => home.log('web').includes('releases/1.0.0'));
    expect(home.log('web')).not.toContain('-n');
  });

  test('health reads what runs: from which slot, on which port', async () => {
    home = keeperHome();
    await home.start();
    await kept(
      'web',
      `
      import http from 'node:http';
      const server = http.createServer((_, response) => response.end('ok'));
      server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));`,
    );
    const { startId, slot } = await home.client.ask('start', { app: 'web' });
    const port = await until(() => Number(/port (\d+)/.exec(home.log('web'))?.[1]));
    expect(ownsPort(startId, port)).toBe(true);
    expect(ownsPort(startId, port === 65_535 ? 1 : port + 1)).toBe(false);
    expect(runsFrom(pidsOf(startId), slot)).toBe(true);
    expect(runsFrom(pidsOf(startId), `${slot}-other`)).toBe(false);
    expect(ownsPort('no-such-start', port)).toBe(false);
  });
});

describe('crashes', () => {
  test('a killed app is started again, slower each time', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 150 } });
    await kept('web', `console.log('at', Date.now());${CRASHING}`);
    await home.client.ask('start', { app: 'web' });
    const times = await until(() => {
      const found = [...home.log('web').matchAll(/^at (\d+)/gm)].map((match) => Number(match[1]));
      return found.length >= 4 && found;
    });
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(gaps[0]).toBeGreaterThanOrEqual(150);
    expect(gaps[1]).toBeGreaterThanOrEqual(300);
    expect(gaps[2]).toBeGreaterThanOrEqual(600);
    expect(await status('web')).toMatchObject({ desired: 'running', lastExit: { code: 7 } });

    // Stopped during the wait for a restart: stays stopped.
    await home.client.ask('stop', { app: 'web' });
    const before = starts(home.log('web'));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(starts(home.log('web'))).toBe(before);
  });

  test('what a crashed app left behind is ended before it is started again', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 50 } });
    await kept(
      'web',
      `
      import { spawn } from 'node:child_process';
      spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).unref();
      ${STEADY}`,
    );
    const first = await home.client.ask('start', { app: 'web' });
    await until(() => home.log('web').includes('start') && findByStartId(first.startId).length === 3);
    kill(appPid(first.startId) ?? 0);
    await until(() => starts(home.log('web')) === 2);
    expect(findByStartId(first.startId)).toEqual([]);
    expect((await status('web')).crashes).toBe(1);
  });

  test('a killed wrapper is not the end of the app', async () => {
    home = keeperHome();
    await home.start({ times: { restart: 50 } });
    await kept('web', STEADY);
    const { startId, pid } = await home.client.ask('start', { app: 'web' });
    await until(() => home.log('web').includes('start'));
    const app = appPid(startId) ?? 0;
    kill(pid);
    await until(() => !alive(pid));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(alive(app)).toBe(true);
    expect(starts(home.log('web'))).toBe(1);
    kill(app);
    await until(() => starts(home.log('web')) === 2);
  });
});

describe('two at once', () => {
  test('requests for one app come one after the other', async () => {
    home = keeperHome();
    await home.start();
    await kept('web', STEADY);
    const asked = [];
    for (let i = 0; i < 12; i += 1) asked.push(home.client.ask(i % 2 ? 'stop' : 'start', { app: 'web' }));
    asked.push(home.client.ask('start', { app: 'web' }), home.client.ask('start', { app: 'web' }));
    await Promise.all(asked);
    const { running } = await status('web');
    expect(home.pids('web').every((pid) => findByStartId(running?.startId ?? '').some((p) => p.pid === pid))).toBe(
      true,
    );
    await until(() => home.pids('web').length === 2);
  });
});

describe('the socket', () => {
  test('malformed input is answered with an error and harms nobody', async () => {
    home = keeperHome();
    await home.start();
    const say = (text: string | Buffer) =>
      new Promise<string>((resolve, reject) => {
        let heard = '';
        const socket = createConnection(home.layout.runtime.keeperSocket, () => socket.write(text));
        socket.setEncoding('utf8').on('error', reject);
        socket.on('close', () => resolve(heard));
        socket.on('data', (chunk) => {
          heard += chunk;
          if (heard.endsWith('\n')) socket.end();
        });
      });
    const bad = [
      'rubbish',
      '[]',
      'null',
      '{"op":"hello"}',
      '{"id":5,"op":"dance"}',
      '{"id":5,"op":"constructor"}',
      '{"id":5,"op":"start"}',
      '{"id":5,"op":"start","app":"../../etc"}',
      '{"id":5,"op":"stop","app":"web","signal":"SIGKILL"}',
      '{"id":5,"op":"stop","app":"web","graceMs":-1}',
      '{"id":5,"op":"keep","app":"web","spec":{}}',
      '{"id":5,"op":"keep","app":"web","spec":{"dir":"relative"}}',
      '{"id":5,"op":"hold","app":"web","hold":{"fallback":"../../x","forMs":1}}',
      '{"id":5,"op":"hold","app":"web","hold":{"fallback":null,"forMs":"1"}}',
    ];
    for (const line of bad) {
      const response = JSON.parse(await say(`${line}\n`));
      expect(response, line).toMatchObject({ ok: false, code: 'protocol_violation' });
      expect(response.id, line).toBe(line.includes('"id":5') ? 5 : 0);
    }
    expect(JSON.parse(await say('{"id":1,"op":"start","app":"nobody"}\n'))).toMatchObject({ code: 'unknown_app' });
    expect(JSON.parse(await say(Buffer.from([0xff, 0xfe, 0x00, 0x0a])))).toMatchObject({ ok: false });
    expect(JSON.parse(await say('x'.repeat(3_000_000)))).toMatchObject({ ok: false, code: 'protocol_violation' });
    expect(await say('{"id":1,"op":"hello"}\n{"id":2,"op":"hello"}\n')).toContain('"pid"');
    expect((await home.client.ask('hello', {})).version).toBe('0.0.0-test');
  });
});

describe('logs', () => {
  test('a log that grows is copied and emptied under its writer', async () => {
    home = keeperHome();
    await home.start({ times: { rotateEvery: 50, rotateBytes: 10_000 } });
    await kept('web', `setInterval(() => console.log('x'.repeat(500)), 5)`);
    await home.client.ask('start', { app: 'web' });
    const log = home.layout.appLog('web');
    await until(() => statSync(`${log}.2`).size > 10_000);
    expect(statSync(log).size).toBeLessThan(100_000);
    expect(() => statSync(`${log}.3`)).toThrow();
  });
});
