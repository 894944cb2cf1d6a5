import { format } from 'node:util';
import type { Command } from 'commander';
import type { KnownSecretsOptions } from '../../config/known-secrets.ts';
import { createRedactor, type Redact } from '../domain/redact.ts';

/** Everything that this process, or a library in it, says by `console` is redacted from now on. */
export function guardConsole(redact: Redact): void {
  for (const name of ['log', 'info', 'debug', 'warn', 'error'] as const) {
    const say = console[name].bind(console);
    console[name] = (...parts: unknown[]) => say(parts.length === 0 ? '' : redact(format(...parts)));
  }
}

/** What these print is the hub's, which has redacted it; or they are processes, with logs of their own. */
const GUARDED_ELSEWHERE = ['chat', 'say', 'version', 'schema', 'keeper', 'agent', 'hub'];

/**
 * Before a subcommand begins, its console is guarded. At the machine itself paths stay, since they are to be typed, and
 * so do codes, since they were asked for.
 */
export function guardCommands(program: Command, at: () => KnownSecretsOptions): void {
  const redact = createRedactor({ keepHomes: true });
  program.configureOutput({ writeErr: (text) => process.stderr.write(redact(text)) });
  program.hook('preAction', async (_, command) => {
    if (GUARDED_ELSEWHERE.includes(command.name())) return;
    // Reads the configuration, for which a parser is loaded.
    const { createDiscretion } = await import('./discretion.ts');
    guardConsole(createDiscretion(at(), { keepHomes: true, keepEnrolment: true }).redact);
  });
}
