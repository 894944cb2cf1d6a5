import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { HomeLayout } from '../../config/home.ts';
import type { HubConfig } from '../../config/hub-schema.ts';
import { FettleError } from '../domain/errors.ts';
import { makeFolder, writeDurably } from '../files/durable.ts';
import { runChild } from '../origin/child.ts';

/** The certificate that the hub shows to devices. */
export interface HubCertificate {
  readonly cert: string;
  readonly key: string;
  /** `sha256/BASE64` of its SPKI. */
  readonly pin: string;
  /** No authority vouches for it: devices must know it by its pin. */
  readonly selfSigned: boolean;
  /** Names of hosts that it is for. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly validTo: number;
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const OPENSSL_MS = 20_000;
const TEN_YEARS = '3650';
/** Of our own, so that it does not matter what the machine's says. A device knows it by its key, not by a name. */
const OPENSSL_CONFIG = `[req]
distinguished_name = dn
x509_extensions = ext
prompt = no
[dn]
CN = Fettle hub
[ext]
subjectAltName = DNS:fettle-hub
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
`;

/** Where its files are. @param configFile relative names are beside it */
export function certificateFiles(
  tls: NonNullable<HubConfig['hub']['tls']>,
  layout: HomeLayout,
  configFile: string,
): CertificateFiles {
  if (tls === 'self-signed') {
    const folder = join(layout.hub.dir, 'tls');
    return { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  }
  const folder = dirname(resolve(configFile));
  return { cert: resolve(folder, tls.cert), key: resolve(folder, tls.key) };
}

/**
 * Makes the hub's own certificate where there is none: ECDSA P-256, for ten years. The key is made here and never leaves
 * its file (mode 0600); devices are given its fingerprint, so a certificate that is made anew with it is the same to them.
 * @throws {FettleError} `tls_unusable`
 */
export async function makeCertificate(files: CertificateFiles, path: string): Promise<void> {
  makeFolder(dirname(files.cert));
  if (!existsSync(files.key)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    writeDurably(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600);
  }
  if (existsSync(files.cert)) return;
  const config = join(dirname(files.cert), 'openssl.cnf');
  writeDurably(config, OPENSSL_CONFIG);
  const failed = (reason: string) => new FettleError('tls_unusable', { data: { file: files.cert, reason } });
  try {
    const request = ['req', '-x509', '-new', '-sha256', '-days', TEN_YEARS, '-config', config, '-key', files.key];
    const { code, stdout, stderr } = await runChild({
      command: 'openssl',
      args: request,
      cwd: dirname(files.cert),
      env: { PATH: path },
      signal: AbortSignal.timeout(OPENSSL_MS),
      deadlineMs: OPENSSL_MS,
      maxOutput: 100_000,
    });
    if (code !== 0) throw failed(`openssl: ${stderr.trim().slice(-300)}`);
    writeDurably(files.cert, stdout, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw failed('making one needs the program openssl, which is not installed');
  } finally {
    rmSync(config, { force: true });
  }
}

/**
 * Reads a certificate with its key.
 * @throws {FettleError} `tls_unusable {file, reason}`: not there, unreadable, not one, or not of that key
 */
export function readCertificate(files: CertificateFiles): HubCertificate {
  const unusable = (file: string, reason: string, cause?: unknown) =>
    new FettleError('tls_unusable', { data: { file, reason }, cause });
  const read = <T>(file: string, what: string, parse: (text: string) => T): { text: string; parsed: T } => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw unusable(file, code === 'ENOENT' ? 'it is not there' : `it can't be read: ${code}`, error);
    }
    try {
      return { text, parsed: parse(text) };
    } catch (error) {
      // The system's own words may quote what is in it.
      throw unusable(file, `it has no ${what} in PEM form`, error);
    }
  };
  const cert = read(files.cert, 'certificate', (text) => new X509Certificate(text));
  const key = read(files.key, 'private key without a passphrase', (text) => createPrivateKey(text));
  const known = cert.parsed;
  if (!known.checkPrivateKey(key.parsed)) throw unusable(files.cert, `its key is not the one in ${files.key}`);
  return {
    cert: cert.text,
    key: key.text,
    pin: pinOf(known),
    selfSigned: known.issuer === known.subject && known.verify(known.publicKey),
    names: (known.subjectAltName ?? '').split(', ').flatMap((name) => /^DNS:([^*\s]+)$/.exec(name)?.[1] ?? []),
    validTo: Date.parse(known.validTo),
  };
}

/** `sha256/BASE64` of the public key's SPKI: it stays the same when a certificate is renewed with its key. */
export function pinOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(spki).digest('base64')}`;
}

/** Tells whether the files are others than before; they may be in the middle of being replaced. */
export function changeOf({ cert, key }: CertificateFiles): string {
  return [cert, key]
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat ? `${stat.ino} ${stat.mtimeMs} ${stat.size}` : 'none';
    })
    .join(' / ');
}
