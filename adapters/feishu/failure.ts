/**
 * What Feishu says when it refuses, by code: open.feishu.cn, "Server-side error codes", and the pages of im/v1/message
 * (send, reply, update). A code counts before the HTTP status: the same refusal comes with 200 or 400.
 */

export type FailureKind =
  /** The token ran out or was made void: a new one may do. */
  | 'token'
  /** The id or secret is refused. */
  | 'credentials'
  /** A scope or the bot itself is missing. */
  | 'permission'
  /** Too often: it was not done. */
  | 'rate'
  /** The message is deleted, too old, or was never there. */
  | 'gone'
  /** This chat or person can't be written to. */
  | 'chat'
  /** What was sent is not accepted as it is. */
  | 'content'
  /** A code that is not known here: it may be anything. */
  | 'strange'
  /** The platform has trouble, or no answer came: it may have been done. */
  | 'trouble'
  /** Nobody was reached: it was not done. */
  | 'unreached';

const CODES: Readonly<Record<number, FailureKind>> = {
  99991661: 'token',
  99991663: 'token',
  99991664: 'token',
  99991665: 'token',
  99991668: 'token',
  99991671: 'token',
  10003: 'credentials',
  10014: 'credentials',
  10015: 'credentials',
  514: 'credentials',
  99991672: 'permission',
  99991679: 'permission',
  230006: 'permission',
  230027: 'permission',
  11205: 'permission',
  99991400: 'rate',
  11232: 'rate',
  11233: 'rate',
  11247: 'rate',
  230020: 'rate',
  230011: 'gone',
  230019: 'gone',
  230031: 'gone',
  230110: 'gone',
  231003: 'gone',
  230002: 'chat',
  230013: 'chat',
  230017: 'chat',
  230018: 'chat',
  230029: 'chat',
  230034: 'chat',
  230035: 'chat',
  230038: 'chat',
  230053: 'chat',
  230001: 'content',
  230022: 'content',
  230025: 'content',
  230028: 'content',
  230099: 'content',
  99992402: 'content',
  230049: 'trouble',
  1500: 'trouble',
  2200: 'trouble',
};

/** Errors of a socket that was never connected: nothing can have arrived. */
const UNREACHED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** The proxy makes no tunnel. HTTP clients wrap errors, and keep their code. */
export class TunnelRefused extends Error {
  readonly code: string;
  constructor(status: number) {
    super(`the proxy answers ${status}`);
    this.code = `PROXY_${status}`;
  }
}

/** A refusal, or no answer. Its message names codes and the platform's own words, and never what was sent. */
export class FeishuFailure extends Error {
  readonly kind: FailureKind;
  readonly code: number | undefined;
  /** Wait as long, milliseconds, where the platform says so. */
  readonly afterMs: number | undefined;

  constructor(kind: FailureKind, reason: string, given: { readonly code?: number; readonly afterMs?: number } = {}) {
    super(reason);
    this.kind = kind;
    this.code = given.code;
    this.afterMs = given.afterMs;
  }
}

/** Words of the platform are shown to people: this many characters of them. */
const MAX_WORDS = 300;

/** An answer with a code that is not 0, or a status that is no success. */
export function refusal(
  status: number,
  body: { readonly code?: number | undefined; readonly msg?: string | undefined },
  headers: Readonly<Record<string, unknown>> = {},
): FeishuFailure {
  const { code, msg } = body;
  const kind = (code === undefined ? undefined : CODES[code]) ?? kindOf(status, code);
  // "Frequency control": seconds until the limit is lifted.
  const seconds = Number(headers['x-ogw-ratelimit-reset'] ?? headers['retry-after'] ?? Number.NaN);
  const words = (msg ?? '').replace(/\s+/g, ' ').slice(0, MAX_WORDS).trim();
  const reason = code === undefined ? `HTTP ${status}` : `code ${code}${words === '' ? '' : `: ${words}`}`;
  return new FeishuFailure(kind, reason, {
    ...(code === undefined ? {} : { code }),
    ...(Number.isFinite(seconds) && seconds >= 0 ? { afterMs: Math.min(seconds, 600) * 1_000 } : {}),
  });
}

function kindOf(status: number, code: number | undefined): FailureKind {
  if (status === 429) return 'rate';
  // The proxy's own refusal: it comes in the place of the platform's answer.
  if (status === 407) return 'unreached';
  if (status >= 500 || status === 408) return 'trouble';
  return code === undefined && status < 400 ? 'trouble' : 'strange';
}

/** The one place where errors of the SDK, of its HTTP client and of sockets become ours. */
export function failureOf(error: unknown): FeishuFailure {
  if (error instanceof FeishuFailure) return error;
  const { code, response } = (error ?? {}) as {
    code?: unknown;
    response?: { status?: unknown; data?: unknown; headers?: Readonly<Record<string, unknown>> };
  };
  if (typeof response?.status === 'number') {
    const { code: said, msg } = (typeof response.data === 'object' && response.data !== null ? response.data : {}) as {
      code?: unknown;
      msg?: unknown;
    };
    const body = {
      code: typeof said === 'number' ? said : undefined,
      msg: typeof msg === 'string' ? msg : undefined,
    };
    return refusal(response.status, body, { ...response.headers });
  }
  const name = typeof code === 'string' ? code : 'no answer';
  const [, tunnel] = /^PROXY_(\d+)$/.exec(name) ?? [];
  if (tunnel !== undefined) return new FeishuFailure('unreached', `the proxy answers ${tunnel}`);
  return new FeishuFailure(UNREACHED.has(name) ? 'unreached' : 'trouble', name);
}
