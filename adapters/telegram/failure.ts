import { GrammyError, HttpError } from 'grammy';

/** What the Bot API, grammY, undici and Node say when something fails, as ours. Nothing in here shows a token. */

/** Somebody answered who is not the Bot API: a gateway before it, a proxy, a wrong address. */
export class NotTelegram extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`HTTP ${status} without an answer of the Bot API`);
    this.status = status;
  }
}

export type Failure =
  /** The Bot API said no: nothing was done. */
  | {
      readonly kind: 'refused';
      readonly code: number;
      readonly description: string;
      readonly retryAfterMs: number | undefined;
      readonly movedTo: string | undefined;
    }
  /** No answer. `maybe`: it may have been done. */
  | { readonly kind: 'unreached'; readonly reason: string; readonly done: 'no' | 'maybe' };

/** Errors of making a connection: nothing was sent. */
const NEVER_LEFT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/** Every error of a call comes through here. */
export function failureOf(error: unknown): Failure {
  if (error instanceof GrammyError) {
    const { error_code: code, description, parameters } = error;
    // The server's own trouble: it says nothing about what was done before.
    if (code >= 500) return { kind: 'unreached', reason: `HTTP ${code}`, done: 'maybe' };
    const { retry_after: seconds, migrate_to_chat_id: moved } = parameters;
    return {
      kind: 'refused',
      code,
      description,
      retryAfterMs: seconds === undefined ? undefined : seconds * 1_000,
      movedTo: moved === undefined ? undefined : String(moved),
    };
  }
  const chain = causes(error instanceof HttpError ? error.error : error);
  for (const cause of chain) {
    if (cause instanceof NotTelegram) return { kind: 'unreached', reason: `HTTP ${cause.status}`, done: 'maybe' };
    const refused = /^Proxy response \((\d+)\)/.exec(cause.message);
    if (refused) return { kind: 'unreached', reason: `the proxy answers ${refused[1]}`, done: 'no' };
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (code && (NEVER_LEFT.has(code) || syscall === 'connect')) return { kind: 'unreached', reason: code, done: 'no' };
  }
  const codes = chain.map((cause) => (cause as NodeJS.ErrnoException).code);
  const late = chain.some(({ name }) => name === 'AbortError' || name === 'TimeoutError');
  if (late || codes.some((code) => code?.endsWith('_TIMEOUT'))) {
    return { kind: 'unreached', reason: 'no answer in time', done: 'maybe' };
  }
  // undici's own codes say nothing to people.
  const known = codes.find((code) => typeof code === 'string' && !code.startsWith('UND_'));
  return { kind: 'unreached', reason: known ?? 'connection lost', done: 'maybe' };
}

/** In Telegram's words, or in ours where it said none. */
export function reasonOf(failure: Failure): string {
  return failure.kind === 'refused' ? failure.description : failure.reason;
}

function causes(error: unknown): readonly Error[] {
  const found: Error[] = [];
  let at = error;
  while (at instanceof Error && found.length < 10) {
    found.push(at);
    at = at.cause ?? (at instanceof AggregateError ? at.errors[0] : undefined);
  }
  return found;
}
