import type { ErrorData } from '../../domain/errors.ts';
import { list, text as t } from './format.ts';

/** English: what is wrong with what was typed behind a command. `reason` is a sentence of its own. */
export function badArguments(d: ErrorData): string {
  const what = t(d.what);
  const near = list(d.nearest)[0];
  switch (d.problem) {
    case 'unknown_flag':
      return `There is no flag ${what} here.${near ? ` Did you mean ${near}?` : ''}`;
    case 'value_needed':
      return `${what} needs a value.`;
    case 'not_a_value':
      return `“${t(d.value)}” is no value for ${what}.`;
    case 'missing':
      return `${what} is missing.`;
    case 'several':
      return `More than one fits: ${list(d.fits).join(', ')}. Say which.`;
    case 'unexpected':
      return `I don't know what “${what}” means here.${near ? ` Did you mean ${near}?` : ''}`;
    case 'quote':
      return 'A quote is opened and never closed.';
    case 'too_long':
      return 'That is too long for a command.';
    default:
      return d.reason ? sentence(t(d.reason)) : "I don't understand that.";
  }
}

/** Names, flags and paths stay as they are. */
function sentence(reason: string): string {
  return reason.replace(/^[a-z](?=[a-z]* )/, (letter) => letter.toUpperCase()).replace(/[^?.]$/, '$&.');
}
