import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prehash, readPublicKey, readSignature, verifyMinisign } from '../../src/origin/minisign.ts';
import { generateMinisignKey, isProtected, publicKeyFile, readSecretKey } from '../../src/origin/minisign-secret.ts';

/** Against Debian's minisign, in both directions. */

const MESSAGE = Buffer.from('what was released\0\xff\n', 'latin1');
let dir = '';
const at = (name: string) => join(dir, name);
const read = (name: string) => readFileSync(at(name), 'utf8');

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'fettle-minisign-'));
  writeFileSync(at('file'), MESSAGE);
  execFileSync('minisign', ['-G', '-W', '-p', at('their.pub'), '-s', at('their.key')]);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What minisign says of a file that was signed. */
function minisignVerifies(args: readonly string[]): { readonly ok: boolean; readonly said: string } {
  const result = spawnSync('minisign', ['-V', ...args], { encoding: 'utf8' });
  return { ok: result.status === 0, said: `${result.stdout}${result.stderr}` };
}

/** The code and reason of a refusal. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return String((error as Error).message);
  }
  return 'accepted';
}

const verifyTheirs = (signature: string, message: Uint8Array = MESSAGE, key = read('their.pub')) =>
  verifyMinisign({ message, signature: readSignature(signature), keys: [readPublicKey(key)] });

describe('what minisign signed', () => {
  test.each([
    ['prehashed', []],
    ['legacy', ['-l']],
  ])('is accepted, %s', (kind, flags) => {
    execFileSync('minisign', ['-S', ...flags, '-s', at('their.key'), '-m', at('file'), '-t', 'app=a version=1.0.0']);
    const signature = read('file.minisig');
    expect(readSignature(signature).prehashed).toBe(kind === 'prehashed');
    const verified = verifyTheirs(signature);
    expect(verified.trustedComment).toBe('app=a version=1.0.0');
    expect(read('their.pub')).toContain(verified.keyId);
    expect(read('their.pub')).toContain(verified.key);
    // The untrusted comment may say anything, and lines may end as on Windows.
    expect(verifyTheirs(signature.replace(/^.*$/m, 'untrusted comment: nothing')).keyId).toBe(verified.keyId);
    expect(verifyTheirs(signature.replaceAll('\n', '\r\n')).keyId).toBe(verified.keyId);

    const changed = Buffer.from(MESSAGE);
    changed[3] = (changed[3] ?? 0) ^ 1;
    expect(refusal(() => verifyTheirs(signature, changed))).toMatch(/artifact_unverified.*what was signed was changed/);
    const comment = signature.replace('version=1.0.0', 'version=9.9.0');
    expect(refusal(() => verifyTheirs(comment))).toMatch(/artifact_unverified.*trusted comment.*changed/);
    const other = publicKeyFile(generateMinisignKey().publicKey);
    expect(refusal(() => verifyTheirs(signature, MESSAGE, other))).toMatch(/which is not trusted here/);
    const sameId = Buffer.from(readPublicKey(other).text, 'base64');
    Buffer.from(readPublicKey(read('their.pub')).text, 'base64').copy(sameId, 0, 0, 10);
    expect(refusal(() => verifyTheirs(signature, MESSAGE, sameId.toString('base64')))).toMatch(/was changed/);
  });

  test('is accepted by its prehash alone; a legacy signature is not, and the other algorithm is not', () => {
    execFileSync('minisign', ['-S', '-s', at('their.key'), '-m', at('file')]);
    const keys = [readPublicKey(read('their.pub'))];
    const signature = readSignature(read('file.minisig'));
    const message = { blake2b512: prehash(MESSAGE) };
    expect(verifyMinisign({ message, signature, keys }).keyId).toBe(keys[0]?.keyId);
    const asLegacy = { ...signature, prehashed: false };
    expect(refusal(() => verifyMinisign({ message, signature: asLegacy, keys }))).toContain('old format');
    // The algorithm is not signed: what was prehashed must not pass as the message itself.
    expect(refusal(() => verifyMinisign({ message: MESSAGE, signature: asLegacy, keys }))).toContain('was changed');
  });
});

test('minisign accepts what we signed, and refuses it changed', async () => {
  const key = generateMinisignKey();
  writeFileSync(at('our.pub'), publicKeyFile(key.publicKey));
  writeFileSync(at('file.minisig'), key.sign(MESSAGE, 'app=a version=1.2.3 platform=any'));
  const accepted = minisignVerifies(['-p', at('our.pub'), '-m', at('file')]);
  expect(accepted).toEqual({ ok: true, said: expect.stringContaining('app=a version=1.2.3 platform=any') });
  expect(minisignVerifies(['-P', key.publicKey.text, '-m', at('file')]).ok).toBe(true);
  writeFileSync(at('file'), 'other');
  expect(minisignVerifies(['-p', at('our.pub'), '-m', at('file')]).ok).toBe(false);
  writeFileSync(at('file'), MESSAGE);
});

describe('secret key files', () => {
  test('theirs without a password signs for us, and ours for them', async () => {
    const theirs = await readSecretKey(read('their.key'));
    expect(theirs.publicKey.text).toBe(readPublicKey(read('their.pub')).text);
    const ours = generateMinisignKey();
    const file = await ours.toFile(undefined);
    expect((await readSecretKey(file)).publicKey.text).toBe(ours.publicKey.text);
    writeFileSync(at('our.key'), file, { mode: 0o600 });
    execFileSync('minisign', ['-S', '-s', at('our.key'), '-m', at('file')]);
    expect(verifyTheirs(read('file.minisig'), MESSAGE, ours.publicKey.text).keyId).toBe(ours.keyId);
  });

  test('with a password: theirs for us, ours for them', { timeout: 300_000 }, async () => {
    const args = ['-G', '-p', at('locked.pub'), '-s', at('locked.key')];
    execFileSync('minisign', args, { input: 'correct horse\ncorrect horse\n', stdio: 'pipe' });
    const theirs = read('locked.key');
    expect(isProtected(theirs)).toBe(true);
    expect((await readSecretKey(theirs, 'correct horse')).publicKey.text).toBe(readPublicKey(read('locked.pub')).text);
    await expect(readSecretKey(theirs)).rejects.toThrow('none was given');

    const ours = generateMinisignKey();
    writeFileSync(at('ours.key'), await ours.toFile('pässword'), { mode: 0o600 });
    execFileSync('minisign', ['-S', '-s', at('ours.key'), '-m', at('file')], { input: 'pässword\n' });
    expect(verifyTheirs(read('file.minisig'), MESSAGE, ours.publicKey.text).keyId).toBe(ours.keyId);
  });

  test('anything else is refused', async () => {
    const file = await generateMinisignKey().toFile(undefined);
    const [comment, line = ''] = file.split('\n');
    const bytes = Buffer.from(line, 'base64');
    bytes[70] = (bytes[70] ?? 0) ^ 1;
    await expect(readSecretKey(`${comment}\n${bytes.toString('base64')}\n`)).rejects.toThrow('damaged');
    for (const text of ['', line, `${comment}\n${line.slice(4)}\n`, read('their.pub')]) {
      await expect(readSecretKey(text)).rejects.toThrow('key_unusable');
    }
  });
});

test('what is no key and no signature says so', () => {
  execFileSync('minisign', ['-S', '-s', at('their.key'), '-m', at('file')]);
  const signature = read('file.minisig');
  for (const text of ['', 'RWQ', read('their.key'), `${read('their.pub')}x`, '-----BEGIN PUBLIC KEY-----\nMC4=\n']) {
    expect(refusal(() => readPublicKey(text))).toContain('no minisign public key');
  }
  for (const text of ['', '<html>', signature.split('\n').slice(0, 2).join('\n'), `${signature}\nmore`]) {
    expect(refusal(() => readSignature(text))).toContain('is not one of minisign');
  }
  expect(refusal(() => verifyMinisign({ message: MESSAGE, signature: readSignature(signature), keys: [] }))).toContain(
    'trusted: none',
  );
});
