import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/domain/id.ts';
import type { Redactor } from '../../src/domain/redact.ts';
import { type ChildResult, runChild, type Spawn } from '../../src/origin/child.ts';
import { npmFlags } from '../../src/origin/npm.ts';
import { npmError, readNpmFailure, withoutQueries } from '../../src/origin/npm-errors.ts';
import { abortError } from './abort.ts';
import { readLock } from './npm-lock.ts';
import { createProgressMeter, type Report } from './progress.ts';
import { sizeOf, watchSize } from './size-watch.ts';
import { endMarked, workMark } from './work-mark.ts';

/** Installs an npm package with what it needs into a slot, by Fettle's own npm, run by the app's Node. */

export interface PackageDeps {
  /** The app's Node: what it installs for is what will run it. ≥ 24.15 or ≥ 22.22.2, as npm wants. */
  readonly node: string;
  readonly npmCli: string;
  readonly cache: string;
  readonly npmrc: string;
  /** From `cleanNpmEnvironment(env, node)`. */
  readonly env: Readonly<Record<string, string>>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly spawn?: Spawn | undefined;
  /** How often npm asks again after a failed request. */
  readonly retries?: number | undefined;
  /** `nice`'s path or name; the default is looked up in PATH. */
  readonly nice?: string | undefined;
  /** Hides what the device knows to be secret in what builds say. */
  readonly redactor?: Redactor | undefined;
}

export interface PackageOptions {
  /** The npm package. */
  readonly name: string;
  readonly version: string;
  /** Integrity that was ordered. */
  readonly digest: string;
  /** Absolute, empty. */
  readonly slot: string;
  /** May install scripts run? */
  readonly scripts: boolean;
  /** Bytes that npm may fetch (compressed, into its cache) and install. */
  readonly maxDownload: number;
  readonly maxUnpacked: number;
  /** Carries the deadline. */
  readonly signal: AbortSignal;
  readonly progress: Report;
}

/** npm is bound by `signal`; this only ends a child whose signal was forgotten. */
const LONGEST_MS = 24 * 60 * 60_000;
const LOOK_EVERY_MS = 300;

/**
 * Two steps: npm resolves the tree into `package-lock.json` (no package is fetched), the lock is compared with the
 * order, and only then `npm ci` fetches exactly that, each package checked against the lock's hash. A kill in between
 * leaves a slot that the next try empties.
 *
 * Progress counts packages (unit `files`) that have arrived in the slot, of those that the lock names for this
 * platform. When it returns or throws, nothing that an install script started is alive.
 *
 * @throws {FettleError} `artifact_mismatch`, `artifact_invalid` (more than the device allows), `install_failed`, `source_unreachable` (retryable), `no_space`,
 *   `deadline_passed`, `cancelled`
 */
export async function installPackage(deps: PackageDeps, options: PackageOptions): Promise<void> {
  const { name, version, slot, signal } = options;
  signal.throwIfAborted();
  const manifest = { name: 'slot', version: '0.0.0', private: true, dependencies: { [name]: version } };
  writeFileSync(join(slot, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await npm(deps, options, ['install', '--package-lock-only', '--lockfile-version=3', '--save-exact']);
  const lockFile = join(slot, 'package-lock.json');
  const platform = { os: process.platform, cpu: process.arch };
  const { folders } = readLock(readFileSync(lockFile, 'utf8'), options, platform);

  const meter = createProgressMeter(deps.clock, options.progress, { unit: 'files', total: folders.length });
  const arrived = new Set<string>();
  const look = () => {
    for (const folder of folders) {
      if (!arrived.has(folder) && existsSync(join(slot, folder, 'package.json'))) arrived.add(folder);
    }
    meter.at(arrived.size);
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  try {
    await npm(deps, options, ['ci']);
  } finally {
    clearInterval(timer);
  }
  // npm ci never writes a lock; this holds it to that.
  readLock(readFileSync(lockFile, 'utf8'), options, platform);
  const installed = join(slot, 'node_modules', name, 'package.json');
  if (!existsSync(installed)) {
    throw new FettleError('install_failed', { data: { package: name, version, reason: 'npm left the package out' } });
  }
  look();
  meter.end(folders.length);
}

async function npm(deps: PackageDeps, options: PackageOptions, command: readonly string[]): Promise<void> {
  const { signal, slot } = options;
  const mark = workMark(slot);
  const tooLarge = (limit: number, key: string) => () =>
    new FettleError('artifact_invalid', {
      data: {
        package: options.name,
        version: options.version,
        reason: `with what it needs it has more than ${Math.floor(limit / 1e6)} MB (${key})`,
      },
    });
  const before = await sizeOf([deps.cache]);
  const watches = [
    watchSize({
      folders: [slot],
      maxBytes: options.maxUnpacked,
      tooLarge: tooLarge(options.maxUnpacked, 'maxUnpacked'),
    }),
    watchSize({
      folders: [deps.cache],
      maxBytes: before + options.maxDownload,
      tooLarge: tooLarge(options.maxDownload, 'maxDownload'),
    }),
  ];
  const args = [
    ...['-n', '10', deps.node, deps.npmCli, ...command],
    ...npmFlags(deps, options.slot),
    // npm 12 runs no scripts by default either; allowing them means all of this app's tree.
    ...(options.scripts ? ['--dangerously-allow-all-scripts'] : ['--ignore-scripts']),
    ...['--omit=dev', '--install-links', '--json', '--loglevel=error'],
    // 1, 2 and 4 s: longer trouble is for the next try of the update.
    ...[`--fetch-retries=${deps.retries ?? 3}`, '--fetch-retry-factor=2', '--fetch-retry-mintimeout=1000'],
  ];
  let result: ChildResult;
  try {
    result = await runChild({
      command: deps.nice ?? 'nice',
      args,
      cwd: slot,
      env: { ...deps.env, FETTLE_START: mark },
      signal: AbortSignal.any([signal, ...watches.map((watch) => watch.signal)]),
      deadlineMs: LONGEST_MS,
      maxOutput: 5_000_000,
      endStrays: () => endMarked(mark),
      spawn: deps.spawn,
    });
  } catch (error) {
    throw toFettleError(error, 'install_failed', { package: options.name, version: options.version });
  } finally {
    await Promise.allSettled(watches.map((watch) => watch.end()));
  }
  if (signal.aborted) throw abortError(signal);
  for (const watch of watches) watch.signal.throwIfAborted();
  if (result.code !== 0 || result.stopped) throw failure(options, result);
}

function failure(options: PackageOptions, result: ChildResult): FettleError {
  const { code, summary } = readNpmFailure(result);
  const about = { package: options.name, version: options.version };
  const reason = withoutQueries(summary).split('\n')[0]?.slice(0, 300) || 'npm failed without saying why';
  switch (code) {
    case 'EINTEGRITY':
      return new FettleError('artifact_mismatch', {
        data: { ...about, reason: 'the registry sent other bytes for a package than it names the hash of' },
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new FettleError('no_space', { data: { ...about, reason }, retryable: true });
    case 'EIO':
    case 'EROFS':
      return new FettleError('io_failed', { data: { ...about, reason }, retryable: true });
    default:
  }
  const error = npmError(`npm ${options.name}`, result, LONGEST_MS);
  if (error.code === 'source_unreachable') return error;
  const lines = code === '' && summary === '' ? lastLines(result.stderr) : undefined;
  return new FettleError('install_failed', { data: { ...about, npm: code || undefined, reason: lines ?? reason } });
}

function lastLines(text: string): string {
  return withoutQueries(text.trim().split('\n').slice(-3).join(' ')).slice(0, 300) || 'npm ended without a word';
}
