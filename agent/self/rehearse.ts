import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { type ChildResult, runChild } from '../../src/origin/child.ts';
import { copyDatabase } from '../rehearsal/copy-database.ts';

export interface RehearsalOptions {
  readonly app: 'hub' | 'agent';
  readonly version: string;
  /** Absolute, filled. */
  readonly slot: string;
  readonly home: string;
  /** The configuration in use, where it is not the home's own. */
  readonly config: string | undefined;
  /** The hub's database. A hub rehearses on a copy of it. */
  readonly db: string;
  /** A folder for that copy; removed afterwards. */
  readonly tmp: string;
  /** The hub has a user of its own: what runs a command as that, and the folder that it owns. */
  readonly asHub?: { readonly script: string; readonly dir: string } | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly redact: (text: string) => string;
  readonly signal: AbortSignal;
}

/** What a rehearsal ends with where the configuration is wrong, which is no fault of the candidate (sysexits.h). */
export const EXIT_CONFIG = 78;
/** What it ends with where the database could not be copied (sysexits.h). */
const EXIT_COPY = 74;

const LONGEST_MS = 60_000;
const MAX_OUTPUT = 64_000;

/**
 * Copy and rehearsal in one, for the hub's own user: root opens, makes and removes nothing in a folder whose owner may
 * put a link in its place. `$1` folder, `$2` database, `$3` Node.js, `$4` program, then its arguments.
 */
const AS_HUB = `dir=$1 db=$2 node=$3 program=$4; shift 4
rm -rf "$dir" && mkdir -m 700 "$dir" || exit ${EXIT_COPY}
trap 'rm -rf "$dir"' EXIT
trap 'exit 143' TERM INT
"$node" --disable-warning=ExperimentalWarning -e '
const { backup, DatabaseSync } = require("node:sqlite");
backup(new DatabaseSync(process.argv[1], { readOnly: true }), process.argv[2], { rate: 2 ** 31 - 1 })
  .then(() => process.exit(0))
  .catch((error) => { console.error(error.message); process.exit(1); });
' "$db" "$dir/hub.db" || exit ${EXIT_COPY}
cd "$dir" || exit ${EXIT_COPY}
"$node" "$program" "$@" --db "$dir/hub.db"`;

/**
 * Starts the candidate with `--rehearse`: a hub opens a copy of the database (and migrates that), an agent reads the
 * journal, both read the configuration; nobody is answered and nothing is written. What would not start is found while
 * the old one still serves.
 *
 * @throws {FettleError} `rehearsal_failed` {app, version, reason}; `no_space`
 */
export async function rehearse(options: RehearsalOptions): Promise<void> {
  const { app, version, signal } = options;
  const failed = (reason: string) => new FettleError('rehearsal_failed', { data: { app, version, reason } });
  try {
    const result = await (options.asHub ? runAsHub(options, options.asHub) : runHere(options));
    signal.throwIfAborted();
    if (result.stopped === 'deadline') throw failed(`it took longer than ${LONGEST_MS / 1_000} s`);
    const last = options.redact(result.stderr).trim().split('\n').slice(-3).join(' ').slice(-300);
    if (options.asHub && result.code === EXIT_COPY) throw copyFailed(last);
    if (result.code === EXIT_CONFIG) throw new FettleError('config_invalid', { data: { app, reason: last } });
    if (result.code !== 0) throw failed(last || `it ended with status ${result.code ?? 'unknown'}`);
    const said = result.stdout.trim().split('\n').at(-1) ?? '';
    if (said !== `rehearsed ${version}`) throw failed(`it says “${said.slice(0, 100)}”`);
  } catch (error) {
    signal.throwIfAborted();
    throw toFettleError(error, 'rehearsal_failed', { app, version });
  }
}

async function runHere(options: RehearsalOptions): Promise<ChildResult> {
  const folder = join(options.tmp, 'rehearsal');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const copy = join(folder, 'hub.db');
    if (options.app === 'hub') await copyDatabase(options.db, copy);
    const [command, program] = programOf(options);
    const args = [program, ...argumentsOf(options), ...(options.app === 'hub' ? ['--db', copy] : [])];
    return await runChild({ ...childOf(options), command, args, cwd: folder });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runAsHub(options: RehearsalOptions, { script, dir }: NonNullable<RehearsalOptions['asHub']>) {
  const [node, program] = programOf(options);
  const given = [join(dir, 'rehearsal'), options.db, node, program, ...argumentsOf(options)];
  const args = [script, '/bin/sh', '-c', AS_HUB, 'rehearse', ...given];
  return runChild({ ...childOf(options), command: '/bin/sh', args, cwd: options.home });
}

function programOf({ slot }: RehearsalOptions): [node: string, program: string] {
  return [join(slot, '.fettle', 'node'), join(slot, '.fettle', 'fettle')];
}

function argumentsOf({ app, home, config }: RehearsalOptions): string[] {
  return [app, '--rehearse', '--home', home, ...(config === undefined ? [] : ['--config', config])];
}

function childOf({ env, signal }: RehearsalOptions) {
  return { env, signal, deadlineMs: LONGEST_MS, maxOutput: MAX_OUTPUT };
}

/** Ours, never the candidate's, which must not be blocked for it. */
function copyFailed(reason: string): FettleError {
  const full = /full|no space/i.test(reason);
  return new FettleError(full ? 'no_space' : 'io_failed', {
    data: { path: 'hub.db', reason, message: reason },
    retryable: true,
  });
}
