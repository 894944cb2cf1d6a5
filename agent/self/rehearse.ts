import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { runChild } from '../../src/origin/child.ts';
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
  readonly env: Readonly<Record<string, string>>;
  readonly redact: (text: string) => string;
  readonly signal: AbortSignal;
}

/** What a rehearsal ends with where the configuration is wrong, which is no fault of the candidate (sysexits.h). */
export const EXIT_CONFIG = 78;

const LONGEST_MS = 60_000;
const MAX_OUTPUT = 64_000;

/**
 * Starts the candidate with `--rehearse`: a hub opens a copy of the database (and migrates that), an agent reads the
 * journal, both read the configuration; nobody is answered and nothing is written. What would not start is found while
 * the old one still serves.
 *
 * @throws {FettleError} `rehearsal_failed` {app, version, reason}; `no_space`
 */
export async function rehearse(options: RehearsalOptions): Promise<void> {
  const { app, version, slot, signal } = options;
  const folder = join(options.tmp, 'rehearsal');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const failed = (reason: string) => new FettleError('rehearsal_failed', { data: { app, version, reason } });
  try {
    const copy = join(folder, 'hub.db');
    if (app === 'hub') await copyDatabase(options.db, copy);
    const result = await runChild({
      command: join(slot, '.fettle', 'node'),
      args: [
        join(slot, '.fettle', 'fettle'),
        ...[app, '--rehearse', '--home', options.home],
        ...(options.config === undefined ? [] : ['--config', options.config]),
        ...(app === 'hub' ? ['--db', copy] : []),
      ],
      cwd: folder,
      env: options.env,
      signal,
      deadlineMs: LONGEST_MS,
      maxOutput: MAX_OUTPUT,
    });
    signal.throwIfAborted();
    if (result.stopped === 'deadline') throw failed(`it took longer than ${LONGEST_MS / 1_000} s`);
    const last = options.redact(result.stderr).trim().split('\n').slice(-3).join(' ').slice(-300);
    if (result.code === EXIT_CONFIG) throw new FettleError('config_invalid', { data: { app, reason: last } });
    if (result.code !== 0) throw failed(last || `it ended with status ${result.code ?? 'unknown'}`);
    const said = result.stdout.trim().split('\n').at(-1) ?? '';
    if (said !== `rehearsed ${version}`) throw failed(`it says “${said.slice(0, 100)}”`);
  } catch (error) {
    signal.throwIfAborted();
    throw toFettleError(error, 'rehearsal_failed', { app, version });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
