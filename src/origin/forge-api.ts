import { describeSource } from '../domain/app.ts';
import { FettleError, systemCodeOf } from '../domain/errors.ts';
import { apiAddresses, type ForgeSource } from '../domain/forge.ts';
import type { Clock } from '../domain/id.ts';
import { addressProblem, followRedirect, MAX_REDIRECTS, networkReason } from './address.ts';
import { refusal } from './forge-refusal.ts';
import { tokenOf } from './forge-token.ts';

/**
 * One question to the API of GitHub or Gitea. Facts: docs.github.com/rest (best practices, rate limits, pagination),
 * docs.gitea.com/development/api-usage.
 */

export interface ForgeDeps {
  readonly fetch: typeof fetch;
  readonly clock: Pick<Clock, 'now'>;
  /** Of the environment: for GitHub's own API, where the source has no `tokenFile`. */
  readonly githubToken?: string | undefined;
  /** For one question to one address, milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** An answer, or that there is none new. */
export interface ApiAnswer {
  /** Which of the API's addresses answered. */
  readonly base: string;
  readonly etag: string | undefined;
  /** `undefined`: not modified. */
  readonly json: unknown;
  /** There is a page after this one; `undefined` where the server says nothing of pages. */
  readonly more: boolean | undefined;
}

export interface ApiQuestion {
  /** Behind `/repos/OWNER/REPO/`. */
  readonly path: string;
  /** Of an earlier answer, by the address that gave it. */
  readonly etag?: { readonly base: string; readonly etag: string } | undefined;
  /** Only this address: what belongs to an answer of it. */
  readonly base?: string | undefined;
  readonly signal: AbortSignal;
}

/** A page of a hundred releases with many files has a few MB. */
const MAX_BYTES = 32_000_000;

/**
 * Asks the first address; the next where one does not answer, answers with something else than JSON, or wants no more
 * questions for now. What an address says of repository, release or token is final.
 *
 * @returns `undefined` where there is no such thing (404)
 * @throws {FettleError} `source_unreachable` {resumesAt?} · `source_invalid` {limit?: more bytes than that}
 */
export async function askApi(
  deps: ForgeDeps,
  source: ForgeSource,
  question: ApiQuestion,
): Promise<ApiAnswer | undefined> {
  const bases = question.base === undefined ? apiAddresses(source) : [question.base];
  const failures: FettleError[] = [];
  for (const base of bases) {
    try {
      return await askOne(deps, source, base, question);
    } catch (error) {
      if (!(error instanceof FettleError) || error.data.final === true || question.signal.aborted) throw error;
      failures.push(error);
    }
  }
  const [only] = failures;
  if (failures.length === 1 && only) throw only;
  const reason = failures.map(({ data }, index) => `${hostOf(bases[index])}: ${String(data.reason)}`).join('; ');
  const times = failures.flatMap(({ data }) => (typeof data.resumesAt === 'string' ? [data.resumesAt] : []));
  const resumesAt = times.length === failures.length ? times.sort()[0] : undefined;
  throw new FettleError('source_unreachable', {
    data: { source: describeSource(source), reason, resumesAt },
    retryable: true,
  });
}

async function askOne(
  deps: ForgeDeps,
  source: ForgeSource,
  base: string,
  { path, etag, signal }: ApiQuestion,
): Promise<ApiAnswer | undefined> {
  const name = describeSource(source);
  const fail = (code: 'source_unreachable' | 'source_invalid', reason: string, cause?: unknown) =>
    new FettleError(code, { data: { source: name, reason }, retryable: code === 'source_unreachable', cause });
  const token = tokenOf(deps, source, base);
  const start = new URL(`${base.replace(/\/$/, '')}/repos/${source.repo}/${path}`);
  const problem = addressProblem(start.href);
  if (problem !== undefined) throw fail('source_invalid', problem);
  const timeoutMs = deps.timeoutMs ?? 30_000;
  const timeout = AbortSignal.timeout(timeoutMs);
  let url = start;
  try {
    for (let redirects = 0; ; redirects += 1) {
      const headers = apiHeaders(source, url.origin === start.origin ? token : undefined);
      if (etag?.base === base) headers['if-none-match'] = etag.etag;
      const response = await deps.fetch(url, {
        headers,
        redirect: 'manual',
        signal: AbortSignal.any([signal, timeout]),
      });
      const { status } = response;
      // A repository that was renamed or given away: 301; Gitea also says 307.
      if ([301, 302, 307, 308].includes(status)) {
        await response.body?.cancel();
        if (redirects >= MAX_REDIRECTS) throw fail('source_invalid', 'it redirects without end');
        const next = followRedirect(url, response.headers.get('location'));
        if (typeof next === 'string') throw fail('source_invalid', next);
        url = next;
        continue;
      }
      if (status === 304 && etag?.base === base) {
        return { base, etag: etag.etag, json: undefined, more: undefined };
      }
      if (status !== 200) {
        const message = messageOf(String(await readBytes(response, 20_000).catch(() => '')));
        const of = { source, base, path, status, message, headers: response.headers, token: token !== undefined };
        return refusal(of, deps.clock);
      }
      const text = await readBytes(response, MAX_BYTES);
      if (text === undefined) throw tooLarge(name);
      const link = response.headers.get('link');
      return {
        base,
        etag: response.headers.get('etag') ?? undefined,
        json: parseJson(text.toString('utf8'), (reason, cause) => fail('source_unreachable', reason, cause)),
        more: link === null ? undefined : /;\s*rel="?next"?/.test(link),
      };
    }
  } catch (error) {
    if (error instanceof FettleError) throw error;
    const reason = signal.aborted
      ? 'the request was called off'
      : timeout.aborted
        ? `${url.host} did not answer within ${timeoutMs / 1_000} s`
        : networkReason(systemCodeOf(error), url.host);
    throw fail('source_unreachable', reason, error);
  }
}

function apiHeaders(source: ForgeSource, token: string | undefined): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': 'fettle' };
  if (source.kind === 'github') {
    headers.accept = 'application/vnd.github+json';
    headers['x-github-api-version'] = '2022-11-28';
  } else headers.accept = 'application/json';
  if (token !== undefined) headers.authorization = authorization(source, token);
  return headers;
}

/** GitHub's and Gitea's words differ. */
export function authorization(source: ForgeSource, token: string): string {
  return source.kind === 'github' ? `Bearer ${token}` : `token ${token}`;
}

function tooLarge(source: string): FettleError {
  const reason = `its answer is larger than ${MAX_BYTES / 1e6} MB`;
  return new FettleError('source_invalid', { data: { source, reason, limit: MAX_BYTES, final: true } });
}

/** A body; `undefined` where it is larger. */
export async function readBytes(response: Response, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(text: string, fail: (reason: string, cause: unknown) => FettleError): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const page = /^\s*</.test(text);
    throw fail(
      page ? 'it answered with a web page (is the address right, or is there a sign-in?)' : 'its answer is not JSON',
      error,
    );
  }
}

/** What the server says of a refusal, fit for people. */
function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    return typeof message === 'string' ? message.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 160) : '';
  } catch {
    return '';
  }
}

function hostOf(address: string | undefined): string {
  return address === undefined ? '' : new URL(address).host;
}
