import { describe, expect, it } from 'vitest';
import type { ForgeSource } from '../../../src/domain/forge.ts';
import { type Machine, pickAsset, targetOf } from '../../../src/origin/forge-assets.ts';
import type { ForgeRelease } from '../../../src/origin/forge-releases.ts';

const source: ForgeSource = { kind: 'github', repo: 'acme/robot' };
const machine = (more: Partial<Machine> = {}): Machine => ({
  platform: 'linux-x64',
  libc: () => 'gnu',
  executable: false,
  ...more,
});

function release(...names: string[]): ForgeRelease {
  const assets = names.map((name, id) => ({ id, name, size: 10, url: `https://github.com/${name}` }));
  return { tag: 'v1.2.0', version: '1.2.0', prerelease: false, notes: '', uploading: [], base: '', assets };
}

const pick = (names: string[], more: Partial<Machine> = {}, of: Partial<ForgeSource> = {}) =>
  pickAsset({ ...source, ...of } as ForgeSource, release(...names), machine(more)).name;

describe('the file for a device', () => {
  it.each([
    ['robot-linux-x64.tar.gz', 'linux', 'x64', undefined],
    ['robot_1.2.0_Linux_x86_64.tar.gz', 'linux', 'x64', undefined],
    ['robot-x86_64-unknown-linux-musl.tar.gz', 'linux', 'x64', 'musl'],
    ['robot-aarch64-unknown-linux-gnu.tgz', 'linux', 'arm64', 'gnu'],
    ['robot-linux64.zip', 'linux', 'x64', undefined],
    ['robot-linuxarm64.zip', 'linux', 'arm64', undefined],
    ['robot-darwin-arm64.tar.gz', 'darwin', 'arm64', undefined],
    ['robot-macos64.zip', 'darwin', 'x64', undefined],
    ['robot-windows-amd64.zip', 'win32', 'x64', undefined],
    ['robot-linux-armv7.tar.gz', 'linux', 'arm', undefined],
    ['robot-linux-i686.tar.gz', 'linux', 'ia32', undefined],
    ['robot-1.2.0.tar.gz', undefined, undefined, undefined],
    ['charm-1.2.0.tar.gz', undefined, undefined, undefined],
  ])('reads %s', (name, system, arch, libc) => expect(targetOf(name)).toEqual({ system, arch, libc }));

  it('is found by system and machine, beside what is no file to install', () => {
    const names = [
      'robot-linux-arm64.tar.gz',
      'robot-linux-amd64.tar.gz',
      'robot-darwin-amd64.tar.gz',
      'SHA256SUMS',
      'robot-linux-amd64.tar.gz.minisig',
      'robot_amd64.deb',
      'robot-linux-amd64.tar.gz.sha256',
    ];
    expect(pick(names)).toBe('robot-linux-amd64.tar.gz');
    expect(pick(names, { platform: 'linux-arm64' })).toBe('robot-linux-arm64.tar.gz');
  });
  it('is the one for any platform where names say nothing', () => {
    expect(pick(['robot-1.2.0.tar.gz', 'notes.txt'])).toBe('robot-1.2.0.tar.gz');
    expect(pick(['robot-1.2.0.tar.gz', 'robot-1.2.0-linux.tar.gz', 'robot-1.2.0-windows.zip'])).toBe(
      'robot-1.2.0-linux.tar.gz',
    );
  });
  it('prefers glibc on glibc, then what says nothing, and takes musl last; on musl never glibc', () => {
    const [gnu, musl, plain] = ['r-x86_64-linux-gnu.tar.gz', 'r-x86_64-linux-musl.tar.gz', 'r-x86_64-linux.tar.gz'];
    expect(pick([gnu, musl, plain])).toBe(gnu);
    expect(pick([musl, plain])).toBe(plain);
    expect(pick([musl])).toBe(musl);
    expect(pick([gnu, musl, plain], { libc: () => 'musl' })).toBe(musl);
    expect(pick([gnu, plain], { libc: () => 'musl' })).toBe(plain);
    expect(() => pick([gnu], { libc: () => 'musl' })).toThrow(/for=linux-x64-gnu/);
  });
  it('may be an executable alone only where one is replaced', () => {
    expect(pick(['robot-linux-x64', 'robot-linux-arm64'], { executable: true })).toBe('robot-linux-x64');
    expect(() => pick(['robot-linux-x64'])).toThrow(/one executable alone needs `binary:`/);
  });
  it('is refused where several would do, with the line to write', () => {
    const names = ['robot-1.2.0-linux-x64.tar.gz', 'robot-1.2.0-linux-x64.zip'];
    expect(() => pick(names)).toThrow(
      /robot-1\.2\.0-linux-x64\.tar\.gz, robot-1\.2\.0-linux-x64\.zip.*assets: \{linux-x64: 'robot-\*-linux-x64\.tar\.gz'\}/,
    );
    expect(pick(names, {}, { assets: { 'linux-x64': '*.zip' } })).toBe(names[1]);
  });
  it('is refused where there is none: for other platforms, packed otherwise, none at all, or still uploaded', () => {
    expect(() => pick(['robot-darwin-arm64.tar.gz', 'robot-windows-amd64.zip'])).toThrow(
      expect.objectContaining({
        code: 'artifact_wrong_platform',
        data: expect.objectContaining({ for: ['darwin-arm64', 'win32-x64'], here: 'linux-x64' }),
      }),
    );
    expect(() => pick(['robot-linux-x64.tar.xz'])).toThrow(
      /packed in a way that is not unpacked here.*robot-linux-x64\.tar\.xz/,
    );
    expect(() => pick([])).toThrow(/it has no files/);
    const late = { ...release(), uploading: ['robot-linux-x64.tar.gz'] };
    expect(() => pickAsset(source, late, machine())).toThrow(expect.objectContaining({ retryable: true }));
  });
  it('is by patterns what they say: the platform’s own before any; a pattern that fits none or several is refused', () => {
    const names = ['a-x86_64.tar.gz', 'b-x86_64.tar.gz', 'all.tar.gz', 'all.tar.gz.minisig'];
    expect(pick(names, {}, { assets: { any: 'all*' } })).toBe('all.tar.gz');
    expect(pick(names, {}, { assets: { any: 'all*', 'linux-x64': 'a-*' } })).toBe('a-x86_64.tar.gz');
    expect(() => pick(names, {}, { assets: { 'linux-x64': 'c-*' } })).toThrow(/none fits the pattern c-\*/);
    expect(() => pick(names, {}, { assets: { 'linux-x64': '*x86_64*' } })).toThrow(
      /the pattern \*x86_64\* fits a-x86_64/,
    );
    expect(() => pick(names, {}, { assets: { 'linux-arm64': 'a-*' } })).toThrow(
      expect.objectContaining({ code: 'artifact_wrong_platform' }),
    );
  });
});
