import { describeSource } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import { apiAddresses, type ForgeSource } from '../domain/forge.ts';
import type { Clock } from '../domain/id.ts';

/** What another status than 200 means. */

/** A server that names a later time is asked again after this all the same, milliseconds. */
const MAX_WAIT_MS = 2 * 60 * 60_000;

/**
 * @param of.message the server's own words
 * @returns `undefined` where a single release is not there; everything else is thrown. `final` in an error's data: no
 *   other address would say something else
 */
export function refusal(
  of: {
    readonly source: ForgeSource;
    readonly base: string;
    readonly path: string;
    readonly status: number;
    readonly message: string;
    readonly headers: Headers;
    readonly token: boolean;
  },
  clock: Pick<Clock, 'now'>,
): undefined {
  const { source, base, status, message, token } = of;
  const name = describeSource(source);
  const host = new URL(base).host;
  const first = apiAddresses(source)[0] === base;
  const unreachable = (reason: string, more: { readonly retryable: boolean; readonly resumesAt?: string }) =>
    new FettleError('source_unreachable', {
      data: { source: name, reason, resumesAt: more.resumesAt, final: !more.retryable && first ? true : undefined },
      retryable: more.retryable,
    });
  const waitMs = waitOf(of.headers, status, message, clock);
  if (waitMs !== undefined) {
    const resumesAt = new Date(clock.now() + waitMs).toISOString();
    const limit = Number(of.headers.get('x-ratelimit-limit'));
    const allowed = limit > 0 ? `; it allows ${limit} an hour` : '';
    const hint = token ? '' : ' without a token, more with one (tokenFile)';
    throw unreachable(
      `${host} wants no more questions until ${resumesAt.slice(11, 16)} UTC${allowed}${allowed ? hint : ''}`,
      { retryable: true, resumesAt },
    );
  }
  const said = message === '' ? '' : `: ${message}`;
  if (status === 401) {
    const what = token ? `${host} refuses the token (401${said}); make another and put it into tokenFile` : '';
    throw unreachable(what || `${host} wants a token (401); name a file with one (tokenFile)`, { retryable: false });
  }
  if (status === 403) throw unreachable(`${host} refuses access (403${said})`, { retryable: false });
  if (status === 404 || status === 410) {
    if (of.path.startsWith('releases/tags/')) return undefined;
    const may = token ? 'or the token may not read it' : 'or it is private: then it needs a token (tokenFile)';
    throw new FettleError('source_invalid', {
      data: { source: name, reason: `${host} has no such repository (${status}), ${may}`, final: first || undefined },
    });
  }
  if (status === 451) throw unreachable(`${host} may not show it (451${said})`, { retryable: false });
  throw unreachable(`${host} answered ${status}`, { retryable: status === 408 || status >= 500 });
}

/**
 * How long a server asks to wait; `undefined` where it refuses for another reason. GitHub (docs.github.com/rest,
 * "Rate limits"): 403 or 429; `retry-after`, or `x-ratelimit-remaining: 0` and `x-ratelimit-reset`, else a minute.
 */
function waitOf(headers: Headers, status: number, message: string, clock: Pick<Clock, 'now'>): number | undefined {
  if (status !== 403 && status !== 429) return undefined;
  const after = Number(headers.get('retry-after') ?? Number.NaN);
  if (Number.isFinite(after)) return bounded(after * 1_000);
  const reset = Number(headers.get('x-ratelimit-reset') ?? Number.NaN);
  if (headers.get('x-ratelimit-remaining') === '0' && Number.isFinite(reset)) {
    // By the server's clock: a robot's own may be wrong.
    const now = Date.parse(headers.get('date') ?? '');
    return bounded(reset * 1_000 - (Number.isNaN(now) ? clock.now() : now));
  }
  return status === 429 || /rate limit/i.test(message) ? 60_000 : undefined;
}

function bounded(ms: number): number {
  return Math.min(MAX_WAIT_MS, Math.max(1_000, ms));
}
