import { readFileSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { FettleError } from '../../src/domain/errors.ts';
import { type ChildResult, runChild } from '../../src/origin/child.ts';
import { deadlineOf } from './deadlines.ts';
import type { Task } from './task.ts';

/**
 * `notNow:`: the app says that it must not be stopped. It blocks the stop, not what comes before it; a person may pass it.
 */

/** A lock command that takes longer counts as "not now". Milliseconds. */
const COMMAND_MS = 10_000;
/** EX_TEMPFAIL of sysexits.h: not now. */
const NOT_NOW = 75;
const MAX_OUTPUT = 64 * 1024;
const MAX_REASON = 200;
/** Of a lock file, its first line is read as the reason. Bytes. */
const MAX_FILE = 4_096;

/**
 * Waits until the app may be stopped, or a person insists. `renewed`: a person wants it to go on waiting, with the state's
 * deadline anew.
 *
 * @throws {FettleError} `locked_by_app {app, reason}` at the deadline
 */
export async function untilUnlocked(task: Task, signal: AbortSignal): Promise<'free' | 'waited' | 'renewed'> {
  const { entry, app, config, deps } = task;
  const until = deps.clock.now() + deadlineOf(config, 'waiting');
  let told: string | undefined;
  for (;;) {
    const nudged = task.nudged();
    const either = AbortSignal.any([signal, nudged]);
    const reason = await lockReason(task, either);
    if (reason === undefined && !nudged.aborted && !signal.aborted) return told === undefined ? 'free' : 'waited';
    if (reason !== undefined && reason !== told) {
      const at = (ms: number) => new Date(ms).toISOString();
      const data = { app, reason, since: at(entry.enteredAt), until: at(until) };
      task.waitFor({ code: 'locked_by_app', data, retryable: true });
      told = reason;
    }
    await delay(config.notNow?.every, undefined, { signal: either }).catch(() => undefined);
    if (signal.aborted) throw endOfWait(task, signal, told);
    if (nudged.aborted && !isForced(task)) return 'renewed';
  }
}

/**
 * Why the app must not be stopped now; `undefined` where it may, or a person insists. A command that fails in another
 * way than with 75 counts as "not now": a robot that moves must not be stopped because its hook is broken, and the
 * deadline ends the wait.
 */
export async function lockReason(task: Task, signal: AbortSignal): Promise<string | undefined> {
  const { config, entry, deps, app } = task;
  const { notNow } = config;
  // Before a first installation there is nothing that could be stopped.
  if (!notNow || entry.from === null || isForced(task)) return undefined;
  const reason =
    (notNow.file === undefined ? undefined : reasonOfFile(notNow.file)) ??
    (notNow.command === undefined ? undefined : await reasonOfCommand(task, notNow.command, signal));
  return reason === undefined ? undefined : deps.redact(app, reason).slice(0, MAX_REASON);
}

const isForced = ({ entry }: Task) => entry.order.force || entry.forced === true;

function reasonOfFile(path: string): string | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return undefined;
    const said = stat.isFile() && stat.size <= MAX_FILE ? firstLine(readFileSync(path, 'utf8')) : '';
    return said || `${path} is there`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' || code === 'ENOENT') return undefined;
    return `${path} can't be looked at (${code ?? 'error'})`;
  }
}

async function reasonOfCommand(
  task: Task,
  command: Parameters<Task['deps']['around']['commands']>[3],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { app, config, entry, slots, deps } = task;
  const { argv, cwd, env } = deps.around.commands(app, config, slots.path(entry.from ?? ''), command);
  const [program = '', ...args] = argv;
  let result: ChildResult;
  try {
    result = await runChild({
      ...{ command: program, args, cwd, env, signal },
      deadlineMs: COMMAND_MS,
      maxOutput: MAX_OUTPUT,
    });
  } catch (error) {
    return `its lock command can't be run (${(error as NodeJS.ErrnoException).code ?? 'error'})`;
  }
  if (result.stopped === 'aborted') return undefined;
  if (result.stopped === 'deadline') return `its lock command took longer than ${COMMAND_MS / 1_000} s`;
  if (result.code === 0 && result.stopped === undefined) return undefined;
  const said = firstLine(result.stdout) || firstLine(result.stderr);
  if (result.code === NOT_NOW) return said || 'its lock command says so';
  return `its lock command ended with status ${result.code ?? 'unknown'}${said && `: ${said}`}`;
}

/** The deadline says why it was waited; a cancel and the agent's end are what they are. */
function endOfWait({ app }: Task, signal: AbortSignal, reason: string | undefined): unknown {
  const late = signal.reason instanceof FettleError && signal.reason.code === 'deadline_passed';
  if (!late || reason === undefined) return signal.reason;
  return new FettleError('locked_by_app', { data: { app, reason, ended: true }, retryable: true });
}

function firstLine(text: string): string {
  return (
    text
      .trim()
      .split('\n')[0]
      ?.replaceAll(/\p{Cc}/gu, '')
      .trim()
      .slice(0, MAX_REASON) ?? ''
  );
}
