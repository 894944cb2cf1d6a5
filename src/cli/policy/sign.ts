import { basename, resolve } from 'node:path';
import { parseDevice } from '../../../config/load-device.ts';
import { FettleError } from '../../domain/errors.ts';
import { writeDurably } from '../../files/durable.ts';
import { POLICY_FORMAT, PolicyDocument, type SignedPolicy } from '../../protocol/policy-document.ts';
import { type KeyDeps, openSecretKey } from '../signing/key-files.ts';
import { readGiven } from './given-file.ts';

/** `fettle policy sign`: an agent.yaml as a document that devices take from afar. */

export interface SignPolicy extends KeyDeps {
  /** The agent.yaml. */
  readonly file: string;
  /** The secret key's file. */
  readonly key: string;
  readonly for: readonly string[];
  readonly number: number;
  readonly days: number;
  readonly letGo: readonly string[];
  /** The file's `policyKey` is another than the one that signs (or there is none), and that is meant. */
  readonly newKey: boolean;
  readonly out?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const DAY_MS = 86_400_000;
/** Of an agent.yaml, as the document's schema has it. */
const MOST_TEXT = 100_000;
/** What a message can carry: it is JSON within JSON. */
const MOST_WRITTEN = 230_000;

/**
 * @returns the file that was written
 * @throws {ConfigError} where the agent.yaml is not right · {FettleError} `key_unusable` · `bad_arguments`
 */
export async function signPolicy(
  options: SignPolicy,
): Promise<{ readonly out: string; readonly document: PolicyDocument }> {
  const text = readGiven(options.file);
  // By the rules of such a file, however it is called here.
  const { policyKey } = parseDevice(text, resolve(options.file, '..', 'agent.yaml'));
  const key = await openSecretKey(options.key, options);
  if (policyKey !== key.publicKey.text && !options.newKey) {
    const is = policyKey === undefined ? 'names no policyKey' : `names the policyKey ${policyKey}`;
    const reason = `${basename(options.file)} ${is}, and it would be signed with ${key.publicKey.text}: devices would not take another policy of this key. Give --new-key where that is meant`;
    throw new FettleError('bad_arguments', { data: { reason } });
  }
  const large = () =>
    new FettleError('bad_arguments', { data: { reason: `${basename(options.file)} is too large to be sent` } });
  if (text.length > MOST_TEXT) throw large();
  const document = PolicyDocument.parse({
    format: POLICY_FORMAT,
    for: options.for.includes('all') ? 'all' : options.for,
    number: options.number,
    date: new Date(options.now).toISOString(),
    expires: new Date(options.now + options.days * DAY_MS).toISOString(),
    ...(options.newKey ? { policyKey: policyKey ?? null } : {}),
    ...(options.letGo.length > 0 ? { letGo: options.letGo } : {}),
    file: text,
  });
  const signed = `${JSON.stringify(document)}\n`;
  if (JSON.stringify(JSON.stringify(signed)).length > MOST_WRITTEN) {
    throw large();
  }
  const comment = `fettle policy number=${document.number} expires=${document.expires}`;
  const out = options.out ?? `${options.file}.${document.number}.policy.json`;
  const content: SignedPolicy = {
    format: `${POLICY_FORMAT}-signed`,
    document: signed,
    signature: key.sign(Buffer.from(signed, 'utf8'), comment),
  };
  writeDurably(out, `${JSON.stringify(content, null, 2)}\n`, 0o644);
  return { out, document };
}
