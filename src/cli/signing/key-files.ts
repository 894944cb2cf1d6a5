import { chmodSync, existsSync, linkSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { FettleError, systemCodeOf } from '../../domain/errors.ts';
import { makeFolder, syncFolder, writeDurably } from '../../files/durable.ts';
import { type MinisignPublicKey, readPublicKey } from '../../origin/minisign.ts';
import { isProtected, type MinisignSecretKey, publicKeyFile, readSecretKey } from '../../origin/minisign-secret.ts';

/** Files of keys that sign releases, as `fettle keygen` and `minisign -G` make them. */

/** Where a password comes from: never from an argument, which everybody on the machine can read. */
export interface PasswordSource {
  readonly file?: string | undefined;
  /** `FETTLE_KEY_PASSWORD`. */
  readonly variable?: string | undefined;
  /** Asks at the terminal; absent where there is none. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
}

export interface KeyDeps {
  readonly password: PasswordSource;
  /** A line that is no result: standard error. */
  readonly warn: (line: string) => void;
}

/** @throws {FettleError} `key_unusable` {file, reason} */
export async function openSecretKey(file: string, { password, warn }: KeyDeps): Promise<MinisignSecretKey> {
  const text = readKeyText(file);
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    warn(`Warning: others can read ${file} (mode ${mode.toString(8)}). chmod 600 ${file}`);
  }
  try {
    return await readSecretKey(text, isProtected(text) ? await readPassword(password, `Password of ${file}: `) : '');
  } catch (error) {
    throw aboutFile(error, file);
  }
}

/**
 * A public key, from a file or as `RWQ…` itself.
 * @throws {FettleError} `key_unusable`
 */
export function openPublicKey(given: string): MinisignPublicKey {
  try {
    return readPublicKey(/^RW[A-Za-z0-9+/]{54}$/.test(given) ? given : readKeyText(given));
  } catch (error) {
    throw aboutFile(error, given);
  }
}

/**
 * Writes K (0600) and K.pub. Neither may be there.
 * @throws {FettleError} `key_unusable` {file, reason}
 */
export async function writeKeyFiles(
  file: string,
  key: MinisignSecretKey,
  password: string | undefined,
): Promise<{ readonly secret: string; readonly public: string }> {
  const publicFile = `${file}.pub`;
  const secretText = await key.toFile(password);
  makeFolder(dirname(file));
  for (const path of [file, publicFile]) {
    if (existsSync(path)) throw taken(path);
  }
  writeNew(file, secretText, 0o600);
  writeNew(publicFile, publicKeyFile(key.publicKey), 0o644);
  syncFolder(dirname(file));
  return { secret: file, public: publicFile };
}

/** @throws {FettleError} `key_unusable` where there is no password to be had */
export async function readPassword(source: PasswordSource, question: string): Promise<string> {
  if (source.file !== undefined) return readKeyText(source.file).replace(/\r?\n$/, '');
  if (source.variable !== undefined) return source.variable;
  if (source.ask) return source.ask(question);
  const reason = 'it is protected by a password, and there is no terminal to ask at';
  const advice = 'Give --password-file FILE, or set FETTLE_KEY_PASSWORD.';
  throw new FettleError('key_unusable', { data: { reason, advice } });
}

function readKeyText(file: string): string {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw unusable(file, 'it is no file');
    if (stat.size > 10_000) throw unusable(file, 'it is too large for a key');
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof FettleError) throw error;
    const code = systemCodeOf(error);
    throw unusable(
      file,
      code === 'ENOENT' ? 'there is no such file' : `it can't be read (${code ?? 'unknown'})`,
      error,
    );
  }
}

/** Whole or not at all, and never over another, whoever else may be writing. */
function writeNew(path: string, text: string, mode: number): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    writeDurably(temporary, text, mode);
    // Whatever the umask says: 0644 is for everybody.
    chmodSync(temporary, mode);
    linkSync(temporary, path);
  } catch (error) {
    const code = systemCodeOf(error);
    throw code === 'EEXIST' ? taken(path, error) : unusable(path, `it can't be written (${code ?? 'unknown'})`, error);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function taken(file: string, cause?: unknown): FettleError {
  const data = { file, reason: 'it is there already', advice: 'A key is never overwritten: choose another name.' };
  return new FettleError('key_unusable', { data, cause });
}

function unusable(file: string, reason: string, cause?: unknown): FettleError {
  return new FettleError('key_unusable', { data: { file, reason }, cause });
}

function aboutFile(error: unknown, file: string): unknown {
  if (!(error instanceof FettleError) || error.data.file !== undefined) return error;
  return new FettleError(error.code, { data: { ...error.data, file }, cause: error });
}
