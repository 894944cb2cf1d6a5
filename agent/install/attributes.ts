import { constants, existsSync } from 'node:fs';
import { chmod, chown, open, stat } from 'node:fs/promises';
import { FettleError, systemCodeOf } from '../../src/domain/errors.ts';
import { type ChildResult, runChild, type Spawn } from '../../src/origin/child.ts';

/** For the system's own tools: nothing of this process' environment, and messages that can be told apart. */
export const TOOL_ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
const LIMIT_MS = 20_000;

/**
 * Gives `to` the owner, mode (set-id bits too), extended attributes (file capabilities), ACL and, under SELinux, the
 * label of `from`; durable when it resolves. Only coreutils' `cp` knows all of them; where it is another one (busybox),
 * owner and mode alone are carried over.
 *
 * @throws {FettleError} `not_replaceable {path, reason}` where something of it can't be kept
 */
export async function carryOver(from: string, to: string, signal: AbortSignal, spawn?: Spawn): Promise<void> {
  // Its folder may be another user's, who could put a link there: the file itself is given away, and nothing that a name
  // leads to. Tools reach it by this process.
  const handle = await open(to, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      throw systemCodeOf(error) === 'ELOOP' ? noFile(to) : error;
    },
  );
  try {
    if (!(await handle.stat()).isFile()) throw noFile(to);
    await carryOverTo(from, `/proc/${process.pid}/fd/${handle.fd}`, signal, spawn);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @param to a name that can't be another file's meanwhile */
async function carryOverTo(from: string, to: string, signal: AbortSignal, spawn?: Spawn): Promise<void> {
  const label = existsSync('/sys/fs/selinux/enforce') ? ',context' : '';
  const copied = await runCp(['--attributes-only', `--preserve=mode,ownership,xattr${label}`, '--', from, to]);
  signal.throwIfAborted();
  // An older version that something still runs can't be opened for writing; it keeps the attributes that it ran with.
  if (copied === undefined || (copied.code !== 0 && /unrecognized option|usage:|text file busy/i.test(copied.stderr))) {
    await ownerAndMode();
  } else if (copied.code !== 0) {
    throw lost(copied.stderr.trim().split('\n')[0] ?? '');
  }
  const [old, made] = [await stat(from), await stat(to)];
  if (old.uid !== made.uid || old.gid !== made.gid || old.mode !== made.mode) {
    throw lost(`it belongs to user ${old.uid}, group ${old.gid}, and this agent runs as user ${process.geteuid?.()}`);
  }
  async function runCp(args: readonly string[]): Promise<ChildResult | undefined> {
    try {
      const how = { cwd: '/', env: TOOL_ENVIRONMENT, signal, deadlineMs: LIMIT_MS, maxOutput: 10_000, spawn };
      return await runChild({ command: 'cp', args, ...how });
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async function ownerAndMode(): Promise<void> {
    const { uid, gid, mode } = await stat(from);
    // In this order: a new owner takes set-id bits away.
    await chown(to, uid, gid).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPERM') throw error;
    });
    await chmod(to, mode & 0o7777);
  }

  function lost(reason: string): FettleError {
    const advice = 'Run the agent as its owner or as root, or give the file to its user';
    const what = `its owner, mode or attributes can't be kept (${reason.slice(0, 300)})`;
    return new FettleError('not_replaceable', { data: { path: from, reason: what, advice } });
  }
}

function noFile(path: string): FettleError {
  return new FettleError('artifact_invalid', { data: { reason: `${path} is no file any more: it was changed` } });
}
