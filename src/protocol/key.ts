import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder, writeDurably } from '../files/durable.ts';

/** An Ed25519 key of this machine's own. The private half never leaves its file (mode 0600). */
export interface OwnKey {
  /** SPKI, PEM. */
  readonly publicKey: string;
  /** base64 */
  sign(text: string): string;
}

/** Reads the key, or makes it; the public half is beside it as `FILE.pub`. */
export function openKey(file: string): OwnKey {
  if (!existsSync(file)) {
    makeFolder(dirname(file));
    const { privateKey } = generateKeyPairSync('ed25519');
    writeDurably(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600);
  }
  const key: KeyObject = createPrivateKey(readFileSync(file));
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
  if (!existsSync(`${file}.pub`)) writeDurably(`${file}.pub`, publicKey, 0o644);
  return { publicKey, sign: (text) => sign(null, Buffer.from(text), key).toString('base64') };
}

/** Was `text` signed by the holder of this public key (PEM)? */
export function isSignedBy(publicKey: string, text: string, signature: string): boolean {
  return signedBy(publicKey)(text, signature);
}

/** {@link isSignedBy} for many texts: the key is read once. One that is no Ed25519 key has signed nothing. */
export function signedBy(publicKey: string): (text: string, signature: string) => boolean {
  let key: KeyObject | undefined;
  try {
    key = createPublicKey(publicKey);
  } catch {
    // Below: nothing is signed by it.
  }
  if (key?.asymmetricKeyType !== 'ed25519') return () => false;
  const known = key;
  return (text, signature) => {
    try {
      return verify(null, Buffer.from(text), known, Buffer.from(signature, 'base64'));
    } catch {
      return false;
    }
  };
}
