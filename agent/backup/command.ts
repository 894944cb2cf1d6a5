import { type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { AppConfig, Command } from '../../config/agent-schema.ts';
import type { AppFolder } from '../../config/home.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { words } from '../restart/command-line.ts';
import { OWN_VARIABLES, runAs, userOf, variablesOf } from '../restart/user.ts';

/** `backup.command` and `backup.restore`: data that is in no file of the app's, such as a database server's. */

export interface CommandOf {
  readonly app: string;
  readonly config: AppConfig;
  readonly folder: AppFolder;
  /** PATH, HOME, LANG, TZ of this machine; the app's `env` comes on top, and nothing of Fettle's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly redact: (text: string) => string;
}

/** The end of what a command says on its standard error. Characters. */
const TOLD = 300;

/**
 * Runs `backup.command`, its output into a new file.
 * @throws {FettleError} `backup_failed` where it ends with anything but 0, or prints nothing; `no_space`
 */
export async function dumpInto(of: CommandOf, command: Command, to: string, signal: AbortSignal): Promise<void> {
  rmSync(to, { force: true });
  const file = openSync(to, 'wx', 0o600);
  try {
    await run(of, 'backup.command', command, ['ignore', file, 'pipe'], signal);
  } finally {
    closeSync(file);
  }
  if (statSync(to).size > 0) return;
  throw new FettleError('backup_failed', { data: { app: of.app, reason: 'backup.command printed nothing' } });
}

/**
 * Runs `backup.restore` with a dump on its standard input. It may run again with the same one after a crash.
 * @throws {FettleError} `backup_failed`
 */
export async function feedFrom(of: CommandOf, command: Command, from: string, signal: AbortSignal): Promise<void> {
  const file = openSync(from, 'r');
  try {
    await run(of, 'backup.restore', command, [file, 'ignore', 'pipe'], signal);
  } finally {
    closeSync(file);
  }
}

async function run(
  of: CommandOf,
  key: string,
  command: Command,
  stdio: SpawnOptions['stdio'],
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { app, config, folder } = of;
  const user = userOf(app, config);
  const cwd = existsSync(folder.current) ? folder.current : folder.dir;
  const path = of.environment.PATH ?? '/usr/local/bin:/usr/bin:/bin';
  const PATH = [join(folder.current, 'node_modules', '.bin'), dirname(process.execPath), path].join(delimiter);
  const own = user ? OWN_VARIABLES : [];
  const basic = Object.fromEntries(Object.entries(of.environment).filter(([name]) => !own.includes(name)));
  const all = { ...basic, ...(user ? variablesOf(user) : {}), PATH, ...config.env, FETTLE_APP: app };
  const { argv, env } = runAs(user, words(command), all);
  const [program = '', ...args] = argv;
  const failed = (reason: string, cause?: unknown) =>
    new FettleError('backup_failed', { data: { app, reason: `${key} ${reason}` }, cause });
  const ended = Promise.withResolvers<{ code: number | null; by: NodeJS.Signals | null }>();
  const child = spawn(program, args, { cwd, env, stdio, detached: true });
  const end = () => killGroup(child.pid);
  signal.addEventListener('abort', end, { once: true });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4_000);
  });
  child.once('error', (error) => ended.reject(toFettleError(error, 'backup_failed', { app, path: program })));
  // What it leaves behind in its group would write on into a file that counts as whole.
  child.once('exit', end);
  child.once('close', (code, by) => ended.resolve({ code, by }));
  try {
    const { code, by } = await ended.promise;
    signal.throwIfAborted();
    if (code === 0) return;
    const last = of.redact(said).trim().split('\n').slice(-3).join(' ').slice(-TOLD);
    throw failed(`ended with ${by ?? `status ${code}`}${last ? `: ${last}` : ''}`);
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
