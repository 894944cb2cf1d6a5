import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import type { Redactor } from '../../src/domain/redact.ts';
import { type ChildResult, runChild, type Spawn } from '../../src/origin/child.ts';
import { abortError } from './abort.ts';
import { fillFromCache, saveToCache } from './build-cache.ts';
import { openBuildLog } from './build-log.ts';
import type { Report } from './progress.ts';
import { removeTree } from './remove-tree.ts';
import { watchSize } from './size-watch.ts';
import { endMarked, workMark } from './work-mark.ts';

/** Makes a release of a checkout by the app's own command, beside the version that serves. */

export interface BuildDeps {
  /** The app's Node: first in PATH. */
  readonly node: string;
  /** Fettle's npm: `npm` and `npx` in a build. */
  readonly npmCli: string;
  /** Which registry it asks is taken over; how it signs in there is not. */
  readonly npmrc: string;
  /** PATH, locale, proxies and certificates. */
  readonly env: Readonly<Record<string, string>>;
  readonly spawn?: Spawn | undefined;
  /** Hides what the device knows to be secret. */
  readonly redactor?: Redactor | undefined;
}

export interface BuildOptions {
  readonly app: string;
  readonly command: string;
  readonly version: string;
  readonly commit: string;
  /** The checkout; it is built where it will run, since tools write down where they are. */
  readonly slot: string;
  readonly cache: { readonly folder: string; readonly paths: readonly string[] };
  readonly tmp: string;
  readonly log: string;
  /** Install scripts of npm packages may run. */
  readonly scripts: boolean;
  readonly maxUnpacked: number;
  readonly signal: AbortSignal;
  readonly progress: Report;
}

const LONGEST_MS = 24 * 60 * 60_000;
const TELL_EVERY_MS = 1_000;
/** Threads of the user at once: what stops a build that forks without end. Root is not held by it. */
const MAX_PROCESSES = 16_384;

/**
 * Runs `sh -c COMMAND` in the slot, without input, at the lowest priority, bounded in what it writes, and in its time by the
 * signal. Its environment has no variable of the app. Afterwards nothing that it started is alive.
 *
 * @throws {FettleError} `build_failed {app, reason}` with the last lines · `no_space` · `deadline_passed` · `cancelled`.
 *   The slot is then not usable, the cache as it was.
 */
export async function build(deps: BuildDeps, options: BuildOptions): Promise<void> {
  const { app, slot, tmp, signal, progress } = options;
  const work = join(tmp, 'build');
  const cache = { slot, cache: options.cache.folder, paths: options.cache.paths, signal };
  const mark = workMark(slot);
  removeTree(work);
  const env = prepareWork(deps, options, work, mark);
  const log = openBuildLog(options.log, deps.redactor);
  const failed = (reason: string) =>
    new FettleError('build_failed', { data: { app, version: options.version, reason } });
  const tooLarge = () => failed(`it wrote more than ${Math.floor(options.maxUnpacked / 1e6)} MB (maxUnpacked)`);
  const tell = () =>
    progress({ unit: 'bytes', done: log.bytes(), text: log.lastLine() || options.command.slice(0, 200) });
  tell();
  const timer = setInterval(tell, TELL_EVERY_MS);
  const watch = watchSize({ folders: [slot, work], maxBytes: options.maxUnpacked, tooLarge });
  try {
    await fillFromCache(cache);
    const [command = 'sh', ...args] = [...limiters(deps.env.PATH ?? '', options), 'sh', '-c', options.command];
    let result: ChildResult;
    try {
      result = await runChild({
        command,
        args,
        cwd: slot,
        env,
        signal: AbortSignal.any([signal, watch.signal]),
        deadlineMs: LONGEST_MS,
        maxOutput: 10_000,
        onOutput: (chunk) => log.write(chunk),
        onError: (text) => log.write(Buffer.from(text)),
        endStrays: () => endMarked(mark),
        spawn: deps.spawn,
      });
    } catch (error) {
      throw toFettleError(error, 'build_failed', { app });
    }
    if (signal.aborted) throw abortError(signal);
    await watch.end();
    if (result.code !== 0) {
      const how = result.code === null ? 'it was ended by a signal' : howItEnded(result.code);
      throw failed([how, ...log.lastLines(4)].join(' | ').slice(0, 450));
    }
    // Of the marker's folder nothing is a build's.
    removeTree(join(slot, '.fettle'));
    await saveToCache(cache);
  } catch (error) {
    if (signal.aborted) throw abortError(signal);
    throw error;
  } finally {
    clearInterval(timer);
    await watch.end().catch(() => undefined);
    endMarked(mark);
    log.close();
    removeTree(work);
  }
}

function howItEnded(code: number): string {
  // 128 + SIGXFSZ
  return code === 153 ? 'it wrote a file larger than maxUnpacked' : `it ended with status ${code}`;
}

/** A home, a temporary folder, `npm` and `npx`, and the environment that names them. */
function prepareWork(deps: BuildDeps, options: BuildOptions, work: string, mark: string): Record<string, string> {
  const [home, temporary, bin] = [join(work, 'home'), join(work, 'tmp'), join(work, 'bin')];
  for (const folder of [home, temporary, bin]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  for (const name of ['npm', 'npx']) {
    const cli = join(dirname(deps.npmCli), `${name}-cli.js`);
    rmSync(join(bin, name), { force: true });
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${quote(deps.node)} ${quote(cli)} "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const registry = registryOf(deps.npmrc);
  return {
    ...deps.env,
    PATH: [bin, dirname(deps.node), deps.env.PATH || '/usr/local/bin:/usr/bin:/bin'].join(delimiter),
    HOME: home,
    TMPDIR: temporary,
    CI: '1',
    RELEASE_VERSION: options.version,
    RELEASE_COMMIT: options.commit,
    npm_config_update_notifier: 'false',
    npm_config_fund: 'false',
    npm_config_audit: 'false',
    ...(registry === undefined ? {} : { npm_config_registry: registry }),
    // npm runs install scripts of nobody unless it is told to.
    ...(options.scripts ? { npm_config_dangerously_allow_all_scripts: 'true' } : {}),
    FETTLE_START: mark,
  };
}

function registryOf(npmrc: string): string | undefined {
  const text = existsSync(npmrc) ? readFileSync(npmrc, 'utf8') : '';
  const address = /^registry="?([^"\s]+)"?$/m.exec(text)?.[1];
  if (address === undefined || !URL.canParse(address)) return undefined;
  const { username, password } = new URL(address);
  return username === '' && password === '' ? address : undefined;
}

/**
 * Programs that run the rest at the lowest priority and bound it; those that are not here are left out. Address space is not
 * bounded: V8 and WebAssembly reserve far more than they use.
 */
function limiters(path: string, { maxUnpacked }: BuildOptions): string[] {
  const here = (name: string) =>
    path.split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)));
  return [
    ...(here('nice') ? ['nice', '-n', '19'] : []),
    ...(here('ionice') ? ['ionice', '-c', '3'] : []),
    ...(here('prlimit')
      ? [
          'prlimit',
          `--fsize=${atMost('Max file size', maxUnpacked)}`,
          '--core=0',
          `--nproc=${atMost('Max processes', MAX_PROCESSES)}`,
        ]
      : []),
  ];
}

/** Nobody but root may raise a limit that holds for this process: then it stays. */
function atMost(name: string, wanted: number): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = new RegExp(`^${name} +\\S+ +(\\d+)`, 'm').exec(limits)?.[1];
  return hard === undefined ? wanted : Math.min(wanted, Number(hard));
}
