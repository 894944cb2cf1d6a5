import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { slotName } from '../../agent/install/slots.ts';
import { readEnvironment } from '../../config/environment.ts';
import { homeLayout } from '../../config/home.ts';
import { loadConfig } from '../../config/load.ts';
import { digestOf } from '../../src/cli/init/move.ts';
import { type InitOptions, runInit } from '../../src/cli/init.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { until } from '../support/until.ts';

/** `fettle init` on real checkouts, with real processes; a folder as it is written by people. */

const ENTRY = join(import.meta.dirname, '../support/init-entry.ts');
const strace = spawnSync('strace', ['-V']).status === 0;
/** `FETTLE_CRASH=all` takes every point; else every third. */
const everyKill = process.env.FETTLE_CRASH === 'all';
const withStrace = strace ? test : test.skip;
if (!strace) console.warn('not run: kills at every step of `fettle init`, because there is no strace');

let root: string;
let app: string;
let home: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fettle-init-'));
  app = join(root, 'mybot');
  home = join(root, 'home');
  makeCheckout();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

function git(...args: string[]): string {
  const who = ['-c', 'user.name=test', '-c', 'user.email=test@example.org'];
  return execFileSync('git', [...who, ...args], { cwd: app, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const SERVER = `
const { appendFileSync, openSync, readFileSync } = require('node:fs');
const log = openSync('data/visits.log', 'a');
require('node:http').createServer((request, response) => {
  if (request.url === '/visit') appendFileSync(log, 'visit\\n');
  response.end(readFileSync('.env'));
}).listen(0, '127.0.0.1', () => console.log('ready'));
`;

/** Data that git ignores, a file that it has beside that, a link that leads out, an executable, and code not committed. */
function makeCheckout(): void {
  mkdirSync(join(app, 'data/deep'), { recursive: true });
  mkdirSync(join(app, 'node_modules/dep'), { recursive: true });
  mkdirSync(join(root, 'lib'));
  writeFileSync(join(root, 'lib/shared.js'), '// outside\n');
  writeFileSync(join(app, 'package.json'), '{"name":"mybot","version":"1.2.3","scripts":{"start":"node server.cjs"}}');
  writeFileSync(join(app, 'server.cjs'), SERVER);
  writeFileSync(join(app, 'tool.sh'), '#!/bin/sh\n', { mode: 0o750 });
  writeFileSync(join(app, '.gitignore'), 'data/*\n!data/.gitkeep\n.env\nnode_modules\n');
  writeFileSync(join(app, 'data/.gitkeep'), '');
  execFileSync('ln', ['-s', '../lib/shared.js', join(app, 'outside.js')]);
  mkdirSync(join(app, 'uploads'));
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-q', '-m', 'first');
  writeFileSync(join(app, 'data/deep/notes.txt'), 'remember\n');
  writeFileSync(join(app, '.env'), 'TOKEN=secret\n', { mode: 0o600 });
  writeFileSync(join(app, 'node_modules/dep/index.js'), '// made again\n');
  writeFileSync(join(app, 'draft.js'), '// not committed\n');
}

function options(more: Partial<InitOptions> = {}): InitOptions {
  return {
    layout: homeLayout(home, join(root, 'run')),
    environment: readEnvironment(),
    config: undefined,
    target: app,
    source: `folder ${root}`,
    yes: true,
    signal: AbortSignal.timeout(20_000),
    print: () => undefined,
    ...more,
  };
}

async function refusal(more: Partial<InitOptions> = {}): Promise<string> {
  const error = await runInit(options(more)).then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof FettleError)) throw error;
  expect(error.code).toBe('init_refused');
  return `${error.data.reason} → ${error.data.advice ?? ''}`;
}

const shared = (path: string) => join(home, 'apps/mybot/shared', path);
const current = () => join(home, 'apps/mybot/current');

/** What a switch of layout must leave true. */
function expectAdopted(): void {
  expect(readlinkSync(join(app, 'data'))).toBe(shared('data'));
  expect(readlinkSync(join(app, '.env'))).toBe(shared('.env'));
  expect(readFileSync(join(app, 'data/deep/notes.txt'), 'utf8')).toBe('remember\n');
  expect(statSync(shared('.env')).mode & 0o777).toBe(0o600);
  const slot = readlinkSync(current());
  expect(readlinkSync(join(home, 'apps/mybot/last-good'))).toBe(slot);
  expect(readFileSync(join(current(), 'data/deep/notes.txt'), 'utf8')).toBe('remember\n');
  expect(readFileSync(join(current(), '.env'), 'utf8')).toBe('TOKEN=secret\n');
  expect(existsSync(join(current(), 'node_modules/dep/index.js'))).toBe(true);
  expect(readFileSync(join(current(), 'draft.js'), 'utf8')).toContain('not committed');
  expect(readFileSync(join(current(), 'outside.js'), 'utf8')).toContain('outside');
  expect(statSync(join(current(), 'tool.sh')).mode & 0o777).toBe(0o750);
  expect(existsSync(join(current(), '.git'))).toBe(false);
  expect(existsSync(join(current(), '.fettle/slot.json'))).toBe(true);
  expect(loadConfig(join(home, 'fettle.yaml')).config.apps.mybot?.keep).toEqual(['.env', 'data', 'uploads']);
  expect(JSON.parse(readFileSync(join(home, 'apps/mybot/init.json'), 'utf8'))).toMatchObject({ state: 'adopted' });
}

/** Nothing but data is left of it. */
function expectUndone(): void {
  expect(existsSync(join(home, 'apps/mybot')) && readdirSync(join(home, 'apps/mybot'))).toBe(false);
  expect(existsSync(join(home, 'fettle.yaml'))).toBe(false);
}

test('a checkout is taken over, its data shared by both layouts, and given back as it was', async () => {
  const before = await digestOf(app);
  const said: string[] = [];
  expect(await runInit(options({ yes: false, print: (line) => said.push(line) }))).toBe(0);
  expect(said.join('\n')).toMatch(
    /branch main[\s\S]*Kept: \.env[\s\S]*Kept: data[\s\S]*draft\.js[\s\S]*Nothing was changed/,
  );
  expect(existsSync(home)).toBe(false);
  expect(await digestOf(app)).toBe(before);

  expect(await runInit(options())).toBe(0);
  expectAdopted();
  const file = readFileSync(join(home, 'fettle.yaml'), 'utf8');
  expect(file.split('\n')[0]).toBe('# yaml-language-server: $schema=./fettle.schema.json');
  expect(existsSync(join(home, 'fettle.schema.json'))).toBe(true);
  const adopted = await digestOf(home);
  expect(await refusal()).toMatch(/already adopted as mybot in .*home → Undo: fettle init --undo mybot/);
  const other = homeLayout(join(root, 'other'), root);
  expect(await refusal({ layout: other })).toContain('already adopted as mybot');
  expect(await digestOf(home)).toBe(adopted);

  // What is written meanwhile stays, also where an editor has put a file in the place of a link.
  appendFileSync(join(current(), 'data/deep/notes.txt'), 'and this\n');
  writeFileSync(shared('data/new.txt'), 'new\n');
  expect(await runInit(options({ target: 'mybot', undo: true }))).toBe(0);
  expectUndone();
  expect(readFileSync(join(app, 'data/deep/notes.txt'), 'utf8')).toBe('remember\nand this\n');
  writeFileSync(join(app, 'data/deep/notes.txt'), 'remember\n');
  rmSync(join(app, 'data/new.txt'));
  expect(await digestOf(app)).toBe(before);
});

test('what runs is not taken over, unless it is ended; what is written to is not moved', async () => {
  const child = spawn(process.execPath, ['server.cjs'], {
    cwd: app,
    env: { PATH: process.env.PATH, SECRET_NAME: 'x', PORT: '8099' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  const before = await digestOf(app);
  expect(await refusal()).toMatch(new RegExp(`pid ${child.pid} .*never runs an app twice → .*--stop-pid ${child.pid}`));
  expect(await refusal({ stopPid: [process.pid] })).toContain('Fettle never runs');
  expect(child.exitCode).toBeNull();
  expect(existsSync(home)).toBe(false);
  // A writer that does not run out of the folder.
  const writer = spawn('sh', ['-c', `exec 3>>"${join(app, 'data/deep/notes.txt')}"; echo ready; exec sleep 60`], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(writer);
  await new Promise((resolve) => writer.stdout?.once('data', resolve));
  const said: string[] = [];
  expect(await refusal({ stopPid: [child.pid ?? 0], print: (line) => said.push(line) })).toMatch(
    new RegExp(`pid ${writer.pid} \\(sleep 60\\) writes to .*notes\\.txt`),
  );
  expect(said.join('\n')).toContain('SECRET_NAME');
  expect(said.join('\n')).not.toContain('PORT,');
  expect(said.join('\n')).toContain('env: {PORT: ');
  expect(child.exitCode).toBeNull();
  expect(await digestOf(app)).toBe(before);
  expect(existsSync(home)).toBe(false);
  writer.kill('SIGKILL');
  await until('the writer to be gone', () => writer.exitCode !== null || writer.signalCode !== null);
  expect(await runInit(options({ stopPid: [child.pid ?? 0] }))).toBe(0);
  expect(child.signalCode).toBe('SIGTERM');
  expectAdopted();
});

test('at a terminal a person is asked about what runs; npm and the server below it are one', async () => {
  writeFileSync(
    join(app, 'start.cjs'),
    "require('node:child_process').spawn('node', ['server.cjs'], {stdio: 'inherit'});",
  );
  const parent = spawn(process.execPath, ['start.cjs'], {
    cwd: app,
    env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, PORT: '8098' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(parent);
  await new Promise((resolve) => parent.stdout?.once('data', resolve));
  expect(await refusal()).toMatch(new RegExp(`--stop-pid ${parent.pid}$`, 'm'));
  const said: string[] = [];
  const questions = { ask: async (question: string) => (question.startsWith('Do it?') ? 'y' : ''), close() {} };
  const print = (line: string) => said.push(line);
  expect(await runInit(options({ yes: false, questions, print }))).toBe(0);
  expect(said.join('\n')).toMatch(new RegExp(`1\\. stop pid ${parent.pid}, \\d+$`, 'm'));
  expect(parent.signalCode).toBe('SIGTERM');
  expectAdopted();
});

test('an app beside others: their lines stay to the letter, and so they are given back', async () => {
  mkdirSync(home, { recursive: true });
  const file = join(home, 'fettle.yaml');
  const text =
    '# mine\nhub: {port: 7500}   # ours\n\napps:\n    # the first\n    site: {source:  npm sirv-cli,\n           run: "sirv  public"}   # odd\n# the end\n';
  writeFileSync(file, text);
  expect(await runInit(options({ health: 'tcp:8099' }))).toBe(0);
  const more = readFileSync(file, 'utf8');
  expect(more.startsWith(text.slice(0, text.indexOf('# the end')))).toBe(true);
  expect(more).toContain('# the end');
  expect(loadConfig(file).config.apps.mybot?.healthy.tcp).toEqual({ host: '127.0.0.1', port: 8099 });
  // Changed meanwhile: only our lines go.
  writeFileSync(file, more.replace('7500', '7600'));
  expect(await runInit(options({ target: app, undo: true }))).toBe(0);
  expect(readFileSync(file, 'utf8')).toBe(text.replace('7500', '7600'));
});

test('on another file system data is copied, compared, and then moved', async () => {
  const away = mkdtempSync('/dev/shm/fettle-init-');
  try {
    if (statSync(away).dev === statSync(app).dev) return;
    const before = await digestOf(app);
    const layout = homeLayout(join(away, 'home'), away);
    expect(await runInit(options({ layout }))).toBe(0);
    expect(readFileSync(join(app, 'data/deep/notes.txt'), 'utf8')).toBe('remember\n');
    expect(lstatSync(join(app, 'data')).isSymbolicLink()).toBe(true);
    expect(readdirSync(app).filter((name) => name.includes('.fettle'))).toEqual([]);
    expect(await runInit(options({ layout, undo: true, target: 'mybot' }))).toBe(0);
    expect(await digestOf(app)).toBe(before);
  } finally {
    rmSync(away, { recursive: true, force: true });
  }
});

withStrace(
  'killed at any step, the same command finishes it, or undoing it brings everything back',
  { timeout: 120_000 },
  async () => {
    const pristine = join(root, 'pristine');
    cpSync(app, pristine, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    const before = await digestOf(app);
    const run = (flags: object, target: string, when: number) =>
      spawnSync(
        'strace',
        [
          ...['-f', '-qq', '-o', '/dev/null', '-e', 'trace=?rename,?renameat,?renameat2,?symlink,?symlinkat'],
          ...['-e', `inject=?rename,?renameat,?renameat2,?symlink,?symlinkat:signal=SIGKILL:when=${when}`],
          ...[process.execPath, ENTRY, home, target, JSON.stringify(flags)],
        ],
        { env: { ...process.env, UV_THREADPOOL_SIZE: '1', XDG_RUNTIME_DIR: root }, timeout: 30_000 },
      ).status;
    let kills = 0;
    for (let when = 1; ; when += everyKill ? 1 : 3) {
      const status = run({ yes: true, source: `folder ${root}` }, app, when);
      if (status === 0) break;
      kills += 1;
      const record = join(home, 'apps/mybot/init.json');
      const begun = existsSync(record);
      // Killed at the last rename, it is through.
      const through = begun && JSON.parse(readFileSync(record, 'utf8')).state === 'adopted';
      if (!through && (when % 2 === 0 || !begun)) {
        expect(await runInit(options()), `killed at ${when}`).toBe(0);
        expectAdopted();
      }
      // Undoing is cut off as well, and goes on.
      if (when % 2 === 1 && begun) run({ yes: true, undo: true }, 'mybot', 1 + (when % 5));
      if (existsSync(join(home, 'apps/mybot/init.json'))) await runInit(options({ undo: true, target: 'mybot' }));
      expectUndone();
      expect(await digestOf(app), `killed at ${when}`).toBe(before);
      rmSync(home, { recursive: true, force: true });
    }
    expectAdopted();
    expect(kills).toBeGreaterThanOrEqual(everyKill ? 9 : 3);
  },
);

describe('refused, with nothing changed', () => {
  test.each([
    ['no such path', () => ({ target: join(root, 'none') }), /no such file or folder/],
    ['an empty folder', () => ({ target: mkdtempSync(join(root, 'e')) }), /the folder is empty/],
    ['a home within it', () => ({ layout: homeLayout(join(app, 'home'), root) }), /home .* lies in it/],
    ['a folder in the home', () => ({ layout: homeLayout(root, root) }), /lies in Fettle's home/],
    ['a part of a checkout', () => ({ target: join(app, 'data') }), /part of the checkout/],
    ['a script as a binary', () => ({ target: join(app, 'tool.sh') }), /a script/],
    ['a name that is none', () => ({ target: 'npm:../x' }), /no name of an npm package/],
  ] as const)('%s', async (_name, more, reason) => {
    const before = await digestOf(app);
    if (_name === 'a part of a checkout') mkdirSync(join(app, 'data/.git'));
    expect(await refusal(more())).toMatch(reason);
    rmSync(join(app, 'data/.git'), { recursive: true, force: true });
    expect(await digestOf(app)).toBe(before);
    expect(existsSync(join(home, 'fettle.yaml'))).toBe(false);
  });

  test('a link as data says how to leave it; left, it stays', async () => {
    rmSync(join(app, '.env'));
    execFileSync('ln', ['-s', join(root, 'lib'), join(app, '.env')]);
    expect(await refusal()).toContain('--leave .env');
    expect(await runInit(options({ leave: ['.env'] }))).toBe(0);
    expect(readlinkSync(join(app, '.env'))).toBe(join(root, 'lib'));
    expect(readlinkSync(join(current(), '.env'))).toBe(join(root, 'lib'));
  });

  const dpkg =
    spawnSync('dpkg', ['-S', '/usr/bin/env']).status === 0 || spawnSync('dpkg', ['-S', '/bin/env']).status === 0;
  (dpkg ? test : test.skip)('what a package manager owns names its command', async () => {
    expect(await refusal({ target: '/usr/bin/env' })).toMatch(
      /the Debian package coreutils owns it → .*apt-get install --only-upgrade coreutils/,
    );
  });
});

test('a program whose releases are on GitHub: the source is written as it was said', async () => {
  const robot = join(root, 'robot');
  mkdirSync(robot);
  writeFileSync(join(robot, 'robot.cjs'), '');
  const of = { target: robot, run: 'node robot.cjs' };
  await expect(runInit(options({ ...of, source: 'github robot' }))).rejects.toThrow(/github OWNER\/REPO/);
  expect(await runInit(options({ ...of, source: 'github acme/robot v*' }))).toBe(0);
  const { source } = loadConfig(join(home, 'fettle.yaml')).config.apps.robot ?? {};
  expect(source).toEqual({ kind: 'github', repo: 'acme/robot', tags: 'v*' });
});

test('a server that npm installed: its slot is named as the registry would, and what lies beside it is kept', async () => {
  const site = join(root, 'site');
  mkdirSync(join(site, 'node_modules/served/bin'), { recursive: true });
  mkdirSync(join(site, 'public'));
  writeFileSync(join(site, 'public/index.html'), '<p>hello');
  writeFileSync(join(site, 'package.json'), '{"dependencies":{"served":"^2.0.0"}}');
  writeFileSync(
    join(site, 'node_modules/served/package.json'),
    '{"name":"served","version":"2.0.2","bin":{"serve":"bin/serve.js"}}',
  );
  writeFileSync(join(site, 'node_modules/served/bin/serve.js'), '');
  const lock = { packages: { 'node_modules/served': { version: '2.0.2', integrity: 'sha512-abc' } } };
  writeFileSync(join(site, 'node_modules/.package-lock.json'), JSON.stringify(lock));
  for (const target of [site, join(site, 'node_modules/served')]) {
    const before = await digestOf(site);
    expect(await runInit(options({ target, source: undefined, port: '8099' }))).toBe(0);
    const { config } = loadConfig(join(home, 'fettle.yaml'));
    expect(config.apps.served).toMatchObject({
      source: { kind: 'npm', package: 'served' },
      run: 'serve',
      keep: ['public'],
      healthy: { http: 'http://127.0.0.1:8099/' },
    });
    expect(readlinkSync(join(home, 'apps/served/current'))).toBe(`releases/${slotName('2.0.2', 'sha512-abc')}`);
    expect(readFileSync(join(home, 'apps/served/current/public/index.html'), 'utf8')).toBe('<p>hello');
    expect(await runInit(options({ target: 'served', undo: true }))).toBe(0);
    expect(await digestOf(site)).toBe(before);
  }
});
