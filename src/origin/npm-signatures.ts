import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import { writeDurably } from '../files/durable.ts';

/**
 * Signatures of an npm registry: it signs `NAME@VERSION:INTEGRITY` of each package (ECDSA P-256), so that a mirror or cache
 * can't serve another (docs.npmjs.com, "About registry signatures"). Keys are at `/-/npm/v1/keys` of the registry. They are
 * kept: one that has shown its keys once is held to them.
 */

/** As `dist.signatures` of a package has it. */
export interface DistSignature {
  readonly keyid: string;
  /** DER, base64. */
  readonly sig: string;
}

const RegistryKey = z.object({
  keyid: z.string(),
  /** SPKI, DER, base64. */
  key: z.string(),
  /** ISO 8601; what was published later is not signed with it. */
  expires: z.string().nullish(),
});
type RegistryKey = z.infer<typeof RegistryKey>;
const Keys = z.object({ keys: z.array(RegistryKey).max(100) });
const Kept = z.record(z.string(), z.object({ keys: z.array(RegistryKey), at: z.number() }));

/** What a registry says of one version. */
export interface SignedPackage {
  readonly name: string;
  readonly version: string;
  /** As the registry writes it. */
  readonly integrity: string;
  readonly signatures: readonly DistSignature[];
  /** ISO 8601, where the registry says so. */
  readonly publishedAt?: string | undefined;
}

export interface NpmSignatures {
  /**
   * @param registry its address
   * @returns false: this registry has no keys, so nothing could be checked
   * @throws {FettleError} `artifact_unverified`: a bad signature, or none where there should be one
   */
  check(registry: string, found: SignedPackage, signal: AbortSignal): Promise<boolean>;
}

const ASK_MS = 15_000;
const MAX_BYTES = 200_000;
/** Keys change once in years; they are asked for again after a day, and for a key that is not known. */
const FRESH_MS = 24 * 60 * 60_000;

export function createNpmSignatures(deps: {
  /** Keys that were seen are kept in it. */
  readonly file: string;
  readonly fetch: typeof fetch;
  readonly now: () => number;
}): NpmSignatures {
  const kept = (): z.infer<typeof Kept> => {
    try {
      return Kept.parse(JSON.parse(readFileSync(deps.file, 'utf8')));
    } catch {
      // A cache: the registry is asked again.
      return {};
    }
  };

  const keysOf = async (registry: string, ids: readonly string[], signal: AbortSignal) => {
    const before = kept()[registry];
    const knows = before !== undefined && ids.some((id) => before.keys.some(({ keyid }) => keyid === id));
    if (knows && deps.now() - before.at < FRESH_MS) return before.keys;
    if (before === undefined && ids.length === 0) return [];
    const asked = await ask(registry, signal);
    if (asked.length === 0) return before?.keys ?? [];
    writeDurably(deps.file, `${JSON.stringify({ ...kept(), [registry]: { keys: asked, at: deps.now() } })}\n`);
    return asked;
  };

  /** None where it has none, or can't be asked: what the packages are was read from it by npm, all the same. */
  const ask = async (registry: string, signal: AbortSignal): Promise<readonly RegistryKey[]> => {
    try {
      const url = new URL('-/npm/v1/keys', registry.endsWith('/') ? registry : `${registry}/`);
      const limit = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
      const response = await deps.fetch(url, { headers: { accept: 'application/json' }, signal: limit });
      const text = response.ok ? await response.text() : '';
      if (!response.ok) await response.body?.cancel();
      return text === '' || text.length > MAX_BYTES ? [] : Keys.parse(JSON.parse(text)).keys;
    } catch (error) {
      if (signal.aborted) throw error;
      return [];
    }
  };

  return {
    check: async (registry, found, signal) => {
      const keys = await keysOf(
        registry,
        found.signatures.map(({ keyid }) => keyid),
        signal,
      );
      if (keys.length === 0) return false;
      const problem = problemOf(found, keys);
      if (problem === undefined) return true;
      const { name, version } = found;
      const reason = `${name}@${version}: ${problem}`;
      throw new FettleError('artifact_unverified', { data: { source: `npm ${name}`, version, reason } });
    },
  };
}

/** `undefined`: one of the keys signed it. */
function problemOf(found: SignedPackage, keys: readonly RegistryKey[]): string | undefined {
  if (found.signatures.length === 0) return 'its registry signs packages, but this one has no signature';
  const message = Buffer.from(`${found.name}@${found.version}:${found.integrity}`);
  let problem = 'it is signed with a key that its registry does not have';
  for (const { keyid, sig } of found.signatures) {
    const key = keys.find((one) => one.keyid === keyid);
    if (!key) continue;
    if (!isSigned(message, sig, key.key)) return `its registry's signature (key ${keyid}) does not fit`;
    const late = Date.parse(found.publishedAt ?? '') > Date.parse(key.expires ?? '');
    if (!late) return undefined;
    problem = `it is signed with a key (${keyid}) that had expired when it was published`;
  }
  return problem;
}

function isSigned(message: Buffer, signature: string, key: string): boolean {
  try {
    const publicKey = createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
    return verify('sha256', message, publicKey, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}
