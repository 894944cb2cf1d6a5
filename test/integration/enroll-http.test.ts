import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Bundles } from '../../src/cli/enroll/bundle.ts';
import { enrolHandler } from '../../src/cli/enroll/routes.ts';
import { enrolScript } from '../../src/cli/enroll/script.ts';
import { type DeviceStore, joinRequest, openDeviceStore } from '../support/device-store.ts';

/** Joining over HTTP: what is refused, how often it may be tried, and a script that trusts nothing that it fetches. */

const WRONG = '2222-2222-2222-2222-2222-2222';
let hub: DeviceStore;
let server: Server;
let folder: string;
let base: string;
let monotonic: number;
const log: string[] = [];

beforeEach(async () => {
  hub = await openDeviceStore();
  folder = mkdtempSync(join(tmpdir(), 'fettle-enroll-'));
  monotonic = 0;
  log.length = 0;
  const file = join(folder, 'bundle');
  writeFileSync(file, 'not what was named');
  const bundle = { file, sha256: 'a'.repeat(64), size: 18 };
  const bundles: Bundles = { own: 'linux-x64', get: async () => bundle };
  const handle = enrolHandler({
    devices: hub.devices,
    bundles: async () => bundles,
    reach: () => ({ address: `${base.replace('http', 'ws')}/agent`, certificate: undefined }),
    monotonic: () => monotonic,
    log: (line) => void log.push(line),
  });
  server = createServer((request, response) => {
    if (!handle(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const post = async (body: unknown) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${base}/enroll`, { method: 'POST', body: text });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe('a request to join', () => {
  test('is answered, and again the same', async () => {
    const request = joinRequest(await hub.invite({ name: 'east-1' }));
    const first = await post(request);
    expect(first).toMatchObject({ status: 200, body: { name: 'east-1', hubKey: 'hub key' } });
    expect(await post(request)).toEqual(first);
    expect(await post(joinRequest(request.token))).toMatchObject({ status: 403, body: { code: 'enroll_refused' } });
  });

  test.each([
    ['no JSON', 'x'],
    ['something else', '{}'],
    ['far too long', JSON.stringify({ token: 'x'.repeat(20_000) })],
    ['a key of another kind', JSON.stringify({ ...joinRequest('x'), publicKey: 'no key' })],
  ])('that is %s is refused, and nobody has joined', async (_, text) => {
    const { status, body } = await post(text);
    expect([400, 403]).toContain(status);
    expect(String(body.text).length).toBeGreaterThan(10);
    expect(await hub.devices.list()).toEqual([]);
  });

  test('with a wrong token, too often: then nobody for ten minutes, and no token is in the log', async () => {
    for (let i = 0; i < 200; i += 1) expect(await post(joinRequest(WRONG))).toMatchObject({ status: 403 });
    const good = joinRequest(await hub.invite());
    expect(await post(good)).toMatchObject({ status: 429, body: { data: { why: 'rate' } } });
    monotonic += 10 * 60_000;
    expect(await post(good)).toMatchObject({ status: 200 });
    expect(log.join('\n')).not.toContain(WRONG);
  });
});

test('the bundle is for who has a token', async () => {
  const token = await hub.invite();
  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${base}${path}`, { headers });
  expect((await get('/enroll/bundle?platform=linux-x64')).status).toBe(403);
  expect((await get('/enroll/digest?platform=linux-x64', { 'x-fettle-token': WRONG })).status).toBe(403);
  expect((await get(`/enroll/bundle?token=${token}`)).status).toBe(403);
  const answer = await get('/enroll/bundle?platform=linux-x64', { 'x-fettle-token': token });
  expect([answer.status, await answer.text()]).toEqual([200, 'not what was named']);
  expect((await get('/enrolled')).status).toBe(404);
});

describe('the script', () => {
  const run = (text: string, token: string | undefined, shell = 'sh', path = process.env.PATH ?? '') =>
    new Promise<{ code: number; err: string }>((resolve) => {
      const env = { PATH: path, HOME: folder, FETTLE_HOME: join(folder, 'home') };
      const child = execFile(shell, ['-s', '--', ...(token ? [token] : [])], { env }, (error, _, err) =>
        resolve({ code: error ? Number(error.code) : 0, err }),
      );
      child.stdin?.end(text);
    });
  const script = async () => (await fetch(`${base}/enroll`)).text();

  test('installs nothing of a bundle that is not the one it names, whatever the shell', async () => {
    const token = await hub.invite();
    for (const shell of ['sh', 'dash', 'bash'].filter((name) => existsSync(`/bin/${name}`))) {
      const { code, err } = await run(await script(), token, shell);
      expect([code, err]).toEqual([2, expect.stringContaining('is not what the hub named')]);
      expect(readdirSync(join(folder, 'home/enroll'))).toEqual([]);
    }
    expect(await hub.devices.list()).toEqual([]);
  });

  test.skipIf(!existsSync('/usr/bin/wget'))(
    'takes wget where there is no curl, which can check no fingerprint (needs wget)',
    async () => {
      const tools = join(folder, 'bin');
      mkdirSync(tools);
      for (const name of ['sh', 'uname', 'ldd', 'grep', 'id', 'mkdir', 'rm', 'cut', 'cat', 'sha256sum', 'wget'])
        for (const from of ['/usr/bin', '/bin'])
          if (existsSync(join(from, name)) && !existsSync(join(tools, name)))
            symlinkSync(join(from, name), join(tools, name));
      const token = await hub.invite();
      const { code, err } = await run(await script(), token, 'sh', tools);
      expect([code, err]).toEqual([2, expect.stringContaining('is not what the hub named')]);
      expect((await run(await script(), WRONG, 'sh', tools)).err).toContain('is the token right');
      const pinned = { base, pin: 'sha256//x=', platform: `linux-${process.arch}`, sha256: 'a'.repeat(64) };
      expect(await run(enrolScript(pinned), token, 'sh', tools)).toEqual({
        code: 2,
        err: expect.stringContaining('install curl'),
      });
    },
  );

  test('does nothing where it is cut off anywhere, or has no token', async () => {
    const text = await script();
    for (const share of [0.2, 0.5, 0.9, 0.99]) {
      await run(text.slice(0, Math.floor(text.length * share)), WRONG);
      expect(existsSync(join(folder, 'home'))).toBe(false);
    }
    expect(await run(text, undefined)).toEqual({ code: 2, err: expect.stringContaining('paste the whole line') });
  });

  test('says in one line that a token is wrong', async () => {
    const { code, err } = await run(await script(), WRONG);
    expect(code).toBe(2);
    expect(err).toContain('is the token right');
  });

  test('has no token in it, and the pin where there is one', () => {
    const text = enrolScript({ base: 'https://h:1', pin: 'sha256//x=', platform: 'linux-x64', sha256: 'a'.repeat(64) });
    expect(text).toContain("PIN='sha256//x='");
    expect(text).not.toMatch(/token=/);
  });
});
