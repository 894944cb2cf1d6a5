import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { adoptBinary, openBinary } from '../../agent/install/binary.ts';
import { goToSlot } from '../../agent/keeper/slots.ts';
import type { AppFolder } from '../../config/home.ts';
import { homeLayout } from '../../config/home.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { sha256 } from '../support/artifact.ts';
import { until } from '../support/until.ts';

/** Versions of one executable beside it: real programs, real file systems, real kills. */

const signal = AbortSignal.timeout(60_000);
const TRUE = '/bin/true';
const FALSE = '/bin/false';
let home: string;
let robot: string;
let folder: AppFolder;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fettle-binary-'));
  mkdirSync(join(home, 'opt'));
  robot = join(home, 'opt', 'robot');
  folder = homeLayout(join(home, 'home'), home).app('robot');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** Makes a file a sealed slot, as an update does. */
async function put(version: string, from: string, slots = openBinary(folder, robot)): Promise<string> {
  const slot = slots.nameFor(version, `sha256-${version}`);
  slots.prepare(slot);
  writeFileSync(slots.binary?.file(slot) ?? '', readFileSync(from), { mode: 0o600 });
  await slots.seal(slot, { version, digest: `sha256-${version}`, abi: '', sealedAt: 1 }, [], signal);
  return slot;
}

const beside = () => readdirSync(join(home, 'opt')).filter((name) => name.startsWith('.'));

test('there is a whole executable at the path at each moment of many switches', async () => {
  const slots = openBinary(folder, robot);
  const [a, b] = [await put('1.0.0', TRUE, slots), await put('2.0.0', FALSE, slots)];
  slots.activate(a);
  const whole = [TRUE, FALSE].map((path) => statSync(path).size);
  const stop = new SharedArrayBuffer(4);
  const reader = new Worker(READER, { eval: true, workerData: { path: robot, whole, stop } });
  // Run as well as read: 126 or 127 would be a moment without a program.
  const runner = spawn('sh', ['-c', 'while :; do "$0"; s=$?; [ $s -le 1 ] || echo "bad $s"; done', robot]);
  let bad = '';
  for (const stream of [runner.stdout, runner.stderr]) stream.on('data', (text: Buffer) => (bad += text.toString()));
  const said = new Promise<{ reads: number; wrong: unknown[] }>((resolve) => reader.once('message', resolve));
  await new Promise((resolve) => reader.once('online', resolve));
  for (let turn = 0; turn < 300; turn += 1) {
    slots.activate(turn % 2 === 0 ? b : a);
    await new Promise((resolve) => setImmediate(resolve));
  }
  Atomics.store(new Int32Array(stop), 0, 1);
  runner.kill('SIGKILL');
  const { reads, wrong } = await said;
  expect(wrong).toEqual([]);
  expect(bad).toBe('');
  expect(reads).toBeGreaterThan(300);
  expect(beside()).toHaveLength(2);
  expect(slots.current()).toBe(a);
});

const READER = `const { readFileSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const stop = new Int32Array(workerData.stop);
let reads = 0;
const wrong = [];
while (Atomics.load(stop, 0) === 0) {
  try {
    const bytes = readFileSync(workerData.path);
    if (!workerData.whole.includes(bytes.length) || bytes[1] !== 0x45) wrong.push(bytes.length);
  } catch (error) { wrong.push(error.code); }
  reads += 1;
}
parentPort.postMessage({ reads, wrong });`;

test('owner, mode, capabilities and ACL of what is replaced are given to what replaces it', async () => {
  const slots = openBinary(folder, robot);
  copyFileSync(TRUE, robot);
  const root = process.getuid?.() === 0;
  if (root) chownSync(robot, 1, 2);
  chmodSync(robot, 0o6751);
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', robot]);
  if (root) execFileSync('setcap', ['cap_net_bind_service+ep', robot]);
  if (root) execFileSync('setfacl', ['-m', 'u:4711:rx', robot]);
  const shown = (path: string) => [
    statSync(path).uid,
    statSync(path).gid,
    (statSync(path).mode & 0o7777).toString(8),
    execFileSync('getfattr', ['-d', '-m', '-', '--absolute-names', path], { encoding: 'utf8' }).split('\n').slice(1),
  ];
  const old = shown(robot);
  await adoptBinary(folder, robot, { version: '1.0.0', now: 1, signal });
  slots.activate(await put('2.0.0', FALSE, slots));
  expect(sha256(readFileSync(robot))).toBe(sha256(readFileSync(FALSE)));
  expect(shown(robot)).toEqual(old);
  expect(old[2]).toBe('6751');
});

describe('what is no program for this machine', () => {
  const elf = () => readFileSync(TRUE);
  const changed = (at: number, ...bytes: number[]) => {
    const made = elf();
    made.set(bytes, at);
    return made;
  };
  const linkage = (text: string) => Buffer.from(text);
  test.each<[string, () => Buffer, string, RegExp]>([
    ['empty', () => Buffer.alloc(0), 'artifact_invalid', /it is empty/],
    ['cut off in its headers', () => elf().subarray(0, 40), 'artifact_invalid', /cut off/],
    ['cut off at its end', () => elf().subarray(0, -1), 'artifact_invalid', /cut off/],
    ['for s390x', () => changed(18, 22, 0), 'artifact_wrong_platform', /it is for linux-s390x; this device is linux-/],
    ['of 32 bits', () => changed(4, 1), 'artifact_invalid', /damaged|cut off/],
    ['of the other byte order', () => changed(5, 2), 'artifact_invalid', /damaged|cut off/],
    ['for FreeBSD', () => changed(7, 9), 'artifact_wrong_platform', /freebsd/],
    ['an object file', () => changed(16, 1), 'artifact_invalid', /object file/],
    ['for another C library', () => withInterpreter(elf(), '/lib/ld-musl-x86_64.so.9'), 'artifact_invalid', /musl/],
    ['a web page', () => linkage('\n<!doctype HTML><p>Sign in'), 'artifact_invalid', /web page, not a program/],
    [
      'a script without its interpreter',
      () => linkage('#!/opt/none/python3\n'),
      'artifact_invalid',
      /\/opt\/none\/python3/,
    ],
    ['a script of Windows', () => linkage('#!/bin/sh\r\necho\r\n'), 'artifact_invalid', /line ends of Windows/],
    ['gzip', () => linkage('\x1f\u008b'), 'artifact_invalid', /no program|packed/],
    ['text', () => linkage('hello'), 'artifact_invalid', /neither/],
    ['for Windows', () => linkage('MZ\x90'), 'artifact_wrong_platform', /Windows/],
  ])('%s is refused', async (_name, make, code, reason) => {
    const file = join(home, 'made');
    writeFileSync(file, make());
    const refused = await put('2.0.0', file).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(FettleError);
    expect((refused as FettleError).code).toBe(code);
    expect(String((refused as FettleError).data.reason)).toMatch(reason);
  });

  test('a script and a static program are taken; so is one of the machine that ran here before', async () => {
    const script = join(home, 'script');
    writeFileSync(script, '#!/bin/sh\necho hello\n');
    const slots = openBinary(folder, robot);
    slots.activate(await put('1.0.0', script, slots));
    expect(execFileSync(robot, { encoding: 'utf8' })).toBe('hello\n');
    const foreign = join(home, 'foreign');
    writeFileSync(foreign, changed(18, 22, 0));
    await expect(put('2.0.0', foreign)).rejects.toMatchObject({ code: 'artifact_wrong_platform' });
    copyFileSync(foreign, robot);
    await put('2.0.0', foreign);
  });
});

/** The same program with another loader, of at most as many letters. */
function withInterpreter(elf: Buffer, name: string): Buffer {
  const at = elf.indexOf('/lib64/ld-linux') < 0 ? elf.indexOf('/lib/ld-linux') : elf.indexOf('/lib64/ld-linux');
  elf.write(`${name}\0`, at, 'latin1');
  return elf;
}

describe('what may not be replaced', () => {
  const refuse = (path: string) => openBinary(folder, path).binary?.refuse('1.0.0-12345678', signal);
  test.each<[string, () => string, RegExp, RegExp]>([
    ['a folder', () => join(home, 'opt'), /it is a folder/, /binary: /],
    ['in a folder that is not there', () => join(home, 'none', 'robot'), /there is no folder/, /mkdir -p/],
    ['a loop of links', () => loop(), /lead to themselves/, /namei/],
    ['a device', () => '/dev/null', /it is no file/, /binary/],
    ['of a file system that nobody writes', () => '/proc/version', /no file can be made/, /elsewhere/],
  ])('%s', async (_name, make, reason, advice) => {
    const error = await refuse(make())?.catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'not_replaceable' });
    expect(String((error as FettleError).data.reason)).toMatch(reason);
    expect(String((error as FettleError).data.advice)).toMatch(advice);
  });

  function loop(): string {
    symlinkSync('b', join(home, 'a'));
    symlinkSync('a', join(home, 'b'));
    return join(home, 'a');
  }

  test.skipIf(!existsSync('/usr/bin/dpkg'))(
    'what a package owns, also by way of a link (not run without dpkg)',
    async () => {
      const link = join(home, 'link');
      symlinkSync('/usr/bin/dpkg', link);
      await expect(refuse(link)).rejects.toMatchObject({
        code: 'not_replaceable',
        data: {
          reason: expect.stringContaining('package dpkg'),
          advice: expect.stringContaining('--only-upgrade dpkg'),
        },
      });
    },
  );

  test('leaves nothing behind, and takes what may be', async () => {
    copyFileSync(TRUE, robot);
    await refuse(robot);
    expect(readdirSync(join(home, 'opt'))).toEqual(['robot']);
  });
});

test('what was put there by hand is a version of its own, even where it was written over in place', async () => {
  const slots = openBinary(folder, robot);
  const first = await put('1.0.0', TRUE, slots);
  slots.activate(first);
  slots.setLastGood(first);
  expect([slots.current(), slots.binary?.isStranger()]).toEqual([first, false]);
  // The same inode as that of the version: both change.
  writeFileSync(robot, readFileSync(FALSE));
  const opened = openBinary(folder, robot);
  expect(opened.binary?.isStranger()).toBe(true);
  const name = opened.nameFor('1.5.0', opened.record(opened.current() ?? '')?.digest ?? '');
  await opened.binary?.adopt(name, '1.5.0', 1, signal);
  expect([opened.current(), opened.record(name)?.version]).toEqual([name, '1.5.0']);
  expect(opened.record(first)).toBeUndefined();
  opened.activate(await put('2.0.0', TRUE, opened));
  // The keeper goes back to it without the agent.
  goToSlot(folder.dir, join('releases', name));
  expect(sha256(readFileSync(robot))).toBe(sha256(readFileSync(FALSE)));
  expect(openBinary(folder, robot).current()).toBe(name);
});

test('a path that leads elsewhere by now takes its versions along', async () => {
  const link = join(home, 'robot');
  copyFileSync(TRUE, robot);
  symlinkSync(robot, link);
  const slots = openBinary(folder, link);
  const first = await adoptBinary(folder, link, { version: '1.0.0', now: 1, signal });
  mkdirSync(join(home, 'new'));
  copyFileSync(TRUE, join(home, 'new', 'robot'));
  rmSync(link);
  symlinkSync(join(home, 'new', 'robot'), link);
  expect(slots.current()).toBe(first);
  await slots.binary?.adopt(first, '1.0.0', 1, signal);
  const second = await put('2.0.0', FALSE, slots);
  slots.activate(second);
  expect(sha256(readFileSync(join(home, 'new', 'robot')))).toBe(sha256(readFileSync(FALSE)));
  expect(sha256(readFileSync(robot))).toBe(sha256(readFileSync(TRUE)));
  slots.activate(first);
  expect(sha256(readFileSync(join(home, 'new', 'robot')))).toBe(sha256(readFileSync(TRUE)));
  expect(beside()).toEqual([]);
});

const strace = spawnSync('strace', ['-V']).status === 0;
describe.skipIf(!strace)(`killed at each change of the disk${strace ? '' : ' (not run: no strace)'}`, () => {
  test('in a switch: the old one or the new one is installed, whole, and known', async () => {
    const slots = openBinary(folder, robot);
    const [a, b] = [await put('1.0.0', TRUE, slots), await put('2.0.0', FALSE, slots)];
    const script = join(home, 'switch.ts');
    const module = join(import.meta.dirname, '../../agent/install/binary.ts');
    writeFileSync(
      script,
      `import { openBinary } from ${JSON.stringify(module)};
       openBinary(${JSON.stringify(folder)}, ${JSON.stringify(robot)}).activate(${JSON.stringify(b)});`,
    );
    const ends = new Set<string>();
    let kills = 0;
    // The Nth call of each kind, until there is none.
    for (const call of ['link', 'rename', 'unlink', 'symlink']) {
      for (let at = 1; at < 10; at += 1) {
        slots.activate(a);
        const inject = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`];
        const kill = ['-e', `inject=${call}:signal=SIGKILL:when=${at}`, process.execPath, script];
        const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
        const run = spawnSync('strace', [...inject, ...kill], { env });
        const current = openBinary(folder, robot).current();
        ends.add(current ?? 'nothing');
        expect([a, b]).toContain(current);
        expect(spawnSync(robot).status).toBe(current === a ? 0 : 1);
        if (run.status === 0) break;
        kills += 1;
        openBinary(folder, robot).activate(b);
        expect(openBinary(folder, robot).current()).toBe(b);
        expect(beside()).toHaveLength(2);
      }
    }
    // The link, two renames (the executable and `current`) and the link `current` at the least.
    expect(kills).toBeGreaterThanOrEqual(4);
    expect(ends).toEqual(new Set([a, b]));
  }, 60_000);

  test('or where the file system knows no hard links: copies, told by their content', async () => {
    copyFileSync(TRUE, robot);
    chmodSync(robot, 0o751);
    const slots = openBinary(folder, robot);
    const b = await put('2.0.0', '/bin/sleep', slots);
    const script = join(home, 'copies.ts');
    const module = join(import.meta.dirname, '../../agent/install/binary.ts');
    writeFileSync(
      script,
      `import { adoptBinary, openBinary } from ${JSON.stringify(module)};
       const [folder, robot] = ${JSON.stringify([folder, robot])};
       await adoptBinary(folder, robot, { version: '1.0.0', now: 1, signal: AbortSignal.timeout(9000) });
       openBinary(folder, robot).activate(${JSON.stringify(b)});`,
    );
    const without = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=link,linkat', '-e', 'inject=link,linkat:error=EPERM'];
    expect(spawnSync('strace', [...without, process.execPath, script], { encoding: 'utf8' }).stderr).toBe('');
    expect(beside()).toHaveLength(2);
    expect(statSync(robot).nlink).toBe(1);
    expect([slots.current(), slots.binary?.isStranger()]).toEqual([b, false]);
    expect(statSync(robot).mode & 0o7777).toBe(0o751);
    const child = spawn(robot, ['60']);
    try {
      await until('it to run', () => slots.runs(b, [child.pid ?? 0]));
    } finally {
      child.kill('SIGKILL');
    }
  });
});

test('which one runs is told by its file, not by its name', async () => {
  const slots = openBinary(folder, robot);
  const [a, b] = [await put('1.0.0', '/bin/sleep', slots), await put('2.0.0', TRUE, slots)];
  slots.activate(a);
  const child = spawn(robot, ['60']);
  try {
    await until('it to run', () => slots.runs(a, [child.pid ?? 0]));
    slots.activate(b);
    expect(slots.runs(b, [child.pid ?? 0])).toBe(false);
    expect(slots.runs(a, [child.pid ?? 0])).toBe(true);
  } finally {
    child.kill('SIGKILL');
  }
});
