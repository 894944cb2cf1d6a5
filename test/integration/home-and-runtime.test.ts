import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { installRuntime } from '../../agent/self/runtime.ts';
import { homeLayout } from '../../config/home.ts';
import { makeFolder } from '../../src/files/durable.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-layout-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a home below a link has the same sockets before it is made and after', () => {
  mkdirSync(join(folder, 'real'));
  symlinkSync('real', join(folder, 'link'));
  const home = join(folder, 'link', 'new', 'fettle');
  const before = homeLayout(home, '/run').runtime;
  mkdirSync(home, { recursive: true });
  expect(homeLayout(home, '/run').runtime).toEqual(before);
  expect(homeLayout(join(folder, 'real', 'new', 'fettle'), '/run').runtime).toEqual(before);
});

test('a folder that can’t be made is refused, wherever it is', () => {
  expect(() => makeFolder('/proc/no-such/folder')).toThrow(/ENOENT|EACCES|EPERM/);
  writeFileSync(join(folder, 'file'), '');
  expect(() => makeFolder(join(folder, 'file', 'below'))).toThrow(/ENOTDIR|EEXIST/);
  makeFolder(join(folder, 'a', 'b', 'c'));
  makeFolder(join(folder, 'a', 'b', 'c'));
  expect(statSync(join(folder, 'a', 'b', 'c')).mode & 0o777).toBe(0o700);
});

test('a runtime that a power cut left empty is put right; a whole one is left alone', () => {
  const source = join(folder, 'node');
  writeFileSync(source, 'a runtime', { mode: 0o755 });
  const runtimes = join(folder, 'runtimes');
  const target = join(runtimes, 'node-1.2.3', 'bin', 'node');
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, '');
  expect(installRuntime(runtimes, source, '1.2.3')).toBe(target);
  expect(readFileSync(target, 'utf8')).toBe('a runtime');
  const { ino } = statSync(target);
  installRuntime(runtimes, source, '1.2.3');
  expect(statSync(target).ino).toBe(ino);
});
