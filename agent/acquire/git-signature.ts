import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Signer } from '../../config/agent-schema.ts';
import { writeDurably } from '../../src/files/durable.ts';
import type { GitOrigin, GitSource, GitTag } from '../../src/origin/git.ts';

/**
 * Was a commit or a tag signed by somebody whom the device's file names? git itself judges, with nothing of the user's
 * configuration: which keys count is said here alone.
 */

export interface SignatureQuestion {
  readonly origin: GitOrigin;
  readonly source: GitSource;
  readonly signedBy: readonly Signer[];
  readonly commit: string;
  /** The release is this tag: then its own signature counts, because a name is what a tag adds to a commit. */
  readonly tag?: Pick<GitTag, 'tag' | 'object'> | undefined;
  /** For the list of keys; removed again. */
  readonly tmp: string;
  readonly signal: AbortSignal;
}

/** git asks these of nobody else: a program that always says no. */
const NOBODY = '/bin/false';
/** Objects that are read for their signature. Larger ones are no commits that a person made. */
const MAX_OBJECT = 1_000_000;

/** Why it is not; `undefined` where it is. @throws {FettleError} those of {@link GitOrigin.ask} where git can't read the object */
export async function whyNotSigned(question: SignatureQuestion): Promise<string | undefined> {
  const { origin, source, signedBy, commit, tag, signal } = question;
  const what = tag ? `its tag ${tag.tag}` : `its commit ${commit.slice(0, 7)}`;
  if (tag && tag.object === commit)
    return `${what} is not signed: it is only a name, not a tag of its own (git tag -s)`;
  const object = tag ? tag.object : commit;
  const text = await origin.ask(source, ['cat-file', tag ? 'tag' : 'commit', object], {
    signal,
    maxOutput: MAX_OBJECT,
  });
  if (tag) {
    const wrong = tagProblem(text, tag.tag, commit);
    if (wrong !== undefined) return wrong;
  }
  const kind = kindOf(text, tag !== undefined);
  if (kind === undefined) return `${what} is not signed, and signedBy asks for it`;
  if (kind === 'x509') return `${what} is signed with X.509, which is not supported`;
  const keys = signedBy.filter((one) => one.kind === kind);
  if (keys.length === 0) {
    const [is, wanted] = kind === 'ssh' ? ['a key of ssh', 'OpenPGP'] : ['OpenPGP', 'keys of ssh'];
    return `${what} is signed with ${is}, and signedBy names ${wanted} alone`;
  }
  return kind === 'ssh' ? bySsh(question, what, object, keys) : byOpenPgp(question, what, object, keys);
}

async function bySsh(
  question: SignatureQuestion,
  what: string,
  object: string,
  keys: readonly Signer[],
): Promise<string | undefined> {
  const file = join(question.tmp, 'allowed-signers');
  const lines = keys.map((one) => (one.kind === 'ssh' ? one.line : ''));
  writeDurably(file, `${lines.join('\n')}\n`, 0o600);
  try {
    const { good, said } = await verify(question, object, [
      `gpg.ssh.allowedSignersFile=${file}`,
      'gpg.ssh.program=ssh-keygen',
      `gpg.program=${NOBODY}`,
    ]);
    // Git says "good" of a key that nobody allowed as well, and ends with another status: both are asked for.
    if (good && /^Good "git" signature for /m.test(said)) return undefined;
    if (/cannot run ssh-keygen|ssh-keygen: not found|No such file/.test(said))
      return `${what} can't be checked: ssh-keygen is missing (apt install openssh-client)`;
    return `${what} is signed, but by nobody whom signedBy names`;
  } finally {
    rmSync(file, { force: true });
  }
}

async function byOpenPgp(
  question: SignatureQuestion,
  what: string,
  object: string,
  keys: readonly Signer[],
): Promise<string | undefined> {
  const { good, said } = await verify(question, object, ['gpg.program=gpg']);
  const status = said.split('\n').filter((line) => line.startsWith('[GNUPG:] '));
  if (!good && status.length === 0) {
    const missing = /cannot run gpg|not found|No such file/.test(said);
    return `${what} can't be checked: ${missing ? 'gpg is missing (apt install gnupg)' : 'gpg said nothing'}`;
  }
  if (status.some((line) => line.startsWith('[GNUPG:] NO_PUBKEY')))
    return `${what} is signed with an OpenPGP key that this machine's gpg does not have (gpg --import)`;
  const wanted = new Set(keys.map((one) => (one.kind === 'openpgp' ? one.fingerprint : '')));
  // The key itself, and at the end the one that it belongs to.
  const signers = status.flatMap((line) => {
    const fields = line.split(' ');
    return fields[1] === 'VALIDSIG' ? [fields[2] ?? '', fields.at(-1) ?? ''] : [];
  });
  const fresh = status.some((line) => line.startsWith('[GNUPG:] GOODSIG '));
  if (good && fresh && signers.some((one) => wanted.has(one))) return undefined;
  return `${what} is signed, but by nobody whom signedBy names`;
}

async function verify(
  { origin, source, tag, signal }: SignatureQuestion,
  object: string,
  settings: readonly string[],
): Promise<{ readonly good: boolean; readonly said: string }> {
  let said = '';
  const all = [`gpg.x509.program=${NOBODY}`, 'gpg.ssh.revocationFile=', 'gpg.minTrustLevel=undefined', ...settings];
  const args = [...all.flatMap((setting) => ['-c', setting]), tag ? 'verify-tag' : 'verify-commit', '--raw', object];
  const hear = (text: string) => {
    said = (said + text).slice(0, 64_000);
  };
  try {
    await origin.ask(source, args, { signal, onError: hear });
    return { good: true, said };
  } catch (error) {
    if (signal.aborted) throw error;
    return { good: false, said };
  }
}

/** A tag object may be put under another name, or around another commit, by whoever may push: what is signed says both. */
function tagProblem(text: string, name: string, commit: string): string | undefined {
  const head = text.split('\n\n')[0] ?? '';
  const field = (key: string) => new RegExp(`^${key} (.*)$`, 'm').exec(head)?.[1];
  if (field('tag') !== name) return `its tag ${name} was signed under another name (${field('tag') ?? 'none'})`;
  if (field('type') !== 'commit' || field('object') !== commit) return `its tag ${name} is not one of that commit`;
  return undefined;
}

/** What an object is signed with. Of a commit it is a header, of a tag it stands at the end. */
function kindOf(text: string, tag: boolean): 'ssh' | 'openpgp' | 'x509' | undefined {
  const head = text.split('\n\n')[0] ?? '';
  const where = tag ? text : (/^gpgsig(?:-sha256)? (.*(?:\n .*)*)$/m.exec(head)?.[1] ?? '');
  if (where.includes('-----BEGIN SSH SIGNATURE-----')) return 'ssh';
  if (/-----BEGIN PGP (SIGNATURE|MESSAGE)-----/.test(where)) return 'openpgp';
  return where.includes('-----BEGIN SIGNED MESSAGE-----') ? 'x509' : undefined;
}
