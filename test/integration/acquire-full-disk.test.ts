import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unpack } from '../../agent/acquire/archive.ts';
import { download } from '../../agent/acquire/download.ts';
import { publish } from '../../src/cli/publish.ts';
import { sha256, writeArchive } from '../support/artifact.ts';
import { serveFolder } from '../support/feed-server.ts';

/** A disk that is full: a tmpfs of 2 MB. Needs the right to mount. */

const folder = mkdtempSync(join(tmpdir(), 'fettle-full-'));
const small = join(folder, 'small');
mkdirSync(small);
const clock = { now: () => 0, monotonic: () => performance.now() };
const bytes = Buffer.from(Array.from({ length: 4_000_000 }, (_, i) => (i * i) % 251));

const refusal = (() => {
  try {
    mount();
    execFileSync('umount', [small]);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
})();

function mount(): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2M', 'tmpfs', small], { stdio: 'pipe' });
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(refusal !== undefined)(`a full disk${refusal ? ` (not run: ${refusal})` : ''}`, () => {
  beforeEach(mount);
  afterEach(() => {
    execFileSync('umount', [small]);
  });

  it('ends a download with no_space, at once; with space it goes on', async () => {
    mkdirSync(join(folder, 'served'), { recursive: true });
    writeFileSync(join(folder, 'served/a.tgz'), bytes);
    const server = await serveFolder(join(folder, 'served'));
    const get = () =>
      download({
        url: new URL(`${server.url}/a.tgz`),
        to: join(small, 'a.tgz'),
        sha256: sha256(bytes),
        size: bytes.length,
        maxBytes: 1e9,
        signal: new AbortController().signal,
        progress: () => {},
        clock,
      });
    try {
      await expect(get()).rejects.toMatchObject({ code: 'no_space', retryable: true });
      expect(server.requests).toHaveLength(1);
      execFileSync('mount', ['-o', 'remount,size=8M', small]);
      await get();
      expect(readFileSync(join(small, 'a.tgz')).equals(bytes)).toBe(true);
      expect(server.requests[1]?.status).toBe(206);
    } finally {
      await server.close();
    }
  });

  it.each(['tar.gz', 'zip'])('ends the unpacking of a %s with no_space', async (ending) => {
    const file = join(folder, `a.${ending}`);
    await writeArchive(file, [{ name: 'big', content: bytes }]);
    const slot = join(small, 'slot');
    mkdirSync(slot);
    const signal = new AbortController().signal;
    await expect(unpack({ file, slot, maxUnpacked: 1e9, signal })).rejects.toMatchObject({ code: 'no_space' });
  });

  it('ends publishing with no_space; the index before stays, and readers see nothing new', async () => {
    const path = join(folder, 'a.zip');
    await writeArchive(path, [{ name: 'a', content: 'small' }]);
    const put = (version: string, file: string) =>
      publish({ folder: small, app: 'site', version, files: [{ platform: 'any', path: file }], clock });
    await put('1.0.0', path);
    const before = readFileSync(join(small, 'index.json'), 'utf8');
    const big = join(folder, 'big.tar');
    await writeArchive(big, [{ name: 'big', content: bytes }]);
    await expect(put('1.1.0', big)).rejects.toMatchObject({ code: 'no_space' });
    expect(readFileSync(join(small, 'index.json'), 'utf8')).toBe(before);
    expect(readdirSync(join(small, 'releases/1.1.0'))).toEqual([]);
    await put('1.1.0', path);
  });
});
