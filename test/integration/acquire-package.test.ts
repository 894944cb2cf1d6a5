import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { installPackage, type PackageOptions } from '../../agent/acquire/package.ts';
import { cleanNpmEnvironment, writeNpmrc } from '../../src/origin/npm.ts';
import type { Progress } from '../../src/protocol/messages.ts';
import { npmCli, type Registry, startRegistry } from '../support/registry.ts';

/** Fettle's own npm installs from a real registry on loopback. */

let registry: Registry;
let folder: string;
let slot: string;
let reports: Progress[];

beforeAll(async () => {
  registry = await startRegistry();
  registry.publish(
    { name: 'leaf', version: '1.0.0' },
    { name: 'leaf', version: '1.1.0' },
    {
      name: 'server',
      version: '1.0.0',
      dependencies: { leaf: '^1.0.0', '@me/part': '1.x' },
      bin: { server: 'cli.js' },
      files: { 'cli.js': '#!/usr/bin/env node\nconsole.log(require("leaf"))\n' },
    },
    { name: '@me/part', version: '1.0.0', dependencies: { leaf: '1.0.0' } },
    {
      name: 'scripted',
      version: '1.0.0',
      scripts: { postinstall: 'node script.js' },
      files: { 'script.js': "require('fs').writeFileSync('ran', process.execPath)\n" },
    },
    {
      name: 'slow',
      version: '1.0.0',
      scripts: { postinstall: 'node script.js' },
      files: {
        'script.js': [
          "require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', process.cwd()], { stdio: 'inherit' })",
          "require('http').get(process.env.HOME ? require('fs').readFileSync(process.env.HOME + '/beacon', 'utf8') : '')",
          'setInterval(() => {}, 1000)',
        ].join('\n'),
      },
    },
    { name: 'large', version: '1.0.0', files: { 'data.txt': 'x'.repeat(4_000_000) } },
    {
      name: 'strays',
      version: '1.0.0',
      scripts: { postinstall: 'node script.js' },
      files: {
        'script.js':
          "require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', process.cwd()], { stdio: 'ignore', detached: true }).unref()",
      },
    },
    { name: 'needy', version: '1.0.0', dependencies: { 'not-there': '1.0.0' } },
  );
  registry.tag('leaf', 'latest', '1.1.0');
});
afterAll(() => registry.close());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-package-'));
  slot = join(folder, 'slot');
  mkdirSync(slot);
  reports = [];
  registry.requests.length = 0;
});
afterEach(() => {
  registry.misbehave(undefined);
  rmSync(folder, { recursive: true, force: true });
});

function install(name: string, more: Partial<PackageOptions> = {}, env: Record<string, string> = {}): Promise<void> {
  const npmrcEnv = { npm_config_registry: registry.url };
  return installPackage(
    {
      node: process.execPath,
      npmCli,
      cache: join(folder, 'cache'),
      npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: npmrcEnv, from: [] }),
      env: cleanNpmEnvironment({ ...process.env, ...env }, process.execPath),
      clock: { monotonic: () => performance.now() },
      retries: 0,
    },
    {
      name,
      version: '1.0.0',
      digest: registry.integrity(name, '1.0.0'),
      slot,
      scripts: false,
      maxDownload: 2e9,
      maxUnpacked: 8e9,
      signal: new AbortController().signal,
      progress: (p) => reports.push(p),
      ...more,
    },
  );
}

const inSlot = (path: string) => join(slot, path);

describe('a package', () => {
  it('is installed with what it needs, exactly as ordered', async () => {
    await install('server');
    expect(JSON.parse(readFileSync(inSlot('package.json'), 'utf8'))).toMatchObject({
      dependencies: { server: '1.0.0' },
    });
    expect(JSON.parse(readFileSync(inSlot('node_modules/leaf/package.json'), 'utf8')).version).toBe('1.1.0');
    expect(existsSync(inSlot('node_modules/@me/part/node_modules/leaf/package.json'))).toBe(true);
    expect(existsSync(inSlot('node_modules/.bin/server'))).toBe(true);
    expect(readdirSync(slot).sort()).toEqual(['node_modules', 'package-lock.json', 'package.json']);
    expect(reports[0]).toMatchObject({ unit: 'files', done: 0, total: 4 });
    expect(reports.at(-1)).toMatchObject({ unit: 'files', done: 4, total: 4 });
  });

  it('comes from the cache the second time, but for asking what it needs', async () => {
    await install('server');
    rmSync(slot, { recursive: true });
    mkdirSync(slot);
    registry.requests.length = 0;
    await install('server');
    expect(registry.requests.filter((r) => r.path.endsWith('.tgz'))).toEqual([]);
  });

  it('runs no scripts, unless the device allows it; then with the app’s own Node', async () => {
    await install('scripted');
    expect(existsSync(inSlot('node_modules/scripted/ran'))).toBe(false);
    rmSync(slot, { recursive: true });
    mkdirSync(slot);
    await install('scripted', { scripts: true });
    expect(readFileSync(inSlot('node_modules/scripted/ran'), 'utf8')).toBe(process.execPath);
  });

  it('is not steered by npm’s variables or by a project around the slot', async () => {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'around', workspaces: ['slot'] }));
    writeFileSync(join(folder, '.npmrc'), 'registry=http://127.0.0.1:9/\nignore-scripts=false\n');
    await install('scripted', {}, { npm_config_registry: 'http://127.0.0.1:9/', npm_config_ignore_scripts: 'false' });
    expect(existsSync(inSlot('node_modules/scripted/package.json'))).toBe(true);
    expect(existsSync(inSlot('node_modules/scripted/ran'))).toBe(false);
    expect(existsSync(join(folder, 'node_modules'))).toBe(false);
  });
});

describe('refused', () => {
  const other = `sha512-${'A'.repeat(86)}==`;

  it('a version whose content is not the ordered one, before anything of it is fetched', async () => {
    await expect(install('server', { digest: other })).rejects.toMatchObject({
      code: 'artifact_mismatch',
      data: { package: 'server', expected: other, found: registry.integrity('server', '1.0.0') },
    });
    expect(registry.requests.filter((r) => r.path.endsWith('.tgz'))).toEqual([]);
    expect(existsSync(inSlot('node_modules'))).toBe(false);
  });

  it('a registry that names another hash than it did', async () => {
    registry.misbehave('wrong-integrity');
    await expect(install('leaf')).rejects.toMatchObject({ code: 'artifact_mismatch' });
  });

  it('a registry that sends other bytes than it names the hash of', async () => {
    registry.misbehave('wrong-bytes');
    await expect(install('leaf')).rejects.toMatchObject({
      code: 'artifact_mismatch',
      data: { reason: 'the registry sent other bytes for a package than it names the hash of' },
    });
  });

  it('a dependency that does not exist', async () => {
    await expect(install('needy')).rejects.toMatchObject({
      code: 'install_failed',
      data: { package: 'needy', npm: 'E404', reason: expect.stringContaining('not-there') },
    });
  });

  it('a registry that is gone: may be tried again', async () => {
    await registry.stop();
    try {
      await expect(install('leaf', { digest: other })).rejects.toMatchObject({
        code: 'source_unreachable',
        retryable: true,
      });
    } finally {
      await registry.restart();
    }
  });
});

describe('ended', () => {
  it('while the registry hangs: by its deadline, the whole group', async () => {
    registry.misbehave('hang');
    const controller = new AbortController();
    const pending = install('leaf', { signal: controller.signal });
    await registry.arrived('/leaf');
    controller.abort(new DOMException('late', 'TimeoutError'));
    await expect(pending).rejects.toMatchObject({ code: 'deadline_passed', retryable: true });
    expect(processesWith(slot)).toEqual([]);
  });

  it('with what a script left behind in a session of its own', async () => {
    await install('strays', { scripts: true });
    expect(existsSync(join(slot, 'node_modules/strays/script.js'))).toBe(true);
    expect(processesWith(slot)).toEqual([]);
  });

  it('with more than the device allows, fetched or installed', async () => {
    for (const [limit, key] of [
      [{ maxUnpacked: 3_000_000 }, 'maxUnpacked'],
      [{ maxDownload: 1_000 }, 'maxDownload'],
    ] as const) {
      rmSync(slot, { recursive: true, force: true });
      mkdirSync(slot);
      await expect(install('large', limit)).rejects.toMatchObject({
        code: 'artifact_invalid',
        data: { reason: expect.stringContaining(key) },
      });
      rmSync(join(folder, 'cache'), { recursive: true, force: true });
    }
  });

  it('while a script runs: its children too', async () => {
    writeFileSync(join(folder, 'beacon'), `${registry.url}/beacon`);
    const controller = new AbortController();
    const pending = install('slow', { signal: controller.signal, scripts: true }, { HOME: folder });
    await registry.arrived('/beacon');
    controller.abort();
    await expect(pending).rejects.toMatchObject({ code: 'cancelled' });
    expect(processesWith(slot)).toEqual([]);
  });
});

/** Command lines of running processes that mention `text`. */
function processesWith(text: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (line.includes(text)) found.push(line);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}
