import { createHash } from 'node:crypto';
import { describeSource } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import { describeForge, type ForgeSource } from '../domain/forge.ts';
import { isChecksumFile, readChecksums, subjectOf } from './checksums.ts';
import type { ForgeDeps } from './forge-api.ts';
import { fetchText } from './forge-files.ts';
import type { ForgeAsset, ForgeRelease } from './forge-releases.ts';

/**
 * What a file of a release must be: the API's own digest, and what files with checksums beside it say. Where both say
 * something they must agree.
 */

/** Files with the checksum of one file alone that are read for a release, at most. */
const MAX_SINGLE = 20;
const MAX_LISTS = 4;

export interface DigestWork {
  readonly signal: AbortSignal;
}

/**
 * The same release with every digest that can be had. Where the API says all of them, nothing is asked.
 *
 * @throws {FettleError} `artifact_mismatch` where two disagree, and those of reading files
 */
export async function withDigests(
  deps: ForgeDeps,
  source: ForgeSource,
  release: ForgeRelease,
  work: DigestWork,
): Promise<ForgeRelease> {
  const lacking = release.assets.filter(({ name, sha256 }) => sha256 === undefined && !isChecksumFile(name));
  if (lacking.length === 0) return release;
  const sums = await readSums(deps, source, release, lacking, work);
  const assets = release.assets.map((asset) => ({ ...asset, sha256: asset.sha256 ?? sums.get(asset.name) }));
  return { ...release, assets };
}

/**
 * What vouches for one file.
 *
 * @returns its sha256; `undefined` where nothing names it
 * @throws {FettleError} as {@link withDigests}
 */
export async function digestOf(
  deps: ForgeDeps,
  source: ForgeSource,
  release: ForgeRelease,
  asset: ForgeAsset,
  work: DigestWork,
): Promise<string | undefined> {
  const said = (await readSums(deps, source, release, [asset], work)).get(asset.name);
  if (said !== undefined && asset.sha256 !== undefined && said !== asset.sha256) {
    throw disagree(source, release, `the API and a file with checksums beside it disagree about ${asset.name}`);
  }
  return asset.sha256 ?? said;
}

/**
 * What a release is known by: an order names it, and a device computes it by itself. A file that is exchanged under the same
 * tag makes it another one. Of files without a digest it is the API's own number, which a new upload changes; their
 * bytes are then vouched for by a signature alone. Hub and agent of different versions must agree: another rule is another format.
 */
export function forgeDigest(source: ForgeSource, release: ForgeRelease): string {
  const { tags: _, ...repository } = source;
  const assets = release.assets
    .map(({ name, sha256, size, id }) => [name, sha256 === undefined ? `#${id}` : sha256, size] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const statement = {
    format: 'fettle-forge/1',
    // Neither distinguishes upper and lower case in names.
    source: describeForge(repository).toLowerCase(),
    tag: release.tag,
    version: release.version,
    assets,
  };
  return `sha256-${createHash('sha256').update(JSON.stringify(statement)).digest('hex')}`;
}

async function readSums(
  deps: ForgeDeps,
  source: ForgeSource,
  release: ForgeRelease,
  wanted: readonly ForgeAsset[],
  { signal }: DigestWork,
): Promise<ReadonlyMap<string, string>> {
  const names = new Set(release.assets.map(({ name }) => name));
  const about = ({ name }: ForgeAsset) => {
    const subject = subjectOf(name);
    return subject !== undefined && names.has(subject) ? subject : undefined;
  };
  const files = release.assets.filter(({ name }) => isChecksumFile(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const lists = files.filter((file) => about(file) === undefined).slice(0, MAX_LISTS);
  const single = files.filter((file) => wanted.some(({ name }) => name === about(file))).slice(0, MAX_SINGLE);
  const all = new Map<string, string>();
  for (const file of [...lists, ...single]) {
    const text = await fetchText(deps, source, release, file, signal);
    const { sums, twice } = readChecksums(text, about(file));
    for (const [name, sum] of sums) {
      const known = all.get(name);
      if (twice.includes(name) || (known !== undefined && known !== sum)) {
        throw disagree(source, release, `files with checksums disagree about ${name} (${file.name})`);
      }
      all.set(name, sum);
    }
  }
  return all;
}

function disagree(source: ForgeSource, { version }: ForgeRelease, reason: string): FettleError {
  return new FettleError('artifact_mismatch', { data: { source: describeSource(source), version, reason } });
}
