import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { FettleError } from '../domain/errors.ts';

/**
 * Minisign's public keys and signatures (jedisct1.github.io/minisign), read and checked. Ed25519, with a second
 * signature over the first and the trusted comment; the untrusted comment is never looked at. Secret keys are in
 * `minisign-secret.ts`, which devices do not load.
 */

/** `Ed` or `ED`, the id, the key. */
const PUBLIC_KEY_BYTES = 42;
const SIGNATURE_BYTES = 74;
/** SPKI of Ed25519 before its 32 bytes (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const MAX_COMMENT = 8_192;

/** Who signs. */
export interface MinisignPublicKey {
  /** As minisign prints it: 16 digits of upper-case hex. Tells which key to try; proves nothing. */
  readonly keyId: string;
  /** `RW…`, 56 characters: what a configuration names, and what `minisign -P` takes. */
  readonly text: string;
  readonly key: KeyObject;
}

export interface MinisignSignature {
  readonly keyId: string;
  /** BLAKE2b-512 of the message was signed (`ED`, minisign's own default), not the message itself (`Ed`, legacy). */
  readonly prehashed: boolean;
  /** 64 bytes */
  readonly signature: Buffer;
  /** Covered by `globalSignature`, so believable once that is checked. */
  readonly trustedComment: string;
  /** 64 bytes, over `signature` and `trustedComment`. */
  readonly globalSignature: Buffer;
}

/** What was signed: the bytes, or their BLAKE2b-512 where they are too many to hold (no legacy signature fits that). */
export type SignedMessage = Uint8Array | { readonly blake2b512: Uint8Array };

/**
 * A public key: `RWQ…` alone, or the text of a `.pub` file.
 *
 * @throws {FettleError} `artifact_unverified` with the reason
 */
export function readPublicKey(text: string): MinisignPublicKey {
  const lines = linesOf(text);
  const found = lines.length > 1 && lines[0]?.startsWith('untrusted comment:') ? lines[1] : lines[0];
  const bytes = fromBase64(found);
  if (lines.length > 2 || bytes?.length !== PUBLIC_KEY_BYTES || bytes.toString('latin1', 0, 2) !== 'Ed') {
    throw unverified('this is no minisign public key (RW… and 56 characters long)');
  }
  return makePublicKey(bytes.subarray(2, 10), bytes.subarray(10));
}

/** @param id 8 bytes @param key 32 bytes */
export function makePublicKey(id: Uint8Array, key: Uint8Array): MinisignPublicKey {
  return {
    keyId: showKeyId(id),
    text: Buffer.concat([Buffer.from('Ed'), id, key]).toString('base64'),
    key: createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' }),
  };
}

/** The id as minisign prints it: the eight bytes as one little-endian number. */
export function showKeyId(id: Uint8Array): string {
  return Buffer.from(id).reverse().toString('hex').toUpperCase();
}

/**
 * The text of a `.minisig` file: four lines.
 *
 * @throws {FettleError} `artifact_unverified` with the reason
 */
export function readSignature(text: string): MinisignSignature {
  const lines = linesOf(text);
  const [untrusted, first, comment, second] = lines;
  const bytes = fromBase64(first);
  const globalSignature = fromBase64(second);
  const algorithm = bytes?.toString('latin1', 0, 2);
  const malformed =
    lines.length !== 4 ||
    !untrusted?.startsWith('untrusted comment: ') ||
    !comment?.startsWith(TRUSTED) ||
    (comment?.length ?? 0) > MAX_COMMENT ||
    bytes?.length !== SIGNATURE_BYTES ||
    globalSignature?.length !== 64;
  if (malformed) throw unverified('its signature is not one of minisign (four lines)');
  if (algorithm !== 'Ed' && algorithm !== 'ED') throw unverified('its signature has an algorithm that is not known');
  return {
    keyId: showKeyId(bytes.subarray(2, 10)),
    prehashed: algorithm === 'ED',
    signature: bytes.subarray(10),
    trustedComment: comment?.slice(TRUSTED.length) ?? '',
    globalSignature,
  };
}

const TRUSTED = 'trusted comment: ';

/**
 * Checks both signatures with the one of `keys` that has the signature's id.
 *
 * @returns who signed, and the comment that the second signature covers
 * @throws {FettleError} `artifact_unverified` with the reason: another key, other bytes, another trusted comment
 */
export function verifyMinisign(options: {
  readonly message: SignedMessage;
  readonly signature: MinisignSignature;
  readonly keys: readonly MinisignPublicKey[];
}): { readonly keyId: string; readonly key: string; readonly trustedComment: string } {
  const { message, signature } = options;
  // An id is chosen freely, so that two keys may share one.
  const candidates = options.keys.filter((key) => key.keyId === signature.keyId);
  if (candidates.length === 0) {
    // A file has the text, and a signature the id alone.
    const wanted = options.keys.map(({ keyId, text }) => `${keyId}, ${text.slice(0, 8)}…`).join('; ') || 'none';
    throw unverified(`it is signed with key ${signature.keyId}, which is not trusted here (trusted: ${wanted})`);
  }
  const bytes = signedBytes(message, signature);
  const signer = candidates.find((key) => verify(null, bytes, key.key, signature.signature));
  if (!signer) throw unverified(`the signature of key ${signature.keyId} does not fit: what was signed was changed`);
  const comment = Buffer.from(signature.trustedComment, 'utf8');
  if (!verify(null, Buffer.concat([signature.signature, comment]), signer.key, signature.globalSignature)) {
    throw unverified(`the trusted comment of the signature by key ${signature.keyId} was changed`);
  }
  return { keyId: signer.keyId, key: signer.text, trustedComment: signature.trustedComment };
}

/** BLAKE2b-512, which minisign signs in place of the message. */
export function prehash(message: Uint8Array): Buffer {
  return createHash('blake2b512').update(message).digest();
}

function signedBytes(message: SignedMessage, signature: MinisignSignature): Uint8Array {
  if (message instanceof Uint8Array) return signature.prehashed ? prehash(message) : message;
  if (signature.prehashed) return message.blake2b512;
  throw unverified('its signature is in the old format, of the whole file (minisign -l): sign it anew');
}

/** Lines without their ends; an empty one at the end of the file does not count. */
function linesOf(text: string): string[] {
  return text.replace(/\r?\n$/, '').split(/\r?\n/, 10);
}

/** Strictly: Node passes over what is not of the alphabet. */
function fromBase64(text: string | undefined): Buffer | undefined {
  if (text === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length > 200) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function unverified(reason: string): FettleError {
  return new FettleError('artifact_unverified', { data: { reason } });
}
