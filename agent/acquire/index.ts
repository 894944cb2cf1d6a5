import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type AppConfig, signerName } from '../../config/agent-schema.ts';
import { describeSource, releasedAs, type Source } from '../../src/domain/app.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { type ForgeSource, isForge } from '../../src/domain/forge.ts';
import type { Clock } from '../../src/domain/id.ts';
import { type Artifact, artifactFor, type Release } from '../../src/domain/release.ts';
import { trustOf } from '../../src/domain/trust.ts';
import type { Trusted } from '../../src/domain/trust-text.ts';
import { feedAddress, readFeed } from '../../src/origin/feed.ts';
import { archiveEnding } from '../../src/origin/feed-format.ts';
import { readFolder } from '../../src/origin/folder.ts';
import type { GitOrigin } from '../../src/origin/git.ts';
import type { RotationStore } from '../../src/origin/key-rotation.ts';
import type { NpmOrigin } from '../../src/origin/npm.ts';
import { checkNumber, type SeenNumbers, signedNumberKeys } from '../../src/origin/seen.ts';
import { sourceKey } from '../../src/origin/source-key.ts';
import type { OrderedRelease, Progress } from '../../src/protocol/messages.ts';
import { isWhereverSigned, sourceOf } from '../source-of.ts';
import { abortError } from './abort.ts';
import { unpack } from './archive.ts';
import { build } from './build.ts';
import { copyArtifact } from './copy.ts';
import { download } from './download.ts';
import { takeExecutable } from './executable.ts';
import type { Chosen } from './forge.ts';
import { checkout, findCommits } from './git.ts';
import { installPackage, type PackageDeps } from './package.ts';
import { removeTree } from './remove-tree.ts';
import { createTurns } from './turns.ts';
import { endMarked, workMark } from './work-mark.ts';

/** Gets an ordered release from where this device's own file says that it comes from, into an empty slot. */

export interface AcquireContext {
  readonly app: string;
  readonly config: AppConfig;
  readonly release: OrderedRelease;
  /** Absolute; what is in it is removed first. */
  readonly slot: string;
  /**
   * The release's one executable goes here, durably (absolute; what there is of its download is gone on with). The slot's
   * folder then stays as it is.
   */
  readonly executable?: string | undefined;
  /** Absolute; partial downloads live here and outlive a restart. The caller empties it after the update. */
  readonly tmp: string;
  /** Absolute; folders that builds share are kept in it. */
  readonly cache: string;
  /** Absolute; the file that a build's output goes to. */
  readonly buildLog: string;
  /** Carries the deadline; aborted also to cancel. */
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

export interface Acquirer {
  /**
   * Reads the origin itself and compares: the hub's word is not taken for what a release is.
   *
   * @returns the release with this device's artifact only; `size` is what will be downloaded (npm: what the package
   *   itself has unpacked, where the registry says so)
   * @throws {FettleError} `artifact_unverified` (other digest, no such version), `artifact_wrong_platform` {for, here},
   *   `artifact_invalid` (larger than the device allows), `no_source`, and those of reading a source
   */
  confirm(context: Pick<AcquireContext, 'app' | 'config' | 'release' | 'signal'>): Promise<Release>;
  /**
   * Fills the slot. Not synced and not marked complete: that is the next state's work. May be called again after a
   * crash, with the same folders.
   *
   * @throws {FettleError} those of {@link confirm} (it asks again unless it just did), of downloads, archives, npm, git and builds
   */
  acquire(context: AcquireContext): Promise<void>;
  /** What this device demands of an app's releases, and whose word counts now. `undefined`: it has no source. */
  trust(app: string, config: AppConfig): Promise<Trusted | undefined>;
}

export interface AcquirerDeps {
  /** Reads the registry for {@link Acquirer.confirm}. */
  readonly npm: NpmOrigin;
  /** Reads repositories; its mirrors are the agent's own. */
  readonly git: GitOrigin;
  readonly package: PackageDeps;
  readonly seen: SeenNumbers;
  /** Which keys took over from those of the device's file. */
  readonly rotations: RotationStore;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** `linux-x64` and the like. */
  readonly platform: string;
  readonly stallMs?: number | undefined;
  /** Of the environment. */
  readonly githubToken?: string | undefined;
}

/** What a confirmation was made by. */
function demanded({ source, trust, keys }: AppConfig, release: OrderedRelease): string {
  return JSON.stringify([source, trust, keys, source ? undefined : release.source]);
}

/** @throws {FettleError} `no_source` · `capability_denied` */
function sourceFor(app: string, config: AppConfig, release: OrderedRelease): Source {
  const source = sourceOf(app, config, release);
  if (!source) throw new FettleError('no_source', { data: { app } });
  return source;
}

/** How long a confirmation holds in this process. */
const CONFIRMED_MS = 10 * 60_000;

export function createAcquirer(deps: AcquirerDeps): Acquirer {
  /** What was confirmed last of each app, so that an update asks its origin once. */
  const confirmed = new Map<string, { readonly release: Release; readonly demanded: string; readonly at: number }>();

  const turns = createTurns();

  const confirm: Acquirer['confirm'] = async ({ app, config, release, signal }) => {
    const source = sourceFor(app, config, release);
    if (signal.aborted) throw abortError(signal);
    try {
      const found = isForge(source)
        ? await readForge(source, app, config, release, signal)
        : await readOrigin(source, config, app, release, signal);
      const checked = compare(source, release, found, config.maxDownload);
      confirmed.set(app, { release: checked, demanded: demanded(config, release), at: deps.clock.monotonic() });
      return checked;
    } catch (error) {
      if (signal.aborted) throw abortError(signal);
      throw error;
    }
  };

  /** Of each app, the file that goes with what was confirmed last. */
  const chosen = new Map<string, Chosen>();

  const readForge = async (
    source: ForgeSource,
    app: string,
    config: AppConfig,
    ordered: OrderedRelease,
    signal: AbortSignal,
  ): Promise<Release | undefined> => {
    const { confirmAtForge } = await import('./forge.ts');
    const answer = await confirmAtForge(deps, { app, source, config, ordered, signal });
    if (answer?.chosen) chosen.set(app, answer.chosen);
    return answer?.found;
  };

  const readOrigin = async (
    source: Exclude<Source, ForgeSource>,
    config: AppConfig,
    app: string,
    ordered: OrderedRelease,
    signal: AbortSignal,
  ): Promise<Release | undefined> => {
    if (source.kind === 'npm') {
      const found = await deps.npm.release(source.package, ordered.version, { signal, fresh: true });
      return { ...ordered, digest: found.integrity, size: found.unpackedSize, artifacts: [] };
    }
    if (source.kind === 'git') {
      await findCommits(deps.git, source, config.refs, ordered, signal);
      return { ...ordered, artifacts: [] };
    }
    const answer =
      source.kind === 'folder'
        ? await readFolder(source.path, { app: releasedAs(app), signal })
        : await readFeed(source.url, { app: releasedAs(app), signal, fetch: deps.fetch });
    // Without an ETag there is no such answer.
    if (answer === 'unchanged') return undefined;
    const shown = describeSource(source);
    let numbers: string | readonly string[] = sourceKey(source, releasedAs(app));
    if (trustOf(config) === 'signed') {
      // Before its number is kept: whoever can't sign must not be able to block what comes after.
      const { verifyIndex } = await import('../../src/origin/feed-signature.ts');
      const trusted = await verifyIndex(answer.index, { source: shown, keys: config.keys, rotations: deps.rotations });
      const entry = answer.index.releases.find(({ version }) => version === ordered.version);
      if (entry) trusted.signerOf(entry);
      if (isWhereverSigned(config)) numbers = signedNumberKeys(releasedAs(app), [...config.keys, trusted.key]);
    }
    await checkNumber(deps.seen, numbers, shown, answer.index);
    return answer.offer.releases.find((release) => release.version === ordered.version);
  };

  const compare = (
    source: Source,
    ordered: OrderedRelease,
    found: Release | undefined,
    maxDownload: number,
  ): Release => {
    const unverified = (reason: string) =>
      new FettleError('artifact_unverified', {
        data: { source: describeSource(source), version: ordered.version, reason },
      });
    if (!found) throw unverified('the source itself does not have this version');
    if (found.digest !== ordered.digest) {
      throw unverified('the source itself names another digest for this version than the order does');
    }
    if (source.kind === 'npm' || source.kind === 'git') return found;
    const artifact = artifactFor(found, deps.platform);
    if (!artifact) {
      const platforms = found.artifacts.map((a) => a.platform);
      throw new FettleError('artifact_wrong_platform', {
        data: { version: found.version, for: platforms, here: deps.platform },
      });
    }
    if (artifact.size > maxDownload) {
      const reason = `it has ${Math.ceil(artifact.size / 1e6)} MB; this device allows ${Math.floor(maxDownload / 1e6)} MB (maxDownload)`;
      throw new FettleError('artifact_invalid', { data: { version: found.version, reason } });
    }
    return { ...found, size: artifact.size, artifacts: [artifact] };
  };

  const acquire: Acquirer['acquire'] = async (context) => {
    const { app, config, executable, tmp, signal } = context;
    if (signal.aborted) throw abortError(signal);
    const before = confirmed.get(app);
    const holds =
      before !== undefined &&
      before.release.version === context.release.version &&
      before.release.digest === context.release.digest &&
      before.demanded === demanded(config, context.release) &&
      deps.clock.monotonic() - before.at < CONFIRMED_MS;
    const release = holds ? before.release : await confirm(context);
    const source = sourceFor(app, config, context.release);
    if (executable === undefined) return fill(source, release, context);
    const [artifact] = release.artifacts;
    if (source.kind !== 'npm' && source.kind !== 'git' && artifact && archiveEnding(artifact.path) === undefined) {
      // Only the file itself lies beside what runs.
      const note = join(tmp, `${partOf(artifact, release)}.json`);
      mkdirSync(tmp, { recursive: true, mode: 0o700 });
      await fetchArtifact(source, artifact, context, executable, note);
      return;
    }
    const tree = join(tmp, 'unpacked');
    await fill(source, release, { ...context, slot: tree });
    const root = source.kind === 'npm' ? join(tree, 'node_modules', source.package) : tree;
    await takeExecutable({ root, file: config.file, name: basename(config.binary ?? ''), to: executable, signal });
    removeTree(tree);
  };

  /** The whole release into an empty folder. */
  const fill = async (source: Source, release: Release, context: AcquireContext): Promise<void> => {
    const { app, config, slot, tmp, signal } = context;
    // An agent that was killed leaves its children behind: they must not write into what is made anew.
    endMarked(workMark(slot));
    emptyFolder(slot);
    if (source.kind === 'git') {
      const common = { slot, tmp, signal, progress: context.progress };
      const commit = await checkout(
        { origin: deps.git, clock: deps.clock, turns },
        { ...common, source, release, config },
      );
      if (config.build === undefined) return;
      await build(deps.package, {
        ...common,
        app,
        command: config.build,
        version: release.version,
        commit,
        cache: { folder: context.cache, paths: config.cache },
        log: context.buildLog,
        scripts: config.scripts,
        maxUnpacked: config.maxUnpacked,
      });
      return;
    }
    if (source.kind === 'npm') {
      await installPackage(deps.package, {
        name: source.package,
        version: release.version,
        digest: release.digest,
        slot,
        scripts: config.scripts,
        maxDownload: config.maxDownload,
        maxUnpacked: config.maxUnpacked,
        signal,
        progress: context.progress,
      });
      return;
    }
    const [artifact] = release.artifacts;
    if (!artifact) throw new FettleError('internal', { data: { reason: 'confirmed without an artifact' } });
    mkdirSync(tmp, { recursive: true, mode: 0o700 });
    // The hash comes first: a part of another release is never taken for one of this.
    const file = join(tmp, `${partOf(artifact, release)}-${basename(artifact.path)}`);
    await fetchArtifact(source, artifact, context, file);
    await unpack({ file, slot, maxUnpacked: config.maxUnpacked, signal });
    // Its bytes are in the slot now; the caller's space estimate counts on this.
    rmSync(file, { force: true });
  };

  const fetchArtifact = async (
    source: Exclude<Source, { kind: 'npm' | 'git' }>,
    artifact: Artifact,
    context: AcquireContext,
    to: string,
    note?: string,
  ): Promise<void> => {
    const common = {
      to,
      note,
      sha256: artifact.sha256,
      size: artifact.size,
      maxBytes: context.config.maxDownload,
      signal: context.signal,
      progress: context.progress,
      clock: deps.clock,
    };
    if (source.kind === 'folder') await copyArtifact({ ...common, from: join(source.path, artifact.path) });
    else if (isForge(source)) {
      const { fetchFromForge } = await import('./forge.ts');
      const file = chosen.get(context.app);
      if (!file) throw new FettleError('internal', { data: { reason: 'confirmed without a file' } });
      await fetchFromForge(deps, { source, chosen: file }, { ...common, stallMs: deps.stallMs });
    } else await download({ ...common, url: feedAddress(source.url, artifact.path), stallMs: deps.stallMs });
  };

  const trust: Acquirer['trust'] = async (app, config) => {
    if (!config.source && !isWhereverSigned(config)) return undefined;
    const level = trustOf(config);
    if (config.source && level !== 'signed') return { level, by: [config.source.kind] };
    // A message has room for so many and no more.
    if (config.signedBy) return { level, by: config.signedBy.slice(0, 20).map((one) => signerName(one).slice(0, 80)) };
    const { currentKeys } = await import('../../src/origin/key-rotation.ts');
    const keys = await currentKeys(releasedAs(app), config.keys, [], deps.rotations);
    return { level, by: keys.map(({ text }) => text) };
  };

  return { confirm, acquire, trust };
}

/** The start of the names of what is fetched: of what bytes, or where only a signature says that, of which release. */
function partOf(artifact: Artifact, release: Release): string {
  return (artifact.sha256 || release.digest.replace(/^sha256-/, '')).slice(0, 16);
}

/** Removes what an earlier try left. The folder itself stays. */
function emptyFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const name of readdirSync(folder)) removeTree(join(folder, name));
}
