import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { AgentConfig } from '../config/agent-schema.ts';
import { FettleError } from '../src/domain/errors.ts';
import { writeDurably } from '../src/files/durable.ts';
import { readPublicKey, readSignature, verifyMinisign } from '../src/origin/minisign.ts';
import { isFor, PolicyDocument } from '../src/protocol/policy-document.ts';

/** The device's file from afar: a document that the key of the present file has signed, and nothing else. */

export interface RemotePolicyDeps {
  readonly config: Pick<AgentConfig, 'apps' | 'policyKey'>;
  /** The device's own agent.yaml; `undefined` where its file is one that a hub shares, which nothing may replace. */
  readonly file: string | undefined;
  /** What was taken last is kept here. */
  readonly seenFile: string;
  readonly device: { readonly id: string; readonly name: string };
  readonly isInstalled: (app: string) => boolean;
  /** @throws with a reason, where the text is no right agent.yaml */
  readonly parse: (text: string, file: string) => AgentConfig;
  /** It is right, and about to be put in place. What this throws keeps it from that. */
  readonly onTaken?: ((number: number) => void) | undefined;
}

/** The highest number that was taken, and of which document. `applied`: the file is in place. */
const Seen = z.object({ number: z.number(), digest: z.string(), applied: z.boolean() });

/**
 * Puts a policy in the place of agent.yaml, durably; the file of before stays beside it as `agent.yaml.before`. May be
 * cut off anywhere, and called again with the same.
 *
 * @param now the later of what the device's clock and the hub say: neither alone may bring back what has expired
 * @returns its number, and whether the file is another than before
 * @throws {FettleError} `capability_denied` · `policy_refused {reason}`; nothing is changed then
 */
export function applyPolicy(
  deps: RemotePolicyDeps,
  given: { readonly document: string; readonly signature: string },
  now: number,
): { readonly number: number; readonly changed: boolean } {
  const { file } = deps;
  if (deps.config.policyKey === undefined) {
    throw denied('a policy from afar, because the file names no policyKey');
  }
  if (file === undefined) throw denied('a policy from afar in the place of a file that a hub shares');
  const about = check(deps, given);
  const digest = createHash('sha256').update(given.document).digest('hex');
  const seen = readSeen(deps.seenFile);
  const again = seen !== undefined && seen.number === about.number && seen.digest === digest;
  // Who has changed the file by hand since is not overruled by what was taken before.
  if (again && seen.applied) return { number: about.number, changed: false };
  if (seen !== undefined && !again && about.number <= seen.number) {
    throw refused(`its number is ${about.number}, and this device has seen ${seen.number}`);
  }
  if (now > Date.parse(about.expires)) throw refused(`it expired at ${about.expires}`);
  checkFile(deps, about, file);
  const note = (applied: boolean) =>
    writeDurably(deps.seenFile, `${JSON.stringify({ number: about.number, digest, applied })}\n`, 0o600);
  deps.onTaken?.(about.number);
  const before = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  note(false);
  // Cut off in between, the copy is of what this very document put there, and says nothing of before.
  if (!before.equals(Buffer.from(about.file))) writeDurably(`${file}.before`, before, 0o600);
  writeDurably(file, about.file, 0o600);
  note(true);
  return { number: about.number, changed: true };
}

function check(
  { config, device }: RemotePolicyDeps,
  { document, signature }: { readonly document: string; readonly signature: string },
): PolicyDocument {
  try {
    const keys = [readPublicKey(config.policyKey ?? '')];
    verifyMinisign({ message: Buffer.from(document, 'utf8'), signature: readSignature(signature), keys });
  } catch (error) {
    const reason =
      error instanceof FettleError ? String(error.data.reason ?? error.code) : 'its signature is not right';
    throw refused(reason, error);
  }
  let about: PolicyDocument;
  try {
    about = PolicyDocument.parse(JSON.parse(document));
  } catch (error) {
    throw refused('it is no policy that this version understands', error);
  }
  if (!isFor(about, device)) throw refused(`it is not for this device (${device.name}, ${device.id})`);
  return about;
}

function checkFile({ config, isInstalled, parse }: RemotePolicyDeps, about: PolicyDocument, file: string): void {
  let next: AgentConfig;
  try {
    next = parse(about.file, file);
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw refused(`its file is not right: ${first.slice(0, 200)}`, error);
  }
  // Whoever holds the key could give it away by a slip, and nothing from afar would ever mend it.
  const said = about.policyKey === undefined ? config.policyKey : (about.policyKey ?? undefined);
  if (next.policyKey !== said) {
    throw refused(
      'its file names another policyKey than before (or none), and the document does not say that it is meant',
    );
  }
  const lost = Object.keys(config.apps).filter(
    (app) => isInstalled(app) && !Object.hasOwn(next.apps, app) && !about.letGo?.includes(app),
  );
  if (lost.length > 0) throw refused(`its file does not name ${lost.join(', ')}, and does not let go of it on purpose`);
}

function denied(what: string): FettleError {
  return new FettleError('capability_denied', { data: { app: 'agent', what } });
}

function refused(reason: string, cause?: unknown): FettleError {
  return new FettleError('policy_refused', { data: { app: 'agent', reason }, cause });
}

/** @throws {FettleError} `policy_refused` where it is there and can't be read: then nobody knows how high it was */
function readSeen(file: string): z.infer<typeof Seen> | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return Seen.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw refused(`what was taken before can't be read (${file})`, error);
  }
}
