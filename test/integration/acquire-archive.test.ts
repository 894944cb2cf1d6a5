import { execFileSync } from 'node:child_process';
import {
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
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type UnpackOptions, unpack } from '../../agent/acquire/archive.ts';
import { compress, type TestEntry, tar, writeArchive, zip } from '../support/artifact.ts';

/** More by hand: FUZZ_ROUNDS=20000. */
const FUZZ_ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 100);

let folder: string;
let slot: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-archive-'));
  slot = join(folder, 'slot');
  mkdirSync(slot);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const into = (file: string, more: Partial<UnpackOptions> = {}) =>
  unpack({ file, slot, maxUnpacked: 10_000_000, signal: new AbortController().signal, ...more });

/** Everything in the slot, as one can compare it. */
function contents(at = slot, path = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(at).sort()) {
    const full = join(at, name);
    const stat = lstatSync(full);
    const key = path + name;
    if (stat.isSymbolicLink()) found[key] = `-> ${readlinkSync(full)}`;
    else if (stat.isDirectory()) Object.assign(found, { [`${key}/`]: mode(full) }, contents(full, `${key}/`));
    else found[key] = `${mode(full)} ${readFileSync(full, 'utf8').slice(0, 20)}`;
  }
  return found;
}
const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);

const GOOD: TestEntry[] = [
  { name: 'site/', type: 'directory', mode: 0o777 },
  { name: 'site/run', content: 'run', mode: 0o4711 },
  { name: './site/lib/deep/a.js', content: 'a', mode: 0o600 },
  { name: 'site/lib/link.js', type: 'symlink', link: 'deep/a.js' },
  { name: 'site/empty', content: '' },
];
const GOOD_CONTENTS = {
  'site/': '755',
  'site/empty': '644 ',
  'site/lib/': '755',
  'site/lib/deep/': '755',
  'site/lib/deep/a.js': '644 a',
  'site/lib/link.js': '-> deep/a.js',
  'site/run': '755 run',
};

describe.each(['tar', 'tar.gz', 'tgz', 'tar.zst', 'zip'])('%s', (ending) => {
  const evil = (ending === 'zip' ? [] : ['hard']) as string[];

  it('is unpacked as it is, without setuid bits, readable for other users whatever the umask', async () => {
    const file = join(folder, `a.${ending}`);
    await writeArchive(file, GOOD);
    const umask = process.umask(0o077);
    try {
      await into(file);
    } finally {
      process.umask(umask);
    }
    expect(contents()).toEqual(GOOD_CONTENTS);
  });

  it.each<[string, TestEntry[], RegExp]>([
    ['.. in a path', [{ name: 'a/../../evil', content: 'x' }], /\.\./],
    ['an absolute path', [{ name: '/tmp/fettle-evil', content: 'x' }], /absolute/],
    ['a link to an absolute path', [{ name: 'l', type: 'symlink', link: '/etc/passwd' }], /absolute target/],
    [
      'a link that leads out',
      [
        { name: 'a', content: 'x' },
        { name: 'l', type: 'symlink', link: '../..' },
      ],
      /leads out/,
    ],
    [
      'links that lead out together',
      [
        { name: 'a', content: 'x' },
        { name: 'd/up', type: 'symlink', link: '..' },
        { name: 'l', type: 'symlink', link: 'd/up/..' },
      ],
      /leads out/,
    ],
    [
      'writing through a link of its own',
      [
        { name: 'l', type: 'symlink', link: '.' },
        { name: 'l/evil', content: 'x' },
      ],
      /through a link/,
    ],
    [
      'the same name twice',
      [
        { name: 'a', content: '1' },
        { name: './a', content: '2' },
      ],
      /twice/,
    ],
    ['a FIFO', [{ name: 'f', type: 'fifo' }], /FIFO/],
    ['a device', [{ name: 'd', type: 'character-device' }], /device/],
    ['a name that is too long', [{ name: 'x'.repeat(256), content: 'x' }], /too long/],
    ['nothing', [], /empty/],
    ['folders only', [{ name: 'a/', type: 'directory' }], /empty/],
  ])('refuses %s', async (_what, entries, reason) => {
    const file = join(folder, `a.${ending}`);
    await writeArchive(file, entries);
    const before = readdirSync(folder).sort();
    await expect(into(file)).rejects.toMatchObject({
      code: 'artifact_invalid',
      data: { reason: expect.stringMatching(reason) },
    });
    expect(readdirSync(folder).sort()).toEqual(before);
    expect(existsSync('/tmp/fettle-evil')).toBe(false);
    // No link of a refused archive exists at any time.
    expect(Object.values(contents()).filter((text) => text.startsWith('->'))).toEqual([]);
  });

  it.each(evil)('refuses a hard link out of it, and to what it lacks', async () => {
    writeFileSync(join(folder, 'secret'), 'mine');
    for (const link of ['../secret', '/etc/passwd', 'none']) {
      const file = join(folder, `a.${ending}`);
      await writeArchive(file, [{ name: 'h', type: 'link', link }]);
      await expect(into(file)).rejects.toMatchObject({ code: 'artifact_invalid' });
      expect(readdirSync(slot)).toEqual([]);
    }
  });

  it('counts bytes as they are written: a bomb ends at the limit', async () => {
    const file = join(folder, `a.${ending}`);
    await writeArchive(file, [{ name: 'bomb', content: Buffer.alloc(30_000_000) }]);
    await expect(into(file, { maxUnpacked: 5_000_000 })).rejects.toMatchObject({
      code: 'artifact_invalid',
      data: { reason: 'unpacked it has more than 5 MB (maxUnpacked)' },
    });
    expect(statSync(join(slot, 'bomb')).size).toBeLessThanOrEqual(5_000_000);
  });

  it('counts entries', async () => {
    const file = join(folder, `a.${ending}`);
    const entries = Array.from({ length: 50 }, (_, i) => ({ name: `d${i}/f`, content: 'x' }));
    await writeArchive(file, entries);
    await expect(into(file, { maxEntries: 99 })).rejects.toMatchObject({
      data: { reason: 'it has more than 99 files' },
    });
    rmSync(slot, { recursive: true });
    mkdirSync(slot);
    await into(file, { maxEntries: 100 });
  });

  it('refuses it when it is cut off, wherever', async () => {
    const file = join(folder, `a.${ending}`);
    const entries = [1, 2, 3].map((n) => ({ name: `f${n}`, content: Buffer.alloc(1_000, String(n)) }));
    const whole = await writeArchive(file, entries);
    // In a plain tar, 1,536 bytes an entry: cuts between entries and inside of them, down to nothing.
    const cuts =
      ending === 'tar' ? [0, 100, 512, 1_536, 2_000, 3_072, 4_608] : [0, 1, 20, whole.length >> 1, whole.length - 1];
    for (const cut of cuts) {
      writeFileSync(file, whole.subarray(0, cut));
      rmSync(slot, { recursive: true });
      mkdirSync(slot);
      await expect(into(file), `cut at ${cut} of ${whole.length}`).rejects.toMatchObject({ code: 'artifact_invalid' });
    }
  });

  it('refuses what is something else than its name says', async () => {
    const file = join(folder, `a.${ending}`);
    for (const bytes of [
      Buffer.from('<!doctype html><p>Sign in'),
      Buffer.alloc(5_000, 7),
      gzipSync('not a tar at all'),
    ]) {
      writeFileSync(file, bytes);
      rmSync(slot, { recursive: true });
      mkdirSync(slot);
      await expect(into(file)).rejects.toMatchObject({ code: 'artifact_invalid' });
    }
  });

  it('with bits flipped: ends, by an error of ours or whole, and writes nothing outside', async () => {
    const file = join(folder, `a.${ending}`);
    const entries = [...GOOD, ...[1, 2, 3].map((n) => ({ name: `f${n}`, content: `${n}`.repeat(3_000) }))];
    const whole = await writeArchive(file, entries);
    const before = readdirSync(folder).sort();
    let refusals = 0;
    // A fixed sequence (xorshift), so that a failure can be repeated.
    let state = 2_463_534_242;
    const next = (below: number) => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % below;
    };
    for (let round = 0; round < FUZZ_ROUNDS; round += 1) {
      const bytes = Buffer.from(whole);
      for (let flips = 1 + next(4); flips > 0; flips -= 1) bytes[next(bytes.length)] = next(256);
      writeFileSync(file, bytes);
      rmSync(slot, { recursive: true });
      mkdirSync(slot);
      const error: unknown = await into(file, { signal: AbortSignal.timeout(10_000) }).catch((e: unknown) => e);
      if (error === undefined) continue;
      refusals += 1;
      expect(error, `round ${round}`).toMatchObject({ code: 'artifact_invalid' });
    }
    expect(refusals).toBeGreaterThan(0);
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  it('ends when it is called off', async () => {
    const file = join(folder, `a.${ending}`);
    await writeArchive(
      file,
      [1, 2, 3].map((n) => ({ name: `f${n}`, content: Buffer.alloc(1_000_000, n) })),
    );
    const controller = new AbortController();
    const onFile = () => controller.abort(new DOMException('late', 'TimeoutError'));
    await expect(into(file, { signal: controller.signal, onFile })).rejects.toMatchObject({ code: 'deadline_passed' });
    expect(existsSync(join(slot, 'f3'))).toBe(false);
  });
});

describe('in particular', () => {
  it('a slot that is not empty is not written to', async () => {
    const file = join(folder, 'a.tar');
    await writeArchive(file, GOOD);
    writeFileSync(join(slot, 'x'), '');
    await expect(into(file)).rejects.toThrow(/not empty/);
    expect(readdirSync(slot)).toEqual(['x']);
  });

  it('tar: hard links within stay', async () => {
    const file = join(folder, 'a.tar');
    await writeArchive(file, [
      { name: 'a', content: 'x' },
      { name: 'd/b', type: 'link', link: './a' },
    ]);
    await into(file);
    expect(statSync(join(slot, 'd/b')).ino).toBe(statSync(join(slot, 'a')).ino);
  });

  it('tar: a sparse file is refused', async () => {
    const file = join(folder, 'a.tar');
    const big = join(folder, 'sparse');
    execFileSync('truncate', ['-s', '10M', big]);
    for (const format of ['gnu', 'pax']) {
      execFileSync('tar', ['-S', `--format=${format}`, '-C', folder, '-cf', file, 'sparse']);
      await expect(into(file), format).rejects.toMatchObject({ code: 'artifact_invalid' });
      rmSync(slot, { recursive: true });
      mkdirSync(slot);
    }
  });

  it('tar: what real tools write is read: long names, pax, GNU, other alphabets', async () => {
    const deep = join(folder, 'tree', 'd'.repeat(90), 'e'.repeat(90));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, '名前 é.txt'), 'x');
    writeFileSync(join(folder, 'tree/run'), 'y', { mode: 0o755 });
    for (const [ending, flag] of [
      ['tar.gz', '-z'],
      ['tar.zst', '--zstd'],
      ['tar', '--format=gnu'],
      ['tar', '--format=pax'],
    ] as const) {
      const file = join(folder, `real.${ending}`);
      execFileSync('tar', [flag, '-cf', file, '-C', folder, 'tree']);
      await into(file);
      expect(readFileSync(join(slot, 'tree', 'd'.repeat(90), 'e'.repeat(90), '名前 é.txt'), 'utf8')).toBe('x');
      expect(mode(join(slot, 'tree/run'))).toBe('755');
      rmSync(slot, { recursive: true });
      mkdirSync(slot);
    }
  });

  it('tar: data behind its end mark is not looked at as files', async () => {
    const file = join(folder, 'a.tar.gz');
    const one = await tar([{ name: 'a', content: 'x' }]);
    writeFileSync(file, compress(file, Buffer.concat([one, Buffer.alloc(10_240)])));
    await into(file);
    expect(contents()).toEqual({ a: '644 x' });
  });

  it('zip: sizes that lie, damaged content and encryption are refused', async () => {
    const file = join(folder, 'a.zip');
    const entries = [{ name: 'a', content: Buffer.alloc(1_000_000) }];
    const encrypted = zip(entries);
    encrypted.writeUInt16LE(0x0801, encrypted.indexOf('PK\x01\x02') + 8);
    for (const bytes of [zip(entries, { lie: 10 }), zip(entries, { damage: true }), encrypted]) {
      writeFileSync(file, bytes);
      await expect(into(file)).rejects.toMatchObject({ code: 'artifact_invalid' });
      rmSync(slot, { recursive: true });
      mkdirSync(slot);
    }
  });

  it('zip: a backslash is no way out', async () => {
    const file = join(folder, 'a.zip');
    writeFileSync(file, zip([{ name: '..\\..\\evil', content: 'x' }]));
    await expect(into(file)).rejects.toMatchObject({ code: 'artifact_invalid' });
  });

  it('holds little in memory: 300 MB pass through', async () => {
    const file = join(folder, 'a.tar.zst');
    await writeArchive(file, [{ name: 'big', content: Buffer.alloc(300_000_000) }]);
    const before = process.memoryUsage().rss;
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss - before);
    }, 5);
    await into(file, { maxUnpacked: 400_000_000 });
    clearInterval(timer);
    expect(statSync(join(slot, 'big')).size).toBe(300_000_000);
    expect(most).toBeLessThan(150_000_000);
  });
});
