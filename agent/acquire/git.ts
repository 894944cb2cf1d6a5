import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import { describeSource } from '../../src/domain/app.ts';
import { commitInVersion } from '../../src/domain/commit-version.ts';
import { FettleError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/id.ts';
import { compareVersions, sameVersion } from '../../src/domain/version.ts';
import { type GitOrigin, type GitSource, gitDigest } from '../../src/origin/git.ts';
import type { OrderedRelease } from '../../src/protocol/messages.ts';
import { abortError } from './abort.ts';
import { unpack } from './archive.ts';
import { whyNotSigned } from './git-signature.ts';
import { createProgressMeter, type Report } from './progress.ts';
import { sizeOf, watchSize } from './size-watch.ts';
import type { Turns } from './turns.ts';

/** A commit of a git repository, into a slot. */

export interface GitDeps {
  readonly origin: GitOrigin;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** One at a time in a mirror. */
  readonly turns: Turns;
}

export interface CheckoutOptions {
  readonly app: string;
  /** The version that it takes the place of. */
  readonly running?: string | undefined;
  readonly source: GitSource;
  readonly release: OrderedRelease;
  readonly config: Pick<AppConfig, 'maxDownload' | 'maxUnpacked' | 'refs' | 'signedBy' | 'downgrade'>;
  /** Absolute, empty. */
  readonly slot: string;
  readonly tmp: string;
  readonly signal: AbortSignal;
  readonly progress: Report;
}

/** Bound by the signal; this only ends a child whose signal was forgotten. */
const LONGEST_MS = 24 * 60 * 60_000;
/** What ls-tree may print: 200,000 files. */
const MAX_LIST = 60_000_000;
/** Pointer files of git LFS are smaller. */
const POINTER_BYTES = 1_024;
const POINTER = 'version https://git-lfs.github.com/spec/';

/** A place where the ordered release is, or may be. */
interface Found {
  /** The repository with that reference alone. */
  readonly source: GitSource;
  /** Full name of the reference that leads to it. */
  readonly ref: string;
  /** The commit, where the reference itself says it. */
  readonly commit?: string | undefined;
  readonly tag?: { readonly tag: string; readonly object: string } | undefined;
}

/**
 * Asks the repository for each reference that the device's file allows. @throws {FettleError} `artifact_unverified` where
 * none of them has it · those of {@link GitOrigin.refs}
 */
export async function findCommits(
  origin: GitOrigin,
  source: GitSource,
  refs: AppConfig['refs'],
  release: OrderedRelease,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  if (refs === undefined) return [await findCommit(origin, source, release, signal)];
  const found: Found[] = [];
  const reasons: string[] = [];
  for (const ref of refs) {
    try {
      found.push(await findCommit(origin, { ...source, ref }, release, signal));
    } catch (error) {
      // Of several, one may be gone; that nothing answers is true of all.
      if (!isAbsent(error)) throw error;
      reasons.push(`${ref}: ${String(error.data.reason)}`);
    }
  }
  if (found.length === 0) throw unverified(source, release, reasons.join('; '));
  // What a reference itself leads to needs no history.
  return found.sort((a, b) => Number(a.commit === undefined) - Number(b.commit === undefined));
}

function isAbsent(error: unknown): error is FettleError {
  return error instanceof FettleError && (error.code === 'artifact_unverified' || error.code === 'source_invalid');
}

/**
 * Asks the repository once. A commit that is not the branch's newest is looked for when its history is here, by
 * {@link checkout}: until then nothing is proven of it.
 *
 * @throws {FettleError} `artifact_unverified` · those of {@link GitOrigin.refs}
 */
async function findCommit(
  origin: GitOrigin,
  source: GitSource,
  release: OrderedRelease,
  signal: AbortSignal,
): Promise<Found> {
  const refs = await origin.refs(source, { signal });
  if (refs.kind === 'branch') {
    const short = commitInVersion(release.version);
    if (short === undefined) throw unverified(source, release, 'the source itself does not have this version');
    const ref = `refs/heads/${refs.branch}`;
    const isTip = gitDigest(refs.tip) === release.digest && refs.tip.startsWith(short);
    return { source, ref, commit: isTip ? refs.tip : undefined };
  }
  const tag = refs.tags.find(({ version }) => version === release.version);
  if (!tag) throw unverified(source, release, 'the source itself does not have this version');
  if (gitDigest(tag.commit, tag) !== release.digest) {
    throw unverified(source, release, `its tag ${tag.tag} leads to something else than the order says`);
  }
  return { source, ref: `refs/tags/${tag.tag}`, commit: tag.commit, tag };
}

/**
 * Fetches, proves that the ordered commit is one that the allowed reference leads to, and writes exactly its files: no `.git`,
 * no hook, no filter. What leads out of the slot is refused, as in archives.
 *
 * @returns the commit's id
 * @throws {FettleError} `artifact_unverified`, `artifact_invalid` (submodules, LFS pointers, links, sizes),
 *   `source_unreachable`, `no_space`, `deadline_passed`, `cancelled`
 */
export async function checkout(deps: GitDeps, options: CheckoutOptions): Promise<string> {
  const { release, config, signal } = options;
  try {
    const found = await findCommits(deps.origin, options.source, config.refs, release, signal);
    let refusal: FettleError | undefined;
    for (const one of found) {
      try {
        const of = { ...options, source: one.source };
        const mirror = deps.origin.mirror(one.source);
        const tag = await runningTag(deps, options, one);
        return await deps.turns.take(mirror, signal, () => checkoutNow(deps, of, one, tag));
      } catch (error) {
        // The next of the allowed references may lead to it.
        if (!isAbsent(error)) throw error;
        refusal ??= error;
      }
    }
    throw refusal ?? unverified(options.source, release, 'the source itself does not have this version');
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    throw error;
  }
}

/**
 * A commit's version is newer than that of any tag, however old the commit is: where a tag runs, and a commit is ordered,
 * their dates are compared. @returns the full name of the tag that runs, where the allowed references have it
 */
async function runningTag(
  { origin }: GitDeps,
  { source, running, config, signal }: CheckoutOptions,
  found: Found,
): Promise<string | undefined> {
  if (running === undefined || commitInVersion(running) !== undefined) return undefined;
  if (found.tag || config.downgrade === 'any' || config.refs === undefined) return undefined;
  for (const ref of config.refs) {
    const refs = await origin.refs({ ...source, ref }, { signal }).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
    const tag = refs?.kind === 'tags' ? refs.tags.find(({ version }) => sameVersion(version, running)) : undefined;
    if (tag) return `refs/tags/${tag.tag}`;
  }
  return undefined;
}

async function refuseOlder(deps: GitDeps, options: CheckoutOptions, commit: string, tag: string): Promise<void> {
  const { app, running, source, release, signal } = options;
  const { origin } = deps;
  // A history that is here must not be cut off at the tag.
  const isWhole = !existsSync(join(origin.mirror(source), 'shallow'));
  await fetchBounded(deps, options, tag, isWhole);
  const [of = '', ordered = ''] = await Promise.all(
    [tag, commit].map(async (to) => (await origin.log(source, { to, limit: 1, signal }))[0]?.version ?? ''),
  );
  if (of !== '' && ordered !== '' && compareVersions(ordered, of) < 0)
    throw new FettleError('downgrade_refused', { data: { app, from: running, to: release.version } });
}

async function checkoutNow(
  deps: GitDeps,
  options: CheckoutOptions,
  found: Found,
  tag: string | undefined,
): Promise<string> {
  const { source, release, config, slot, tmp, signal } = options;
  const { origin } = deps;
  mkdirSync(tmp, { recursive: true, mode: 0o700 });
  const tar = join(tmp, 'checkout.tar');
  try {
    const commit = await fetchCommit(deps, options, found);
    if (tag !== undefined) await refuseOlder(deps, options, commit, tag);
    const { signedBy } = config;
    if (signedBy !== undefined) {
      const why = await whyNotSigned({ origin, source, signedBy, commit, tag: found.tag, tmp, signal });
      if (why !== undefined) throw unverified(source, release, why);
    }
    const files = await listFiles(origin, source, commit, config.maxUnpacked, signal);
    rmSync(tar, { force: true });
    const archive = ['-c', 'tar.umask=0022', 'archive', '--format=tar', `--output=${tar}`, commit];
    await origin.ask(source, archive, { signal, deadlineMs: LONGEST_MS });
    await unpack({ file: tar, slot, maxUnpacked: config.maxUnpacked, signal });
    refusePointers(slot, files);
    await origin.tidy(source, { signal });
    return commit;
  } finally {
    rmSync(tar, { force: true });
  }
}

async function fetchCommit(deps: GitDeps, options: CheckoutOptions, found: Found): Promise<string> {
  const { source, release, signal } = options;
  const { origin } = deps;
  await fetchBounded(deps, options, found.ref, found.commit === undefined);
  const one = async (...args: string[]) => (await origin.ask(source, args, { signal })).trim();
  const tip = await one('rev-parse', '--verify', '--end-of-options', `${found.ref}^{commit}`);
  if (found.tag) {
    const object = await one('rev-parse', '--verify', '--end-of-options', found.ref);
    if (tip !== found.commit || object !== found.tag.object) {
      throw unverified(source, release, `its tag ${found.tag.tag} was changed meanwhile`);
    }
    return tip;
  }
  const short = commitInVersion(release.version) ?? '';
  let commit = gitDigest(tip) === release.digest ? tip : undefined;
  if (commit === undefined) {
    // The branch has moved since, or an older commit was wanted: only its history can tell.
    if (found.commit !== undefined) await fetchBounded(deps, options, found.ref, true);
    const candidates = (await one('rev-parse', `--disambiguate=${short}`)).split('\n');
    commit = candidates.find((candidate) => gitDigest(candidate) === release.digest);
    const beside = commit === undefined ? '' : await one('rev-list', '-1', commit, `^${found.ref}`);
    if (commit === undefined || beside !== '') {
      throw unverified(
        source,
        release,
        `${found.ref.slice('refs/heads/'.length)} does not lead to commit ${short} (any more)`,
      );
    }
  }
  const [known] = await origin.log(source, { to: commit, limit: 1, signal });
  if (known?.version !== release.version) {
    throw unverified(source, release, `the ordered commit is version ${known?.version ?? 'unknown'}`);
  }
  return commit;
}

/** Counts what arrives, and ends git where it is more than the device allows. */
async function fetchBounded(deps: GitDeps, options: CheckoutOptions, ref: string, history: boolean): Promise<void> {
  const { source, release, config, signal } = options;
  const mirror = deps.origin.mirror(source);
  const before = await sizeOf([mirror]);
  const meter = createProgressMeter(deps.clock, options.progress, { unit: 'bytes' });
  const tooLarge = () => {
    const reason = `the repository sends more than ${Math.floor(config.maxDownload / 1e6)} MB (maxDownload)`;
    return new FettleError('artifact_invalid', { data: { version: release.version, reason } });
  };
  const watch = watchSize({
    folders: [mirror],
    maxBytes: before + config.maxDownload,
    tooLarge,
    onSize: (bytes) => meter.at(Math.max(0, bytes - before)),
  });
  try {
    const both = AbortSignal.any([signal, watch.signal]);
    await deps.origin.fetchFiles(source, ref, { history, signal: both, deadlineMs: LONGEST_MS });
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    watch.signal.throwIfAborted();
    throw error;
  } finally {
    await watch.end().catch(() => undefined);
  }
  watch.signal.throwIfAborted();
}

interface TreeFile {
  readonly path: string;
  readonly size: number;
}

async function listFiles(
  origin: GitOrigin,
  source: GitSource,
  commit: string,
  maxUnpacked: number,
  signal: AbortSignal,
): Promise<readonly TreeFile[]> {
  const text = await origin.ask(source, ['ls-tree', '-r', '-l', '-z', commit], { signal, maxOutput: MAX_LIST });
  const files: TreeFile[] = [];
  let bytes = 0;
  for (const line of text.split('\0')) {
    const [, type, size, path] = /^\d+ (\w+) [0-9a-f]+ +(\d+|-)\t(.*)$/s.exec(line) ?? [];
    if (path === undefined) continue;
    if (type === 'commit')
      throw refuse('it has submodules, which are not fetched; put what is needed into the repository', path);
    bytes += Number(size);
    if (bytes > maxUnpacked) throw refuse(`its files have more than ${Math.floor(maxUnpacked / 1e6)} MB (maxUnpacked)`);
    files.push({ path, size: Number(size) });
  }
  return files;
}

/** A file of git LFS that nobody fetched is a few lines of text: an app would find out when it is too late. */
function refusePointers(slot: string, files: readonly TreeFile[]): void {
  const uses = files.some(
    ({ path }) => /(^|\/)\.gitattributes$/.test(path) && readFileSync(join(slot, path), 'utf8').includes('filter=lfs'),
  );
  if (!uses) return;
  for (const { path, size } of files) {
    if (size <= POINTER_BYTES && size >= POINTER.length && beginsWith(join(slot, path), POINTER)) {
      throw refuse('it has files in git LFS, which are not fetched', path);
    }
  }
}

function beginsWith(file: string, text: string): boolean {
  const handle = openSync(file, 'r');
  try {
    const start = Buffer.alloc(text.length);
    readSync(handle, start, 0, start.length, 0);
    return start.toString('latin1') === text;
  } finally {
    closeSync(handle);
  }
}

function refuse(reason: string, entry?: string): FettleError {
  return new FettleError('artifact_invalid', { data: { reason, entry: entry?.slice(0, 200) } });
}

function unverified(source: GitSource, release: OrderedRelease, reason: string): FettleError {
  const data = { source: describeSource(source), version: release.version, reason };
  return new FettleError('artifact_unverified', { data });
}
