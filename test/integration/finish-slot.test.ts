import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { finishSlot } from '../../agent/self/finish.ts';

let folder: string;
let slot: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-finish-'));
  slot = join(folder, 'slot');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, content: string | object): void {
  mkdirSync(dirname(join(slot, path)), { recursive: true });
  writeFileSync(join(slot, path), typeof content === 'string' ? content : JSON.stringify(content));
}

const finish = (nodeVersion = '24.1.0') =>
  finishSlot({
    app: 'hub',
    slot,
    version: '1.2.0',
    node: process.execPath,
    nodeVersion,
    runtimes: join(folder, 'runtimes'),
  });
const good = { name: 'fettle', version: '1.2.0', bin: { fettle: 'dist/main.js' }, engines: { node: '>=22.18' } };
const linked = (name: string) => resolve(slot, '.fettle', readlinkSync(join(slot, '.fettle', name)));

test.each([
  ['as npm pack makes it', 'package'],
  ['as npm installs it', 'node_modules/fettle'],
])('%s', (_, place) => {
  write(`${place}/package.json`, good);
  write(`${place}/dist/main.js`, '');
  finish();
  expect(linked('node')).toBe(process.execPath);
  expect(linked('fettle')).toBe(join(slot, place, 'dist/main.js'));
  // A try that was interrupted is finished by the next.
  finish();
});

test.each<[string, object | string | undefined, RegExp]>([
  ['something else', undefined, /no package of Fettle/],
  ['another version', { ...good, version: '1.3.0' }, /says version 1\.3\.0/],
  ['no program', { name: 'fettle', version: '1.2.0' }, /names no program/],
  ['a program outside', { ...good, bin: { fettle: '../../../bin/sh' } }, /is not in it/],
  ['a program that is not there', { ...good, bin: { fettle: 'other.js' } }, /is not in it/],
  ['no JSON', '<html>', /names no program/],
])('%s is refused', (_, manifest, why) => {
  write('package/dist/main.js', '');
  if (manifest !== undefined) write('package/package.json', manifest);
  expect(finish).toThrow(expect.objectContaining({ code: 'artifact_invalid' }));
  expect(finish).toThrow(why);
});

test('a release that wants a newer Node.js takes the one that it brings along', () => {
  const name = `node-${process.platform}-${process.arch}`;
  write('package/package.json', { ...good, engines: { node: '>=26' } });
  write('package/dist/main.js', '');
  expect(finish).toThrow(/it needs Node\.js >=26, and this device runs 24\.1\.0/);
  write(`package/node_modules/${name}/package.json`, { version: '26.2.0' });
  write(`package/node_modules/${name}/bin/node`, 'a runtime');
  finish();
  const runtime = join(folder, 'runtimes', 'node-26.2.0', 'bin', 'node');
  expect(linked('node')).toBe(runtime);
  expect(readFileSync(runtime, 'utf8')).toBe('a runtime');
  expect(existsSync(`${runtime}.new`)).toBe(false);
});
