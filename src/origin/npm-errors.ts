import { cutText } from '../domain/cut-text.ts';
import { FettleError } from '../domain/errors.ts';
import type { ChildResult } from './child.ts';

/** What npm's failures mean, by the code in its `--json` answer; never by the text of a message. */

export interface NpmFailure {
  readonly code: string;
  readonly summary: string;
}

/** The `{"error": …}` that npm prints, on standard output with `--json`. */
export function readNpmFailure(result: ChildResult): NpmFailure {
  try {
    const parsed: unknown = JSON.parse(result.stdout.slice(result.stdout.indexOf('{')));
    const error = (parsed as { error?: { code?: unknown; summary?: unknown } }).error;
    if (error) return { code: String(error.code ?? ''), summary: String(error.summary ?? '') };
  } catch {
    // Not JSON: it died before it could say. Its standard error has the code in a line of its own.
  }
  const code = /^npm (?:error|ERR!) code (\S+)/m.exec(result.stderr)?.[1] ?? '';
  const summary = /^npm (?:error|ERR!) (?!code |errno |syscall |A complete log)(\S.*)$/m.exec(result.stderr)?.[1] ?? '';
  return { code, summary };
}

/**
 * npm hands out an old answer of its cache, as if nothing were wrong, when the registry fails or can't be reached.
 * That is no check. Only its log tells (`--loglevel=http`, and no retries): an attempt that failed, or a stale answer.
 * The format is that of our own npm; test/integration/origin-npm.test.ts notices when it changes.
 */
export function readStale(result: ChildResult): NpmFailure | undefined {
  const attempt = /^npm http fetch \S+ (\S+) attempt \d+ failed with (\S+)$/m.exec(result.stderr);
  if (!attempt && !/^npm http fetch .*\(cache stale\)$/m.test(result.stderr)) return undefined;
  const code = attempt?.[2] ?? 'ENOTCACHED';
  return { code: /^\d+$/.test(code) ? `E${code}` : code, summary: attempt?.[1] ?? '' };
}

/** Codes that mean: the registry could not be asked. The same may work later. */
const NETWORK: Readonly<Record<string, (summary: string) => string>> = {
  ENOTFOUND: (s) => `the name ${hostOf(s)} could not be resolved`,
  EAI_AGAIN: (s) => `the name ${hostOf(s)} could not be resolved`,
  ECONNREFUSED: (s) => `${hostOf(s)} refused the connection`,
  ECONNRESET: (s) => `${hostOf(s)} broke the connection off`,
  EPIPE: (s) => `${hostOf(s)} broke the connection off`,
  ETIMEDOUT: (s) => `${hostOf(s)} did not answer in time`,
  ERR_SOCKET_TIMEOUT: (s) => `${hostOf(s)} did not answer in time`,
  EHOSTUNREACH: (s) => `there is no route to ${hostOf(s)}`,
  ENETUNREACH: () => 'there is no network',
  EADDRNOTAVAIL: () => 'there is no network',
  ENOTCACHED: () => 'there is no network',
  E429: () => 'the registry asks to wait (429)',
  E401: () => 'the registry wants credentials (401)',
  E403: () => 'the registry refuses access (403)',
  ENEEDAUTH: () => 'the registry wants credentials',
  EPROTO: (s) => `${hostOf(s)} does not speak TLS as expected`,
};
/** Waiting does not help with these; a person has to change something. */
const LASTING = new Set(['E401', 'E403', 'ENEEDAUTH']);
const TLS = /^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_|CERT_|ERR_TLS_)/;

/** npm's failure about a source as ours. `source` is `describeSource`'s text. */
export function npmError(
  source: string,
  result: ChildResult,
  deadlineMs: number,
  failure: NpmFailure = readNpmFailure(result),
): FettleError {
  const unreachable = (reason: string, retryable = true) =>
    new FettleError('source_unreachable', { data: { source, reason }, retryable });
  const invalid = (reason: string) => new FettleError('source_invalid', { data: { source, reason } });
  switch (result.stopped) {
    case 'deadline':
      return unreachable(`the registry did not answer within ${Math.round(deadlineMs / 100) / 10} s`);
    case 'aborted':
      return unreachable('the request was called off');
    case 'output':
      return invalid('the registry answered with more than can be right');
    default:
  }
  const { code, summary } = failure;
  const network = NETWORK[code];
  if (network) return unreachable(network(summary), !LASTING.has(code));
  if (TLS.test(code)) return unreachable(`the certificate of ${hostOf(summary)} is not trusted (${code})`);
  if (/^E5\d\d$/.test(code)) return unreachable(`the registry answered ${code.slice(1)}`);
  if (code === 'FETCH_ERROR') {
    // npm tells a web page and an answer that never ended by one code.
    const reason = `${hostOf(summary)} gave no usable answer (is the registry's address right, or is there a sign-in?)`;
    return new FettleError('source_invalid', { data: { source, reason }, retryable: true });
  }
  if (code === 'E404') return invalid('the registry does not have it (404)');
  if (code === 'ETARGET') return invalid('the registry has no such version');
  return invalid(
    `npm failed${code ? ` with ${code}` : ''}${summary ? `: ${cutText(withoutQueries(summary), 200)}` : ''}`,
  );
}

/** The host in npm's text, for people. Only shown, never decided by. */
function hostOf(summary: string): string {
  const url = /https?:\/\/[^\s,]+/.exec(summary)?.[0];
  try {
    return url ? new URL(url).host : 'the registry';
  } catch {
    return 'the registry';
  }
}

/** URLs without credentials, query and fragment. */
export function withoutQueries(text: string): string {
  return text.replace(/https?:\/\/[^\s,'"]+/g, (found) => {
    try {
      const url = new URL(found);
      return `${url.origin}${url.pathname}`;
    } catch {
      return '[address]';
    }
  });
}
