import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { FettleError, systemCodeOf } from '../../domain/errors.ts';
import { writeDurably } from '../../files/durable.ts';
import { readSignature, type SignedMessage, verifyMinisign } from '../../origin/minisign.ts';
import { type KeyDeps, openPublicKey, openSecretKey } from './key-files.ts';

/** `fettle sign` and `fettle verify`: minisign's signatures of any file, in `FILE.minisig`. */

/** Legacy signatures are of the whole file, which is then read into memory. Bytes. */
const MAX_LEGACY = 1_000_000_000;

export interface SignOptions extends KeyDeps {
  readonly key: string;
  readonly files: readonly string[];
  /** Trusted comment; `{file}` and the like are not replaced. */
  readonly comment?: string | undefined;
  readonly now: number;
  readonly print: (line: string) => void;
}

/** @throws {FettleError} `key_unusable`, `bad_arguments` (a file that can't be read) */
export async function signFiles(options: SignOptions): Promise<void> {
  const key = await openSecretKey(options.key, options);
  for (const file of options.files) {
    const message = { blake2b512: await prehashFile(file) };
    const comment = options.comment ?? `timestamp:${Math.floor(options.now / 1_000)}\tfile:${basename(file)}\thashed`;
    writeDurably(`${file}.minisig`, key.sign(message, comment), 0o644);
    options.print(`${file}.minisig  signed with key ${key.keyId}: ${comment.replaceAll('\t', ' ')}`);
  }
}

export interface VerifyOptions {
  /** Files or `RWQ…`. */
  readonly keys: readonly string[];
  readonly files: readonly string[];
  readonly print: (line: string) => void;
}

/** A line each. @returns whether all are what one of the keys signed */
export async function verifyFiles({ keys, files, print }: VerifyOptions): Promise<boolean> {
  const trusted = keys.map(openPublicKey);
  let all = true;
  for (const file of files) {
    try {
      const signature = readSignature(readText(`${file}.minisig`));
      const message: SignedMessage = signature.prehashed
        ? { blake2b512: await prehashFile(file) }
        : readFileSync(sized(file));
      const { keyId, trustedComment } = verifyMinisign({ message, signature, keys: trusted });
      print(`${file}: good, signed with key ${keyId}: ${trustedComment.replaceAll('\t', ' ')}`);
    } catch (error) {
      if (!(error instanceof FettleError)) throw error;
      all = false;
      print(`${file}: NOT good: ${String(error.data.reason)}`);
    }
  }
  return all;
}

/** BLAKE2b-512 of a file of any size. */
async function prehashFile(file: string): Promise<Buffer> {
  const hash = createHash('blake2b512');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (error) {
    throw unreadable(file, error);
  }
  return hash.digest();
}

function sized(file: string): string {
  let size: number;
  try {
    ({ size } = statSync(file));
  } catch (error) {
    throw unreadable(file, error);
  }
  if (size > MAX_LEGACY) {
    const reason = 'its signature is in the old format (minisign -l), and it is too large for that: sign it anew';
    throw new FettleError('artifact_unverified', { data: { reason } });
  }
  return file;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(0, 20_000);
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): FettleError {
  const code = systemCodeOf(error);
  const why = code === 'EISDIR' ? 'is a folder' : `can't be read (${code ?? 'unknown'})`;
  const reason = code === 'ENOENT' ? `there is no file ${file}` : `${file} ${why}`;
  return new FettleError('bad_arguments', { data: { reason }, cause: error });
}
