import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
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
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeArchive } from '../support/artifact.ts';

/** The commands that make and check signatures, as people type them, beside Debian's minisign. */

const MAIN = join(import.meta.dirname, '../../dist/main.js');
const SECRET = 'a password of mine';
let dir = '';
const at = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fettle-signing-'));
  writeFileSync(at('app.bin'), Buffer.alloc(3_000_000, 7));
  writeFileSync(at('password'), `${SECRET}\n`);
  await writeArchive(at('robot.tgz'), [{ name: 'run', content: 'v1', mode: 0o755 }]);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function fettle(args: readonly string[], env: Record<string, string> = {}) {
  const result = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: dir,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: dir, ...env },
  });
  return { code: result.status, out: result.stdout, err: result.stderr };
}
const minisign = (args: readonly string[]) => spawnSync('minisign', args, { cwd: dir, encoding: 'utf8' });

test('keygen, sign, verify: minisign accepts ours, we accept its', () => {
  const made = fettle(['keygen', '--out', 'k', '--no-password']);
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(made.out).toMatch(/keys: \[RW[QRST]\S{53}\]/);
  expect(statSync(at('k')).mode & 0o777).toBe(0o600);
  const before = readFileSync(at('k'), 'utf8');
  expect(fettle(['keygen', '--out', 'k', '--no-password'])).toMatchObject({ code: 2 });
  expect(readFileSync(at('k'), 'utf8')).toBe(before);

  expect(fettle(['sign', '--key', 'k', '--comment', 'app=a version=1.0.0 platform=any', 'app.bin']).code).toBe(0);
  const theirs = minisign(['-V', '-p', 'k.pub', '-m', 'app.bin']);
  expect([theirs.status, theirs.stdout]).toEqual([0, expect.stringContaining('app=a version=1.0.0 platform=any')]);
  const key = readFileSync(at('k.pub'), 'utf8').split('\n')[1] ?? '';
  expect(fettle(['verify', '--key', key, 'app.bin'])).toMatchObject({ code: 0, out: /^app.bin: good/ });

  execFileSync('minisign', ['-S', '-s', 'k', '-m', 'app.bin', '-t', 'by minisign'], { cwd: dir });
  expect(fettle(['verify', '--key', 'k.pub', 'app.bin'])).toMatchObject({ code: 0, out: /by minisign/ });
  execFileSync('minisign', ['-S', '-l', '-s', 'k', '-m', 'app.bin'], { cwd: dir });
  expect(fettle(['verify', '--key', 'k.pub', 'app.bin'])).toMatchObject({ code: 0 });

  chmodSync(at('k'), 0o644);
  const open = fettle(['sign', '--key', 'k', 'app.bin']);
  expect(open).toMatchObject({ code: 0, err: /others can read k \(mode 644\)/ });
  chmodSync(at('k'), 0o600);

  writeFileSync(at('app.bin'), Buffer.alloc(3_000_000, 8));
  const refused = fettle(['verify', '--key', 'k.pub', 'app.bin', 'robot.tgz']);
  expect(refused.code).toBe(1);
  expect(refused.out).toMatch(/app.bin: NOT good: .*changed\nrobot.tgz: NOT good: there is no file robot.tgz.minisig/);
  expect(fettle(['verify', '--key', 'none.pub', 'app.bin'])).toMatchObject({ code: 2, err: /no such file/ });
});

test('a key with a password: never asked for where nobody is, never printed', { timeout: 300_000 }, () => {
  expect(fettle(['keygen', '--out', 'locked'])).toMatchObject({ code: 2, err: /needs a password/ });
  expect(fettle(['keygen', '--out', 'locked', '--password-file', 'password']).code).toBe(0);
  const all = [
    fettle(['sign', '--key', 'locked', 'robot.tgz']),
    fettle(['sign', '--key', 'locked', 'robot.tgz'], { FETTLE_KEY_PASSWORD: 'another' }),
    fettle(['sign', '--key', 'locked', 'robot.tgz'], { FETTLE_KEY_PASSWORD: SECRET }),
  ];
  expect(all.map(({ code }) => code)).toEqual([2, 2, 0]);
  expect(all[0]?.err).toContain('--password-file');
  expect(all[1]?.err).toContain('not the right one');
  expect(minisign(['-V', '-p', 'locked.pub', '-m', 'robot.tgz']).status).toBe(0);
  expect(JSON.stringify(all)).not.toContain(SECRET);
});

test('publish signs statement and index; rotate hands over; a signed feed is not published to without its key', () => {
  expect(fettle(['keygen', '--out', 'new', '--no-password']).code).toBe(0);
  const publish = (version: string, ...more: string[]) =>
    fettle(['publish', version, 'robot.tgz', '--app', 'robot', '--to', 'feed', ...more]);
  expect(publish('0.9.0').out).toContain('Not signed');
  expect(publish('1.0.0', '--key', 'k').out).toMatch(
    /Signed with key RW[QRST]\S+\n1 older release\(s\) are not signed/,
  );
  const statement = ['-V', '-p', 'k.pub', '-m', 'feed/releases/1.0.0/statement.json'];
  expect(minisign(statement).status).toBe(0);
  // The index's head, taken out of it, is a file like any other for minisign.
  const index = JSON.parse(readFileSync(at('feed/index.json'), 'utf8')) as { head: string; signature: string };
  writeFileSync(at('head'), index.head);
  writeFileSync(at('head.minisig'), index.signature);
  expect(minisign(['-V', '-p', 'k.pub', '-m', 'head']).status).toBe(0);

  const unsigned = readFileSync(at('feed/index.json'), 'utf8');
  expect(publish('1.1.0')).toMatchObject({ code: 2, err: /this feed is signed; say --key/ });
  expect(publish('1.1.0', '--key', 'new')).toMatchObject({ code: 2, err: /not signed with this key.*fettle rotate/ });
  const half = fettle(['rotate', 'feed', '--key', 'k', '--new', 'new.pub', '--revoke']);
  expect(half).toMatchObject({ code: 2, err: /needs the new secret key/ });
  expect(readFileSync(at('feed/index.json'), 'utf8')).toBe(unsigned);
  const rotated = fettle(['rotate', 'feed', '--key', 'k', '--new', 'new', '--revoke']);
  expect(rotated).toMatchObject({ code: 0, out: /1 release\(s\) signed anew/ });
  expect(minisign(statement.map((word) => (word === 'k.pub' ? 'new.pub' : word))).status).toBe(0);
  expect(publish('1.1.0', '--key', 'k').code).toBe(2);
  expect(publish('1.1.0', '--key', 'new').code).toBe(0);
  // Somebody on the server adds to what was signed: it is not signed unseen.
  writeFileSync(
    at('feed/index.json'),
    readFileSync(at('feed/index.json'), 'utf8').replace(/"number": \d+/, '"number": 99'),
  );
  expect(publish('1.2.0', '--key', 'new')).toMatchObject({ code: 2, err: /changed after it was signed/ });
});

test('a checkout publishes Fettle itself with a key of its own, made once', { timeout: 120_000 }, () => {
  const root = join(import.meta.dirname, '../..');
  const git = (...args: string[]) => execFileSync('git', ['-C', at('checkout'), ...args], { encoding: 'utf8' });
  execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${root}`, at('checkout')]);
  cpSync(join(root, 'dist'), at('checkout/dist'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), at('checkout/node_modules'));
  const before = git('status', '--porcelain');
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent'], { cwd: at('checkout') });
  const [archive = ''] = readdirSync(at('checkout')).filter((name) => /^fettle-.*\.tgz$/.test(name));
  const publish = (version: string) =>
    spawnSync(
      process.execPath,
      [
        'dist/main.js',
        'publish',
        version,
        archive,
        '--app',
        'fettle',
        '--to',
        at('releases'),
        '--notes',
        'What is new',
      ],
      { cwd: at('checkout'), encoding: 'utf8', env: { PATH: process.env.PATH, HOME: dir } },
    );
  const keys = ['9.1.0', '9.2.0'].map((version) => {
    const { status, stdout, stderr } = publish(version);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain("this checkout's development key");
    expect(stdout).toMatch(/Signed with key RW/);
    return /fettle: \{keys: \[(RW[QRST]\S{53})\]\}/.exec(stdout)?.[1] ?? '';
  });
  expect(new Set(keys).size).toBe(1);
  const pub = at('checkout/.fettle/development.key.pub');
  expect(readFileSync(pub, 'utf8').split('\n')[1]).toBe(keys[0]);
  expect(statSync(at('checkout/.fettle/development.key')).mode & 0o777).toBe(0o600);
  for (const version of ['9.1.0', '9.2.0']) {
    const statement = `releases/releases/${version}/statement.json`;
    expect(JSON.parse(readFileSync(at(statement), 'utf8'))).toMatchObject({ app: 'fettle', version });
    expect(fettle(['verify', '--key', keys[0] ?? '', statement])).toMatchObject({ code: 0 });
    expect(fettle(['verify', '--key', 'k.pub', statement]).code).toBe(1);
    expect(minisign(['-V', '-p', pub, '-m', statement]).status).toBe(0);
  }
  // Neither git nor a package takes the key along.
  rmSync(at(`checkout/${archive}`));
  expect(git('status', '--porcelain')).toBe(before);
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent'], { cwd: at('checkout') });
  const packed = execFileSync('tar', ['-tzf', archive], { cwd: at('checkout'), encoding: 'utf8' });
  expect(packed).toContain('package/dist/main.js');
  expect(packed).not.toContain('.fettle');
});
