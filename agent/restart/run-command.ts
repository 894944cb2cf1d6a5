import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { toFettleError } from '../../src/domain/errors.ts';
import { makeFolder } from '../../src/files/durable.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import { type Prepared, prepareStart } from '../keeper/spawn.ts';
import { tailFrom } from './running.ts';

/** How a command ended. */
export interface CommandEnd {
  /** `undefined`: it did not end in time, and was ended whole. */
  readonly code: number | null | undefined;
  /** The end of what it wrote. */
  readonly output: string;
}

/**
 * Runs one command of an app's configuration: in the slot, with the app's minimal environment, without a shell, in a
 * session of its own. What it leaves behind goes on, and may hold the log open: its end alone is waited for.
 *
 * @param deadlineMs then it is killed with its group
 * @throws {FettleError} `start_failed` where it can't be run at all
 */
export async function runCommand(spec: KeepSpec, deadlineMs: number, signal?: AbortSignal): Promise<CommandEnd> {
  const prepared = prepareStart(spec, {});
  const { output, from } = openLog(spec.log);
  try {
    const code = await untilEnd(prepared, output, deadlineMs, signal);
    return { code, output: tailFrom(spec.log, from) };
  } finally {
    if (output !== 'ignore') closeSync(output);
  }
}

function untilEnd(prepared: Prepared, output: number | 'ignore', deadlineMs: number, signal?: AbortSignal) {
  return new Promise<number | null | undefined>((resolve, reject) => {
    const child = spawn(prepared.program, [...prepared.args], {
      cwd: prepared.cwd,
      env: { ...prepared.env },
      detached: true,
      stdio: ['ignore', output, output],
    });
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // ESRCH: it has ended.
      }
    };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      end();
    }, deadlineMs);
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    };
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted) end();
    child.once('error', (error) => {
      settle();
      reject(toFettleError(error, 'start_failed'));
    });
    child.once('exit', (code) => {
      settle();
      resolve(late || signal?.aborted ? undefined : code);
    });
  });
}

/** A full disk is no reason not to run it. */
function openLog(path: string): { output: number | 'ignore'; from: number } {
  try {
    makeFolder(dirname(path));
    const output = openSync(path, 'a', 0o600);
    return { output, from: fstatSync(output).size };
  } catch {
    return { output: 'ignore', from: 0 };
  }
}
