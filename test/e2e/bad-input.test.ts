import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Home, makeHome } from '../support/home.ts';

/** One line each, exit code 2, nothing half started. */
describe('what is refused at the start', () => {
  let home: Home;
  beforeEach(() => {
    home = makeHome();
  });
  afterEach(() => home.close(), 60_000);

  const lines = (text: string) =>
    text
      .trim()
      .split('\n')
      .filter((line) => line !== '');

  test('a malformed configuration: file, line, key, what was expected', async () => {
    writeFileSync(
      home.layout.config,
      'apps:\n  web:\n    sorce: npm sirv-cli\n    run: 5\n    healthy:\n      for: soon\n',
    );
    const { code, err, out } = await home.fettle([], '/help\n');
    expect(code).toBe(2);
    const told = lines(err);
    expect(told[0]).toContain(`${home.layout.config}:3: apps.web.sorce:`);
    expect(told[0]).toContain('Did you mean source?');
    expect(err).toContain(':4: apps.web.run:');
    expect(err).toContain(':6: apps.web.healthy.for: expected a duration');
    expect(out).not.toContain('Fettle is running');
    expect(home.processes()).toEqual([]);
  });

  test('YAML that is none', async () => {
    writeFileSync(home.layout.config, 'apps:\n  web: [unclosed\n');
    const { code, err } = await home.fettle([], '/help\n');
    expect(code).toBe(2);
    expect(err).toMatch(/fettle\.yaml:\d+: \(YAML\):/);
  });

  test('a port that is taken', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { code, err } = await home.fettle([], '/help\n', { FETTLE_PORT: String(port) });
    server.close();
    expect(code).toBe(2);
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain(String(port));
    expect(home.processes()).toEqual([]);
  });

  test('a port that is none', async () => {
    const { code, err } = await home.fettle([], '/help\n', { FETTLE_PORT: 'eighty' });
    expect(code).toBe(2);
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain('FETTLE_PORT');
  });

  test('a home that can not be written to', async () => {
    const file = join(home.layout.home, 'file');
    writeFileSync(file, '');
    // A file where the folder should be refuses root, too.
    const { code, err } = await home.fettle([], '/help\n', { FETTLE_HOME: join(file, 'home') });
    expect(code).toBe(2);
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain('file/home');
    if (process.getuid?.() !== 0) {
      const folder = join(home.layout.home, 'locked');
      mkdirSync(folder);
      chmodSync(folder, 0o500);
      expect((await home.fettle([], '/help\n', { FETTLE_HOME: folder })).code).toBe(2);
    }
  });

  test('another instance on the same home', { timeout: 120_000 }, async () => {
    expect((await home.fettle(['up', '--detach'])).code).toBe(0);
    const before = home.processes().length;
    const { code, err } = await home.fettle([], '/help\n');
    expect(code).toBe(2);
    expect(lines(err)).toHaveLength(1);
    expect(err).toContain('fettle chat');
    expect(home.processes()).toHaveLength(before);
  });

  test('a Node that is too old, before anything native is loaded', async () => {
    const { execa } = await import('execa');
    const old = ['/usr/local/bin/node', '/usr/bin/node'].find((path) => existsSync(path));
    const version = old === undefined ? '' : (await execa(old, ['--version'])).stdout;
    const tooOld = /^v(\d+)/.exec(version);
    if (old === undefined || Number(tooOld?.[1]) >= 22) {
      // No old Node on this machine: the bundle is told that it runs on one.
      const { exitCode, stderr } = await execa(
        process.execPath,
        [
          '--import',
          'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.1.0"})',
          'dist/main.js',
          'up',
        ],
        { reject: false },
      );
      expect(exitCode).toBe(2);
      expect(lines(stderr)).toHaveLength(1);
      return;
    }
    const { exitCode, stderr } = await execa(old, ['dist/main.js', 'up'], { reject: false });
    expect(exitCode).toBe(2);
    expect(lines(stderr)).toHaveLength(1);
    expect(stderr).toContain('Fettle needs Node.js 22.18');
  });

  test('words that no command has', async () => {
    const { code, err } = await home.fettle(['upp']);
    expect(code).toBe(2);
    expect(err).toContain('up');
    expect((await home.fettle(['--help'])).out).toMatch(/keeper[\s\S]*hub|chat/);
  });
});

describe('what is refused in the chat', () => {
  let home: Home;
  beforeEach(() => {
    home = makeHome();
  });
  afterEach(() => home.close(), 60_000);

  test('unknown commands, apps and versions get the nearest; a second update is told of the first', {
    timeout: 120_000,
  }, async () => {
    expect((await home.fettle(['up', '--detach'])).code).toBe(0);
    const say = (text: string) => home.fettle(['say', text]);
    expect(await say('/updat now')).toMatchObject({ code: 1, out: expect.stringContaining('/update') });
    expect(await say('/update nwo')).toMatchObject({ code: 1, out: expect.stringContaining('now') });
    expect(await say('/update now helo')).toMatchObject({ code: 1, out: expect.stringContaining('hello') });
    const unknown = await say('/update now hello@7.0.0');
    expect(unknown.code).toBe(1);
    for (const version of ['1.2.0', '1.1.0', '1.0.0']) expect(unknown.out).toContain(version);
    const first = home.fettle(['say', '/update now hello@1.1.0']);
    let busy = '';
    for (let tries = 0; tries < 50 && !busy.includes('already'); tries += 1)
      busy = (await say('/update now hello@1.2.0 --dry-run')).out;
    expect(busy).toMatch(/u-\w{4}/);
    expect((await first).code).toBe(0);
    // What is wanted is so already: no failure, and nothing is done.
    expect(await say('/update now hello@1.1.0')).toMatchObject({ code: 0, out: expect.stringContaining('1.1.0') });
  });
});
