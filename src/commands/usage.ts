import { usageIn } from '../domain/placeholders.ts';
import type { Language } from '../domain/reply.ts';
import type { Argument, Command } from './contract.ts';

/** How a command is written, with what stands for arguments in the reader's language. */
export function usage(command: Command, language: Language = 'en'): string {
  const written = [`/${command.name}`, ...command.arguments.map(writtenIn(command))]
    .filter((part) => part !== '')
    .join(' ');
  return usageIn(language, written);
}

function writtenIn(command: Command) {
  const hasApp = command.arguments.some((argument) => argument.kind === 'app');
  return (argument: Argument): string => {
    // `web@1.2.0`, as the help of 1-product writes it.
    if (argument.kind === 'version' && hasApp) return '';
    // `web/3` names both.
    if (argument.kind === 'backup') return argument.written;
    if (argument.kind === 'app' && command.arguments.some((other) => other.kind === 'backup')) return '';
    if (argument.kind === 'app') {
      const version = command.arguments.some((other) => other.kind === 'version');
      return version ? '[app][@version]' : '[app]';
    }
    return argument.optional ? `[${argument.written}]` : argument.written;
  };
}
