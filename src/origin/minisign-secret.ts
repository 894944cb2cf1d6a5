import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, scrypt, sign } from 'node:crypto';
import { FettleError } from '../domain/errors.ts';
import { blake2b } from './blake2b.ts';
import { type MinisignPublicKey, makePublicKey, prehash, type SignedMessage } from './minisign.ts';

/**
 * Minisign's secret key files, and signing. Only where releases are made: what runs on devices does not load this.
 *
 * A file is a comment line and base64 of: `Ed` · kdf (`Sc`, or zeroes where there is no password) · `B2` · salt (32) ·
 * opslimit (8) · memlimit (8) · and, XORed with what scrypt makes of the password: key id (8) · seed and public key
 * (64) · BLAKE2b-256 of `Ed`, id and key (32).
 */

const FILE_BYTES = 158;
const SECRET_AT = 54;
const SECRET_BYTES = 104;
/** PKCS #8 of Ed25519 before its 32 bytes (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** libsodium's "sensitive": a guess costs 1 GiB and about three seconds. What `minisign -G` uses. */
const OPSLIMIT = 33_554_432n;
const MEMLIMIT = 1_073_741_824n;
/** More than this no file may ask for: 2 GiB. */
const MAX_MEMORY = 2_147_483_648;

/** Who can sign. */
export interface MinisignSecretKey {
  readonly keyId: string;
  readonly publicKey: MinisignPublicKey;
  /**
   * @param comment the trusted comment: one line, signed too
   * @returns the text of a `.minisig` file, in minisign's own default format (prehashed)
   */
  sign(message: SignedMessage, comment: string): string;
  /** The text of a secret key file, protected by the password; without one: in the clear. */
  toFile(password: string | undefined): Promise<string>;
}

export function generateMinisignKey(): MinisignSecretKey {
  const seed = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  return makeSecretKey(randomBytes(8), seed);
}

/** Does the file need a password? */
export function isProtected(text: string): boolean {
  return readFile(text).toString('latin1', 2, 4) === 'Sc';
}

/**
 * Reads a secret key file, of minisign or of ours.
 *
 * @param password needed where {@link isProtected}; not looked at elsewhere
 * @throws {FettleError} `key_unusable` {reason}: not such a file, damaged, or another password
 */
export async function readSecretKey(text: string, password?: string): Promise<MinisignSecretKey> {
  const bytes = readFile(text);
  const kdf = bytes.toString('latin1', 2, 4);
  const secret = Buffer.from(bytes.subarray(SECRET_AT));
  if (kdf === 'Sc') {
    if (password === undefined) throw unusable('it is protected by a password, and none was given');
    const limits = { ops: bytes.readBigUInt64LE(38), memory: bytes.readBigUInt64LE(46) };
    xor(secret, await stretch(password, bytes.subarray(6, 38), limits));
  }
  const [id, key, checksum] = [secret.subarray(0, 8), secret.subarray(8, 72), secret.subarray(72)];
  const sound = blake2b(Buffer.concat([Buffer.from('Ed'), id, key]), 32).equals(checksum);
  // Minisign leaves the checksum of a key without a password as zeroes.
  if (!sound && !(kdf === '\0\0' && checksum.every((byte) => byte === 0))) {
    throw unusable(kdf === 'Sc' ? 'the password is not the right one' : 'it is damaged');
  }
  const made = makeSecretKey(Buffer.from(id), Buffer.from(key.subarray(0, 32)));
  const stated = makePublicKey(id, key.subarray(32));
  if (made.publicKey.text !== stated.text) throw unusable('it is damaged');
  return made;
}

/** The text of a public key file, as minisign writes it. */
export function publicKeyFile(key: MinisignPublicKey): string {
  return `untrusted comment: minisign public key ${key.keyId}\n${key.text}\n`;
}

function makeSecretKey(id: Buffer, seed: Buffer): MinisignSecretKey {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
  const raw = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  const publicKey = makePublicKey(id, raw);
  return {
    keyId: publicKey.keyId,
    publicKey,
    sign: (message, comment) => {
      if (/[\r\n\0]/.test(comment)) throw unusable('a trusted comment is one line');
      const digest = message instanceof Uint8Array ? prehash(message) : message.blake2b512;
      const signature = sign(null, digest, key);
      const over = sign(null, Buffer.concat([signature, Buffer.from(comment, 'utf8')]), key);
      return [
        `untrusted comment: signature from key ${publicKey.keyId}`,
        Buffer.concat([Buffer.from('ED'), id, signature]).toString('base64'),
        `trusted comment: ${comment}`,
        over.toString('base64'),
        '',
      ].join('\n');
    },
    toFile: async (password) => {
      const pair = Buffer.concat([id, seed, raw]);
      const secret = Buffer.concat([pair, blake2b(Buffer.concat([Buffer.from('Ed'), pair]), 32)]);
      const head = Buffer.alloc(SECRET_AT);
      head.write('Ed', 0, 'latin1');
      head.write('B2', 4, 'latin1');
      if (password !== undefined) {
        head.write('Sc', 2, 'latin1');
        const salt = randomBytes(32);
        salt.copy(head, 6);
        head.writeBigUInt64LE(OPSLIMIT, 38);
        head.writeBigUInt64LE(MEMLIMIT, 46);
        xor(secret, await stretch(password, salt, { ops: OPSLIMIT, memory: MEMLIMIT }));
      }
      const kind = password === undefined ? 'secret key, not encrypted' : 'encrypted secret key';
      return `untrusted comment: minisign ${kind}\n${Buffer.concat([head, secret]).toString('base64')}\n`;
    },
  };
}

function readFile(text: string): Buffer {
  const [comment, line, ...rest] = text.replace(/\r?\n$/, '').split(/\r?\n/, 4);
  const bytes = Buffer.from(line ?? '', 'base64');
  const known =
    comment?.startsWith('untrusted comment:') &&
    rest.length === 0 &&
    bytes.length === FILE_BYTES &&
    /^Ed(Sc|\0\0)B2$/.test(bytes.toString('latin1', 0, 6));
  if (!known) throw unusable('it is no secret key');
  return bytes;
}

/** libsodium's crypto_pwhash_scryptsalsa208sha256: its limits become N, r and p like this (pickparams). */
function stretch(
  password: string,
  salt: Uint8Array,
  limits: { readonly ops: bigint; readonly memory: bigint },
): Promise<Buffer> {
  const r = 8;
  const ops = Math.max(Number(limits.ops), 32_768);
  const memory = Number(limits.memory);
  const byOps = ops < memory / 32;
  const maxN = byOps ? ops / (r * 4) : memory / (r * 128);
  const log = Math.max(1, Math.floor(Math.log2(Math.floor(maxN / 2))) + 1);
  const N = 2 ** log;
  const p = byOps ? 1 : Math.max(1, Math.floor(Math.min(ops / 4 / N, 0x3fffffff) / r));
  const needed = 128 * r * (N + p + 2);
  if (needed > MAX_MEMORY || p > 64) throw unusable('it asks for more memory or time than a key file may');
  return new Promise((resolve, reject) => {
    scrypt(Buffer.from(password, 'utf8'), salt, SECRET_BYTES, { N, r, p, maxmem: needed + 1_048_576 }, (error, out) =>
      error
        ? reject(unusable(`there is not enough memory to try the password (${error.message})`, error))
        : resolve(out),
    );
  });
}

function xor(target: Buffer, stream: Buffer): void {
  for (let i = 0; i < target.length; i += 1) target[i] = (target[i] ?? 0) ^ (stream[i] ?? 0);
}

function unusable(reason: string, cause?: unknown): FettleError {
  return new FettleError('key_unusable', { data: { reason }, cause });
}
