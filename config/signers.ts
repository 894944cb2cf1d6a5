import { z } from 'zod';

/** Whose signature counts on commits and tags of a git repository. */

const KEY =
  /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/=]{40,}( .*)?$/;
const ANYWHERE =
  /(^| )(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/=]{40,}( |$)/;

/** `line`: of an allowed-signers file as ssh-keygen reads it. `fingerprint`: of an OpenPGP key, upper-case hex. */
export type Signer =
  | { readonly kind: 'ssh'; readonly line: string }
  | { readonly kind: 'openpgp'; readonly fingerprint: string };

/** A public key of ssh, a line of an allowed-signers file, or the fingerprint of an OpenPGP key. */
export const signer = z.string().transform((text, context): Signer => {
  const written = text.trim();
  const hex = written.replaceAll(' ', '').replace(/^0x/i, '').toUpperCase();
  if (/^([0-9A-F]{40}|[0-9A-F]{64})$/.test(hex)) return { kind: 'openpgp', fingerprint: hex };
  if (!/[\r\n]/.test(written)) {
    // Keys of ssh sign other things, too: only what was signed as a commit or a tag counts.
    if (KEY.test(written)) return { kind: 'ssh', line: `* namespaces="git" ${written}` };
    if (ANYWHERE.test(written) && !written.startsWith('#')) return { kind: 'ssh', line: written };
  }
  const message =
    'expected a public key (`ssh-ed25519 AAAA…`), a line of an allowed-signers file, or the 40 hex digits of an OpenPGP fingerprint';
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** What people call a signer: the comment of the key, or whom the line says; else the end of the key. */
export function signerName(of: Signer): string {
  if (of.kind === 'openpgp') return `OpenPGP ${of.fingerprint.slice(-16)}`;
  const [, type = '', key = '', comment = ''] = /((?:ssh|ecdsa|sk)-\S+) (\S+) ?(.*)$/.exec(of.line) ?? [];
  const who = of.line.startsWith('* ') ? comment.trim() : (of.line.split(' ')[0] ?? '');
  return who === '' ? `${type} …${key.slice(-12)}` : who;
}
