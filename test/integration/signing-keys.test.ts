import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkoutOfFettle, developmentKey } from '../../src/cli/signing/development-key.ts';
import { openPublicKey, openSecretKey, writeKeyFiles } from '../../src/cli/signing/key-files.ts';
import { currentKeys } from '../../src/origin/key-rotation.ts';
import { generateMinisignKey } from '../../src/origin/minisign-secret.ts';
import { createRotationFile } from '../../src/origin/rotation-file.ts';

let folder: string;
const warned: string[] = [];
const deps = { password: {}, warn: (line: string) => void warned.push(line) };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-keys-'));
  warned.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a checkout of Fettle makes one key for itself, however many ask at once; an installed copy has none', async () => {
  const inside = join(folder, 'src', 'cli');
  mkdirSync(inside, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"name":"fettle"}');
  expect(checkoutOfFettle(inside)).toBeUndefined();
  mkdirSync(join(folder, '.git'));
  expect(checkoutOfFettle(inside)).toBe(folder);
  const asked = await Promise.all(Array.from({ length: 8 }, () => developmentKey(folder)));
  expect(new Set(asked.map(({ file }) => file)).size).toBe(1);
  expect(asked.filter(({ made }) => made)).toHaveLength(1);
  const [{ file } = { file: '' }] = asked;
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const key = await openSecretKey(file, deps);
  expect(openPublicKey(`${file}.pub`).text).toBe(key.publicKey.text);
  expect(warned).toEqual([]);
  writeFileSync(join(folder, 'package.json'), '{"name":"other"}');
  expect(checkoutOfFettle(inside)).toBeUndefined();
});

test('a key is never overwritten, not even its public half alone', async () => {
  const file = join(folder, 'k');
  writeFileSync(`${file}.pub`, 'mine');
  await expect(writeKeyFiles(file, generateMinisignKey(), undefined)).rejects.toMatchObject({ code: 'key_unusable' });
  expect(readFileSync(`${file}.pub`, 'utf8')).toBe('mine');
  expect(() => statSync(file)).toThrow('ENOENT');
});

test('a damaged list of rotations stops: what it revoked is not forgotten', async () => {
  const key = generateMinisignKey().publicKey.text;
  const file = join(folder, 'rotations.json');
  const keys = () => currentKeys('site', [key], [], createRotationFile(file));
  expect(await keys()).toHaveLength(1);
  for (const text of ['', '{"site":[{"statement":1}]}', '[]x']) {
    writeFileSync(file, text);
    await expect(keys()).rejects.toMatchObject({ code: 'key_unusable', data: { file } });
  }
});

test('rotations of several apps that are accepted together are all kept', async () => {
  const store = createRotationFile(join(folder, 'rotations.json'));
  const apps = Array.from({ length: 10 }, (_, i) => `app-${i}`);
  await Promise.all(apps.map((app) => store.accept(app, { statement: app, signature: '' })));
  for (const app of apps) expect(await store.accepted(app)).toEqual([{ statement: app, signature: '' }]);
});
