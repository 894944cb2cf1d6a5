import { describeSource } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import type { ForgeSource } from '../domain/forge.ts';
import { fitsPattern } from '../domain/tag-version.ts';
import { isChecksumFile } from './checksums.ts';
import { archiveEnding } from './feed-format.ts';
import type { ForgeAsset, ForgeRelease } from './forge-releases.ts';

/** Which of a release's files is for this device. Pure. */

export interface Machine {
  /** Node's `process.platform`-`process.arch`. */
  readonly platform: string;
  /** Asked only where a name says for which one it is. */
  readonly libc: () => 'gnu' | 'musl';
  /** Is one executable replaced, so that a file that is no archive will do, too? */
  readonly executable: boolean;
}

const SYSTEMS: Readonly<Record<string, readonly string[]>> = {
  linux: ['linux'],
  darwin: ['darwin', 'macos', 'osx', 'apple', 'mac'],
  win32: ['windows', 'win32', 'win64', 'win'],
  freebsd: ['freebsd'],
  openbsd: ['openbsd'],
  netbsd: ['netbsd'],
  android: ['android'],
  illumos: ['illumos', 'solaris', 'sunos'],
};

const MACHINES: Readonly<Record<string, readonly string[]>> = {
  x64: ['x64', 'amd64', 'x86_64', 'x86-64', '64bit'],
  arm64: ['arm64', 'aarch64', 'armv8'],
  arm: ['arm', 'armv7', 'armv7l', 'armhf', 'armv6', 'armv6l', 'armv6hf', 'armv7hf', 'armv5'],
  ia32: ['ia32', 'i386', 'i586', 'i686', 'x86', '32bit', '386'],
  riscv64: ['riscv64', 'riscv64gc'],
  ppc64: ['ppc64', 'ppc64le', 'powerpc64', 'powerpc64le'],
  s390x: ['s390x'],
  loong64: ['loong64', 'loongarch64'],
  mips: ['mips', 'mipsle', 'mips64', 'mips64le', 'mipsel'],
};

/** What stands beside files, and what Fettle does not install. */
const OTHERS =
  /\.(minisig|sig|asc|gpg|pem|crt|cer|pub|sigstore|sigstore\.json|intoto\.jsonl|att|sha1|sha1sum|sha512|sha512sum|md5|md5sum|b2|txt|md|json|jsonl|ya?ml|xml|csv|html?|pdf|sbom|spdx|cdx|deb|rpm|apk|ipk|dmg|pkg|msi|exe|whl|gem|crate|jar|snap|flatpak|blockmap|zsync|patch|diff|debug|dsym|log|png|jpe?g|svg|1)$/i;
/** Packed in a way that Fettle does not unpack. */
const NOT_UNPACKED = /\.(tar\.xz|txz|tar\.bz2|tbz2?|tar\.lz4?|tar\.lzma|7z|rar|gz|xz|bz2|zst|lz4)$/i;

/** Could this be what is installed on some device? */
export function isArtifact(name: string): boolean {
  if (archiveEnding(name) !== undefined) return true;
  return !isChecksumFile(name) && !OTHERS.test(name) && !NOT_UNPACKED.test(name);
}

/**
 * The file for this device: by the patterns of `assets:`, else by names.
 *
 * @throws {FettleError} `artifact_wrong_platform` · `artifact_invalid` where several would do, or a pattern fits none
 */
export function pickAsset(source: ForgeSource, release: ForgeRelease, machine: Machine): ForgeAsset {
  const { platform } = machine;
  if (source.assets !== undefined) {
    const pattern = source.assets[platform] ?? source.assets.any;
    if (pattern === undefined) throw wrongPlatform(release, Object.keys(source.assets), platform);
    const found = release.assets.filter(
      ({ name }) => fitsPattern(name, pattern) && !/\.minisig$/i.test(name) && !isChecksumFile(name),
    );
    const [only] = found;
    if (found.length === 1 && only) return only;
    if (found.length > 1) throw several(source, release, found, machine, `the pattern ${pattern} fits`);
    throw noneFits(source, release, `none fits the pattern ${pattern} of assets: (${platform})`);
  }
  const usable = release.assets.filter(
    ({ name }) => isArtifact(name) && (machine.executable || archiveEnding(name) !== undefined),
  );
  const known = usable.map((asset) => ({ asset, target: targetOf(asset.name) }));
  const [system = '', arch = ''] = platform.split('-');
  const exact = known.filter(({ target }) => target.system === system && target.arch === arch);
  // Names that say less: a system or a kind of machine alone, or neither.
  const less = known.filter(
    ({ target }) => (target.system ?? system) === system && (target.arch ?? arch) === arch && !exact.length,
  );
  const said = less.filter(({ target }) => target.system !== undefined || target.arch !== undefined);
  const fit = preferLibc(exact.length > 0 ? exact : said.length > 0 ? said : less, machine);
  const [only] = fit;
  if (fit.length === 1 && only) return only.asset;
  if (fit.length > 1) {
    throw several(
      source,
      release,
      fit.map(({ asset }) => asset),
      machine,
      'by their names, all of these are for it:',
    );
  }
  const platforms = known.flatMap(({ target }) =>
    target.system === undefined && target.arch === undefined
      ? []
      : [`${target.system ?? '?'}-${target.arch ?? '?'}${target.libc === undefined ? '' : `-${target.libc}`}`],
  );
  if (platforms.length > 0) throw wrongPlatform(release, [...new Set(platforms)], platform);
  throw noneFits(source, release, why(release, machine));
}

interface Target {
  readonly system?: string | undefined;
  readonly arch?: string | undefined;
  readonly libc?: 'gnu' | 'musl' | undefined;
}

/** What a name says of where the file runs. */
export function targetOf(name: string): Target {
  // `x86_64` and `x86-64` are one word; every other ends at a mark.
  const text = name.toLowerCase().replace(/x86[_-]64/g, 'amd64');
  const words = text.split(/[^a-z0-9]+/);
  const joined = (list: readonly string[]) => words.some((word) => list.includes(word));
  const find = (table: Readonly<Record<string, readonly string[]>>) =>
    Object.keys(table).find((key) => joined(table[key] ?? [])) ?? glued(words, table);
  const libc = words.some((word) => /^musl/.test(word))
    ? 'musl'
    : words.some((w) => /^(gnu|glibc)/.test(w))
      ? 'gnu'
      : undefined;
  return { system: find(SYSTEMS), arch: find(MACHINES), libc };
}

/** `linux64`, `linuxamd64`, `macosarm64`. */
function glued(words: readonly string[], table: Readonly<Record<string, readonly string[]>>): string | undefined {
  const systems = Object.values(SYSTEMS).flat();
  const machines = [...Object.values(MACHINES).flat(), '64', '32'];
  for (const word of words) {
    const system = systems.find((one) => word.startsWith(one) && machines.includes(word.slice(one.length)));
    if (system === undefined) continue;
    const machine = word.slice(system.length);
    const full = machine === '64' ? 'x64' : machine === '32' ? 'ia32' : machine;
    const found = Object.keys(table).find((key) => table[key]?.includes(system) || table[key]?.includes(full));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** On glibc: what is for it, what says nothing, what needs none. On musl: what is for it, what says nothing. */
function preferLibc<T extends { readonly target: Target }>(all: readonly T[], machine: Machine): readonly T[] {
  if (all.every(({ target }) => target.libc === undefined)) return all;
  const order = machine.libc() === 'gnu' ? (['gnu', undefined, 'musl'] as const) : (['musl', undefined] as const);
  for (const libc of order) {
    const these = all.filter(({ target }) => target.libc === libc);
    if (these.length > 0) return these;
  }
  return [];
}

function several(
  source: ForgeSource,
  release: ForgeRelease,
  found: readonly ForgeAsset[],
  { platform }: Machine,
  how: string,
): FettleError {
  const names = found.slice(0, 6).map(({ name }) => name);
  const more = found.length > names.length ? ` and ${found.length - names.length} more` : '';
  const [first = ''] = names;
  const pattern = first.split(release.version).join('*');
  const line = `assets: {${platform}: '${pattern}'}`;
  const reason = `${how} ${names.join(', ')}${more}; say which one in the app's source: {${source.kind}: …, ${line}}`;
  return new FettleError('artifact_invalid', {
    data: { source: describeSource(source), version: release.version, reason },
  });
}

function noneFits(source: ForgeSource, release: ForgeRelease, reason: string): FettleError {
  const names = release.assets.slice(0, 8).map(({ name }) => name);
  const has = names.length === 0 ? 'it has no files' : `it has ${names.join(', ')}`;
  const waiting =
    release.uploading.length > 0 ? `; still being uploaded: ${release.uploading.slice(0, 4).join(', ')}` : '';
  return new FettleError('artifact_invalid', {
    data: { source: describeSource(source), version: release.version, reason: `${reason}; ${has}${waiting}` },
    retryable: release.uploading.length > 0,
  });
}

/** Why no file will do, though none says that it is for something else. */
function why({ assets }: ForgeRelease, { executable }: Machine): string {
  if (assets.some(({ name }) => NOT_UNPACKED.test(name) && archiveEnding(name) === undefined)) {
    return 'its files are packed in a way that is not unpacked here (.tar.gz, .tar.zst, .tar and .zip are)';
  }
  if (!executable && assets.some(({ name }) => isArtifact(name))) {
    return 'it has no archive; one executable alone needs `binary:`';
  }
  return 'it has nothing to install';
}

function wrongPlatform(release: ForgeRelease, platforms: readonly string[], here: string): FettleError {
  return new FettleError('artifact_wrong_platform', { data: { version: release.version, for: platforms, here } });
}
