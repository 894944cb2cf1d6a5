import { describe, expect, it } from 'vitest';
import { readLock } from '../../../agent/acquire/npm-lock.ts';

const digest = `sha512-${'A'.repeat(86)}==`;
const ordered = { name: '@me/x', version: '1.0.0', digest };
const here = { os: 'linux', cpu: 'x64' };
const top = { version: '1.0.0', integrity: digest };
const lock = (packages: Record<string, unknown>) =>
  JSON.stringify({ packages: { '': {}, 'node_modules/@me/x': top, ...packages } });

describe('readLock', () => {
  it('names the folders that this platform gets', () => {
    const text = lock({
      'node_modules/a': { ...top, os: ['darwin'] },
      'node_modules/b': { ...top, os: ['!win32'], cpu: ['x64', 'arm64'] },
      'node_modules/c': { ...top, cpu: ['!x64'] },
      'node_modules/d/node_modules/e': { version: '1.0.0', inBundle: true },
    });
    expect(readLock(text, ordered, here).folders).toEqual(['node_modules/@me/x', 'node_modules/b']);
  });

  it.each([
    ['another integrity', lock({ 'node_modules/@me/x': { ...top, integrity: `sha512-${'B'.repeat(86)}==` } })],
    ['another version', lock({ 'node_modules/@me/x': { ...top, version: '1.0.1' } })],
    ['no integrity', lock({ 'node_modules/@me/x': { version: '1.0.0' } })],
    ['sha1 only', lock({ 'node_modules/@me/x': { version: '1.0.0', integrity: 'sha1-AAAA' } })],
    ['a dependency without a hash', lock({ 'node_modules/a': { version: '1.0.0' } })],
    ['a linked dependency', lock({ 'node_modules/a': { ...top, link: true } })],
  ])('refuses %s', (_what, text) => {
    expect(() => readLock(text, ordered, here)).toThrow(/^artifact_mismatch/);
  });

  it('says so where there is no lock', () => {
    expect(() => readLock('{', ordered, here)).toThrow(/^install_failed/);
  });
});
