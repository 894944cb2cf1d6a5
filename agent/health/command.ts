import { type ChildResult, runChild } from '../../src/origin/child.ts';
import type { Check } from './contract.ts';
import { reportedVersion } from './reported-version.ts';

const MAX_OUTPUT = 64 * 1024;
const SHOWN = 200;

/** A command, run in the slot with the app's environment, ends with status 0; says the version where `http` does not. */
export const commandCheck: Check = {
  kind: 'command',
  applies: (health) => health.command !== undefined,
  async look(subject, health, signal) {
    const { argv, cwd, env } = subject.command(health.command ?? '');
    const [command = '', ...args] = argv;
    let result: ChildResult;
    try {
      result = await runChild({
        ...{ command, args, cwd, env, signal },
        deadlineMs: health.timeout,
        maxOutput: MAX_OUTPUT,
      });
    } catch (error) {
      return { good: false, reason: `its check can't be run (${(error as NodeJS.ErrnoException).code ?? 'error'})` };
    }
    signal.throwIfAborted();
    if (result.stopped === 'deadline')
      return { good: false, reason: `its check took longer than ${health.timeout} ms` };
    if (result.stopped === 'output') return { good: false, reason: 'its check printed more than 64 KB' };
    if (result.code !== 0) {
      const said = (result.stderr.trim() || result.stdout.trim()).split('\n').at(-1)?.slice(0, SHOWN) ?? '';
      return { good: false, reason: `its check ended with status ${result.code ?? 'unknown'}${said && `: ${said}`}` };
    }
    if (health.version === undefined || health.http !== undefined) return { good: true };
    const version = reportedVersion(result.stdout, health.version);
    if (version === undefined) return { good: false, reason: `its check printed no version at ${health.version}` };
    return { good: true, version };
  },
};
