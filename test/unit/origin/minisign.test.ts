import { expect, test } from 'vitest';
import { FettleError } from '../../../src/domain/errors.ts';
import { readPublicKey, readSignature, verifyMinisign } from '../../../src/origin/minisign.ts';
import { generateMinisignKey } from '../../../src/origin/minisign-secret.ts';

const key = generateMinisignKey();
const message = Buffer.from('{"app":"robot","version":"1.4.0"}');
const signature = key.sign(message, 'app=robot version=1.4.0');

function isAccepted(text: string): boolean {
  try {
    verifyMinisign({ message, signature: readSignature(text), keys: [key.publicKey] });
    return true;
  } catch (error) {
    if (error instanceof FettleError && error.code === 'artifact_unverified') return false;
    throw error;
  }
}

test('no signature is accepted in which any one character was changed, left out or doubled, but for the untrusted comment', () => {
  expect(isAccepted(signature)).toBe(true);
  const from = signature.indexOf('\n');
  expect(isAccepted(`untrusted comment: ${'x'.repeat(500)}${signature.slice(from)}`)).toBe(true);
  for (let at = from; at < signature.length - 1; at += 1) {
    const [before, there, after] = [signature.slice(0, at), signature[at] ?? '', signature.slice(at + 1)];
    for (const other of [there === 'A' ? 'B' : 'A', '', `${there}${there}`, '=', '\n', '\0', '€']) {
      if (other === there) continue;
      expect(isAccepted(before + other + after), `${at}: ${JSON.stringify(other)}`).toBe(false);
    }
  }
});

test('a public key with a changed character is another key, or none', () => {
  const { text } = key.publicKey;
  for (let at = 0; at < text.length; at += 1) {
    const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
    let other: ReturnType<typeof readPublicKey> | undefined;
    try {
      other = readPublicKey(changed);
    } catch (error) {
      expect(error).toMatchObject({ code: 'artifact_unverified' });
    }
    const keys = other ? [other] : [];
    expect(() => verifyMinisign({ message, signature: readSignature(signature), keys })).toThrow('artifact_unverified');
  }
});
