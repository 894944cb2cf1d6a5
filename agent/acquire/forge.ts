import { createHash } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { basename } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import { describeSource, releasedAs } from '../../src/domain/app.ts';
import { FettleError } from '../../src/domain/errors.ts';
import type { ForgeSource } from '../../src/domain/forge.ts';
import type { Release } from '../../src/domain/release.ts';
import { trustOf } from '../../src/domain/trust.ts';
import type { ForgeDeps } from '../../src/origin/forge-api.ts';
import { pickAsset } from '../../src/origin/forge-assets.ts';
import { digestOf, forgeDigest, withDigests } from '../../src/origin/forge-digests.ts';
import { fetchText, fileAddresses } from '../../src/origin/forge-files.ts';
import { machineLibc } from '../../src/origin/forge-libc.ts';
import { type ForgeAsset, type ForgeRelease, releaseOf } from '../../src/origin/forge-releases.ts';
import { currentKeys, type RotationStore } from '../../src/origin/key-rotation.ts';
import {
  type MinisignPublicKey,
  type MinisignSignature,
  readSignature,
  verifyMinisign,
} from '../../src/origin/minisign.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { abortError } from './abort.ts';
import { type DownloadOptions, download } from './download.ts';

/**
 * A release on GitHub or Gitea: the device reads the API itself, computes what the release is known by, and picks its
 * file. Bytes may come from anywhere; what they must be comes from the API, or from a signature by a key of the device's file.
 */

export interface ForgeAcquireDeps extends ForgeDeps {
  /** Which keys took over from those of the device's file. */
  readonly rotations: RotationStore;
  readonly platform: string;
}

/** What was chosen for an order; {@link fetchFromForge} goes on with it. */
export interface Chosen {
  readonly release: ForgeRelease;
  readonly asset: ForgeAsset;
  readonly signature?: MinisignSignature | undefined;
  /** Whose signature counts. */
  readonly keys: readonly MinisignPublicKey[];
}

/**
 * @returns `undefined` where the source does not have the version. Where its digest is not the ordered one, nothing was
 *   chosen: the caller refuses
 * @throws {FettleError} those of the API; `artifact_wrong_platform`, `artifact_invalid` (which file?), `artifact_mismatch`
 *   (two digests), `artifact_unverified` (no digest, no signature)
 */
export async function confirmAtForge(
  deps: ForgeAcquireDeps,
  of: {
    readonly app: string;
    readonly source: ForgeSource;
    readonly config: AppConfig;
    readonly ordered: OrderedRelease;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly found: Release; readonly chosen?: Chosen | undefined } | undefined> {
  const { source, config, ordered, signal } = of;
  const read = await releaseOf(deps, source, ordered.version, { signal });
  if (!read) return undefined;
  const release = await withDigests(deps, source, read, { signal });
  const found: Release = { ...ordered, digest: forgeDigest(source, release), artifacts: [] };
  if (found.digest !== ordered.digest) return { found };
  const asset = pickAsset(source, release, {
    platform: deps.platform,
    libc: machineLibc,
    executable: config.binary !== undefined,
  });
  const unverified = (reason: string) =>
    new FettleError('artifact_unverified', {
      data: { source: describeSource(source), version: ordered.version, reason },
    });
  const sha256 = await digestOf(deps, source, release, asset, { signal });
  const signature = await signatureOf(deps, of, release, asset, unverified);
  if (sha256 === undefined && signature === undefined) {
    throw unverified(
      `nothing says what ${asset.name} must be: the API has no digest of it; publish SHA256SUMS beside it (sha256sum ${asset.name} > SHA256SUMS), or ${asset.name}.minisig and name its key here (keys)`,
    );
  }
  const keys = signature === undefined ? [] : await currentKeys(releasedAs(of.app), config.keys, [], deps.rotations);
  const artifact = { platform: deps.platform, path: asset.name, sha256: sha256 ?? '', size: asset.size };
  return { found: { ...found, artifacts: [artifact] }, chosen: { release, asset, signature, keys } };
}

/** Is it signed, where this device wants that? What the comment says is believed when the bytes are here. */
async function signatureOf(
  deps: ForgeAcquireDeps,
  of: Parameters<typeof confirmAtForge>[1],
  release: ForgeRelease,
  asset: ForgeAsset,
  unverified: (reason: string) => FettleError,
): Promise<MinisignSignature | undefined> {
  const { keys } = of.config;
  if (trustOf(of.config) !== 'signed') return undefined;
  const name = `${asset.name}.minisig`;
  const comment = `app=${releasedAs(of.app)} version=${release.version} platform=${deps.platform}`;
  const sign = `minisign -S -t '${comment}' -m ${asset.name}`;
  if (keys.length === 0) throw unverified('the device wants it signed (trust: signed), and names no key (keys)');
  const file = release.assets.find((one) => one.name === name);
  if (!file) throw unverified(`there is no ${name} beside it; sign it: ${sign}`);
  const signature = readSignature(await fetchText(deps, of.source, release, file, of.signal, true));
  const said = new Map(signature.trustedComment.split(/\s+/).map((word) => splitOnce(word)));
  const missing = ['app', 'version', 'platform'].filter((key) => !said.has(key));
  if (missing.length > 0) {
    throw unverified(
      `the trusted comment of ${name} does not say ${missing.join(', ')}, so it could be of another release; sign it: ${sign}`,
    );
  }
  const wrong =
    said.get('app') !== releasedAs(of.app) ||
    said.get('version') !== release.version ||
    ![deps.platform, 'any'].includes(said.get('platform') ?? '');
  if (wrong) {
    const it = ['app', 'version', 'platform'].map((key) => `${key}=${said.get(key)}`).join(' ');
    throw unverified(`${name} is for ${it.slice(0, 150)}, not for ${comment}`);
  }
  return signature;
}

/**
 * Downloads what was chosen: mirrors in their order, then the origin.
 *
 * @throws {FettleError} that of the one address; of several, `download_failed` (or `artifact_mismatch` where all sent other
 *   bytes) with each one's reason · `artifact_unverified` where the signature does not fit
 */
export async function fetchFromForge(
  deps: ForgeAcquireDeps,
  of: { readonly source: ForgeSource; readonly chosen: Chosen },
  options: Omit<DownloadOptions, 'url'>,
): Promise<void> {
  const { source, chosen } = of;
  const addresses = fileAddresses(deps, source, chosen.release, chosen.asset);
  const failures: { readonly host: string; readonly error: FettleError }[] = [];
  const prove = async (path: string) => {
    if (chosen.signature) await proveSignature(path, chosen.signature, chosen, options.signal);
  };
  for (const [index, { url, headers }] of addresses.entries()) {
    const last = index === addresses.length - 1;
    try {
      // Where there is another address, this one is not waited for.
      await download({ ...options, url, headers, ...(last ? {} : { tries: 2, breaks: 3 }) });
      await prove(options.to);
      return;
    } catch (error) {
      if (options.signal.aborted) throw abortError(options.signal);
      rmSync(options.to, { force: true });
      if (
        !(error instanceof FettleError) ||
        !['download_failed', 'artifact_mismatch', 'artifact_unverified'].includes(error.code)
      )
        throw error;
      failures.push({ host: url.host, error });
    }
  }
  const [only] = failures;
  if (failures.length === 1 && only) throw only.error;
  const same = failures.every(({ error }) => error.code === only?.error.code);
  const reason = failures.map(({ host, error }) => `${host}: ${String(error.data.reason ?? error.code)}`).join('; ');
  throw new FettleError(same && only ? only.error.code : 'download_failed', {
    data: { file: chosen.asset.name, reason },
    retryable: failures.some(({ error }) => error.retryable),
  });
}

async function proveSignature(
  path: string,
  signature: MinisignSignature,
  { asset, keys }: Chosen,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash('blake2b512');
  for await (const chunk of createReadStream(path, { highWaterMark: 1_000_000, signal })) hash.update(chunk as Buffer);
  try {
    verifyMinisign({ message: { blake2b512: hash.digest() }, signature, keys });
  } catch (error) {
    if (!(error instanceof FettleError)) throw error;
    const reason = `${basename(asset.name)}.minisig: ${String(error.data.reason)}`;
    throw new FettleError(error.code, { data: { file: asset.name, reason }, cause: error });
  }
}

function splitOnce(word: string): readonly [string, string] {
  const at = word.indexOf('=');
  return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
}
