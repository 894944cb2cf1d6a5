import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { type Log, reasonOf } from './log.ts';
import type { KeepSpec } from './protocol.ts';
import { WRAPPER_NAME } from './scan.ts';

/** An app's start with everything looked up. */
export interface Prepared {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Real path of the slot. */
  readonly slot: string;
}

/**
 * The shell above each app. It outlives the signals that end the app (a trap, not `ignore`: children get the default
 * back) and writes the exit status down for a keeper that is not its parent. Built-in commands only, and no rename:
 * that would cost a process in each stop, and a status without its line's end is taken for none.
 */
const WRAPPER =
  'trap : TERM INT HUP QUIT; _fettle_f=$1; shift; "$@"; _fettle_s=$?; echo "$_fettle_s" >"$_fettle_f"; exit "$_fettle_s"';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Looks everything up that could fail later, where nobody would see why.
 * @param slot real path; what `current` names unless given
 * @throws {FettleError} `start_failed`
 */
export function prepareStart(spec: KeepSpec, inherited: NodeJS.ProcessEnv, slot: string = slotOf(spec)): Prepared {
  const fill = (value: string) => value.replaceAll('{slot}', slot);
  const env: Record<string, string> = {};
  for (const name of spec.inherit ?? []) {
    const value = inherited[name];
    if (value !== undefined) env[name] = value;
  }
  for (const [name, value] of Object.entries(spec.env)) env[name] = fill(value);
  const cwd = fill(spec.cwd);
  const [program = '', ...args] = spec.argv.map(fill);
  if (!statSync(cwd, { throwIfNoEntry: false })?.isDirectory()) throw refused(`no folder ${cwd}`);
  return { program: findProgram(program, cwd, env.PATH ?? DEFAULT_PATH), args, cwd, env, slot };
}

/**
 * Starts the app in a session of its own, output appended to its log. Returns once the shell runs.
 * @throws {FettleError} `start_failed` where the system has no process left or refuses the arguments
 */
export async function spawnApp(
  prepared: Prepared,
  marks: { readonly FETTLE_START?: string; readonly FETTLE_APP: string },
  files: { readonly log: string; readonly exit: string },
  log: Log,
): Promise<ChildProcess & { readonly pid: number }> {
  const output = openLog(files.log, log);
  try {
    const child = spawn('/bin/sh', ['-c', WRAPPER, WRAPPER_NAME, files.exit, prepared.program, ...prepared.args], {
      cwd: prepared.cwd,
      env: { ...prepared.env, ...marks },
      detached: true,
      stdio: ['ignore', output, output],
    });
    if (child.pid === undefined) throw await new Promise((fail) => child.once('error', fail));
    child.unref();
    return child as ChildProcess & { readonly pid: number };
  } catch (error) {
    throw toFettleError(error, 'start_failed');
  } finally {
    if (output !== 'ignore') closeSync(output);
  }
}

function slotOf(spec: KeepSpec): string {
  try {
    return realpathSync(join(spec.dir, 'current'));
  } catch (error) {
    const needed = [...spec.argv, spec.cwd, ...Object.values(spec.env)].some((value) => value.includes('{slot}'));
    if (needed) throw refused(`no slot: ${reasonOf(error)}`);
    return spec.dir;
  }
}

/** As execvp(3) would, but an absolute path: the shell must not take a name for one of its own commands. */
function findProgram(name: string, cwd: string, path: string): string {
  const candidates = name.includes('/')
    ? [resolve(cwd, name)]
    : path.split(':').map((folder) => resolve(cwd, folder, name));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // The next one.
    }
  }
  throw refused(`no program ${name}`);
}

/** An app is started even where its log can't be: a full disk is no reason to be down. */
function openLog(path: string, log: Log): number | 'ignore' {
  try {
    makeFolder(dirname(path));
    return openSync(path, 'a', 0o600);
  } catch (error) {
    log(`ALARM output is lost: ${reasonOf(error)}`);
    return 'ignore';
  }
}

function refused(reason: string): FettleError {
  return new FettleError('start_failed', { data: { reason } });
}
