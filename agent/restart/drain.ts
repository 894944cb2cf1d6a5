import type { AppConfig } from '../../config/agent-schema.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { words } from './command-line.ts';
import { commandSpec } from './command-spec.ts';
import type { KeptDriverDeps } from './kept.ts';
import { runCommand } from './run-command.ts';

/**
 * Runs `stop.drain` to its end or for `drainFor`. What it says goes to the app's log; how it ends changes nothing.
 * @throws {FettleError} `deadline_passed` where the signal ends it: then nothing is stopped
 */
export async function drain(deps: KeptDriverDeps, app: string, config: AppConfig, signal: AbortSignal): Promise<void> {
  const { drain: command, drainFor } = config.stop;
  if (command === undefined) return;
  try {
    await runCommand(commandSpec(deps, app, config, words(command)), drainFor, signal);
  } catch {
    // A drain that is not there must not keep a release from being replaced.
  }
  if (signal.aborted) throw new FettleError('deadline_passed', { data: { app }, retryable: true });
}
