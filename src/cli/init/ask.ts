import { FettleError } from '../../domain/errors.ts';
import { runChild } from '../../origin/child.ts';

/** Asks a program of this machine; it is bound to a deadline and changes nothing. */
export interface Asked {
  readonly code: number | null;
  readonly stdout: string;
}

/** Runs a program with a plain environment. `undefined` where there is no such program. */
export type AskProgram = (command: string, args: readonly string[], cwd?: string) => Promise<Asked | undefined>;

const DEADLINE_MS = 20_000;

export function createAskProgram(basic: Readonly<Record<string, string>>, signal: AbortSignal): AskProgram {
  // No locks: looking at a checkout must not write to it. No prompts: nobody would see them.
  const env = { ...basic, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' };
  return async (command, args, cwd = '/') => {
    try {
      const result = await runChild({
        command,
        args,
        cwd,
        env,
        signal,
        deadlineMs: DEADLINE_MS,
        maxOutput: 20_000_000,
      });
      signal.throwIfAborted();
      if (result.stopped)
        throw new FettleError('init_refused', {
          data: { path: cwd, reason: `\`${command} ${args[0] ?? ''}\` did not end within ${DEADLINE_MS / 1_000} s` },
        });
      return { code: result.code, stdout: result.stdout };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };
}
