import { cutText } from '../domain/cut-text.ts';
import { type ErrorData, FettleError, systemCodeOf, toFettleError } from '../domain/errors.ts';
import { createRedactor, type Redact } from '../domain/redact.ts';

/** One line (or a line a problem) for a person at a terminal: what happened, to what, what to do next. */
export async function showError(error: unknown): Promise<string> {
  // An error may carry what it failed with: an address with a password, a header, a line of a file.
  const redact = createRedactor({ keepHomes: true });
  return redact(await textOf(error, redact));
}

async function textOf(error: unknown, redact: Redact): Promise<string> {
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
  const { text, next } = MESSAGES.en.problem(known.code, bounded(known.data, redact));
  // No hub has a log of what was done here.
  const here = known.code === 'internal' && !known.data.log ? '`fettle doctor` looks for what is wrong here.' : next;
  return here ? `${text} ${here}` : text;
}

/** Longer, it is a name that nobody reads to its end. */
const MOST = 1_000;

/** Hidden before it is cut: half a secret has another shape. */
function bounded(data: ErrorData, redact: Redact): ErrorData {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, typeof value === 'string' ? cutText(redact(value), MOST) : value]),
  );
}
