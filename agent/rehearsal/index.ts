import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { createRedactor, HIDDEN, isSecretName } from '../../src/domain/redact.ts';
import { makeFolder } from '../../src/files/durable.ts';
import { runChild } from '../../src/origin/child.ts';
import { probe } from '../health/probe.ts';
import { notifyPaths } from '../restart/notify.ts';
import { deadlineOf } from '../updater/deadlines.ts';
import type { Task } from '../updater/task.ts';
import { type Booted, boot, healthOn } from './boot.ts';
import { copyForRehearsal } from './copy.ts';
import { endRehearsal, rehearsalFolder, rehearsalMark } from './leftovers.ts';

/** `rehearse:`: a release is tried before the switch, while the old version serves. Nothing of it may touch the app. */

const MAX_OUTPUT = 64 * 1024;
const LAST_LINES = 3;
const MAX_REASON = 400;
const MAX_GRACE_MS = 3_000;
/** Where less is free than this, what failed may have failed for that. Bytes. */
const LITTLE_SPACE = 4 * 1024 * 1024;

/**
 * Runs the rehearsal that the app's file asks for, to its end: what it started is verified gone, what was copied is
 * removed.
 *
 * @param slot the candidate's, sealed
 * @throws {FettleError} `rehearsal_failed {app, version, reason}` · `no_space` · `stop_failed` · `io_failed`; the signal's reason
 */
export async function rehearseApp(task: Task, slot: string, signal: AbortSignal): Promise<void> {
  const { config, deps, entry, folder, app } = task;
  const { rehearse } = config;
  if (!rehearse) return;
  const mark = rehearsalMark(deps.layout, entry.order.update);
  const work = rehearsalFolder(folder.tmp);
  const graceMs = Math.min(config.stop.grace, MAX_GRACE_MS);
  // One that this update began before the agent was killed.
  await endRehearsal(mark, { signal: 'SIGKILL', graceMs: 0, log: deps.log });
  rmSync(work, { recursive: true, force: true });
  let gone = false;
  try {
    if (rehearse.kind === 'command') await rehearseCommand(task, rehearse.command, slot, mark, signal);
    else await rehearseBoot(task, rehearse, { slot, mark, copy: join(work, 'slot') }, signal);
  } catch (error) {
    signal.throwIfAborted();
    const known = toFettleError(error, 'rehearsal_failed', { app, version: entry.toVersion ?? '' });
    const free = deps.freeSpace(folder.dir);
    if (known.code === 'rehearsal_failed' && free < LITTLE_SPACE) {
      throw new FettleError('no_space', { data: { app, free, needed: LITTLE_SPACE }, retryable: true, cause: known });
    }
    throw known;
  } finally {
    gone = await endRehearsal(mark, { signal: config.stop.signal, graceMs, log: deps.log });
    rmSync(work, { recursive: true, force: true });
  }
  if (!gone) throw new FettleError('stop_failed', { data: { app, reason: 'its rehearsal survived SIGKILL' } });
}

async function rehearseCommand(
  task: Task,
  command: Parameters<Task['deps']['around']['commands']>[3],
  slot: string,
  mark: string,
  signal: AbortSignal,
): Promise<void> {
  const { app, config, deps } = task;
  const env = rehearsalEnvironment(config.env, {});
  const start = deps.around.commands(app, { ...config, env }, slot, command);
  // One executable is not in its place yet: the candidate's is beside it.
  const candidate = task.slots.binary?.file(basename(slot));
  const installed = [config.binary, task.slots.binary?.target()];
  const [program = '', ...args] = start.argv.map((word) => (candidate && installed.includes(word) ? candidate : word));
  const result = await runChild({
    ...{ command: program, args, cwd: start.cwd, env: { ...start.env, FETTLE_START: mark }, signal },
    deadlineMs: deadlineOf(config, 'rehearsing'),
    maxOutput: MAX_OUTPUT,
  }).catch((error: NodeJS.ErrnoException) => {
    throw failed(task, `its rehearsal can't be run (${error.code ?? error.message})`, '');
  });
  signal.throwIfAborted();
  if (result.stopped === 'deadline') {
    const seconds = deadlineOf(config, 'rehearsing') / 1_000;
    throw new FettleError('deadline_passed', { data: { app, state: 'rehearsing', seconds }, retryable: true });
  }
  const said = `${result.stdout}\n${result.stderr}`;
  if (result.stopped === 'output') throw failed(task, 'it printed more than 64 KB', '');
  if (result.code !== 0) throw failed(task, `it ended with status ${result.code ?? 'unknown'}`, said);
}

async function rehearseBoot(
  task: Task,
  rehearse: Extract<NonNullable<Task['config']['rehearse']>, { kind: 'boot' }>,
  { slot, mark, copy }: { slot: string; mark: string; copy: string },
  signal: AbortSignal,
): Promise<void> {
  const { app, config, deps, entry, folder } = task;
  makeFolder(dirname(copy));
  try {
    await copyForRehearsal({ slot, shared: folder.shared, keep: config.keep, to: copy, signal });
  } catch (error) {
    signal.throwIfAborted();
    // Ours, not the candidate's: it must not be blocked for it.
    throw toFettleError(error, 'io_failed', { app });
  }
  const port = rehearse.port ?? (await anyFreePort());
  const env = { ...rehearsalEnvironment(config.env, rehearse.env), [rehearse.variable]: String(port) };
  const command = (one: Parameters<typeof deps.around.commands>[3]) =>
    deps.around.commands(app, { ...config, env }, copy, one);
  const program = config.run ?? '';
  const health = healthOn(port, config.healthy);
  const notify = notifyPaths(deps.layout, `${app} rehearsal`);
  let booted: Booted | undefined;
  try {
    booted = await boot({ app, mark, start: command(program), command, health, notify });
    const wellBy = AbortSignal.timeout(deadlineOf(config, 'probing') + rehearse.for);
    const request = { subject: booted.subject, health, version: entry.toVersion, periodMs: rehearse.for };
    const onGood = (done: number, total: number) => task.progress({ unit: 'checks', done, total });
    await probe(deps.checks, { ...request, onGood }, deps.clock, AbortSignal.any([signal, wellBy]));
  } catch (error) {
    signal.throwIfAborted();
    const { data, message } = toFettleError(error, 'rehearsal_failed', { app });
    throw failed(task, describe(data) ?? message, booted?.printed() ?? '');
  } finally {
    for (const path of [notify.socket, notify.ready]) rmSync(path, { force: true });
  }
}

/**
 * The app's environment without what looks like a secret, by its name or by its value: a candidate that signs in to a chat
 * would take events from the version that serves. What the file gives by name for rehearsals is given.
 */
export function rehearsalEnvironment(
  env: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const redact = createRedactor();
  const harmless = Object.entries(env).filter(
    ([name, value]) => !isSecretName(name) && (value.includes(HIDDEN) || !redact(value).includes(HIDDEN)),
  );
  return { ...Object.fromEntries(harmless), ...given, FETTLE_REHEARSAL: '1' };
}

function describe({ reason, expected, found }: FettleError['data']): string | undefined {
  if (typeof reason === 'string') return reason;
  return found === undefined ? undefined : `it says ${String(found)} rather than ${String(expected)}`;
}

function failed({ deps, app, entry }: Task, what: string, printed: string): FettleError {
  const last = deps.redact(app, printed).trim().split('\n').slice(-LAST_LINES).join(' ').slice(-MAX_REASON);
  const reason = last ? `${what}: ${last}` : what;
  return new FettleError('rehearsal_failed', { data: { app, version: entry.toVersion ?? '', reason } });
}

async function anyFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
