import { FettleError, systemCodeOf, toFettleError } from '../domain/errors.ts';
import { createRedactor } from '../domain/redact.ts';

/** One line (or a line a problem) for a person at a terminal: what happened, to what, what to do next. */
export async function showError(error: unknown): Promise<string> {
  // An error may carry what it failed with: an address with a password, a header, a line of a file.
  return createRedactor({ keepHomes: true })(await textOf(error));
}

async function textOf(error: unknown): Promise<string> {
  if (error instanceof Error && error.name === 'ConfigError') {
    const { ConfigError } = await import('../../config/parse.ts');
    if (error instanceof ConfigError) {
      return error.problems
        .map((p) => {
          const nearest = p.nearest === undefined ? '' : ` Did you mean ${p.nearest}?`;
          return `${p.file}:${p.line}: ${p.key}: ${p.expected}.${nearest}`;
        })
        .join('\n');
    }
  }
  if (error instanceof Error && error.name === 'Refused') {
    const [{ Refused }, { refusalLines }] = await Promise.all([
      import('../../agent/rescue/contract.ts'),
      import('./rescue-text.ts'),
    ]);
    if (error instanceof Refused) return refusalLines('it', error.refusal, undefined).join('\n');
  }
  const { MESSAGES } = await import('../chat/messages/index.ts');
  const known = error instanceof FettleError ? error : toFettleError(error, 'internal', { code: systemCodeOf(error) });
  const { text, next } = MESSAGES.en.problem(known.code, known.data);
  return next ? `${text} ${next}` : text;
}
