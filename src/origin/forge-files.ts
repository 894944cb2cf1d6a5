import { createHash } from 'node:crypto';
import { describeSource } from '../domain/app.ts';
import { FettleError, systemCodeOf } from '../domain/errors.ts';
import { type ForgeSource, mirrored } from '../domain/forge.ts';
import { leadsHere } from '../domain/loopback.ts';
import { addressProblem, followRedirect, MAX_REDIRECTS, networkReason } from './address.ts';
import { authorization, type ForgeDeps, readBytes } from './forge-api.ts';
import type { ForgeAsset, ForgeRelease } from './forge-releases.ts';
import { tokenOf } from './forge-token.ts';

/** Where the files of a release can be had. A mirror carries bytes; what they must be is known from elsewhere. */

/** One place of a file. */
export interface FileAddress {
  readonly url: URL;
  /** For this address's own host; never for one that it redirects to. */
  readonly headers: Readonly<Record<string, string>>;
  readonly mirror: boolean;
}

/** A file with checksums or a signature. */
const MAX_TEXT = 1_000_000;

/**
 * Mirrors in their order, then the origin. With a token GitHub's file comes from its API, which redirects to storage; Gitea's
 * comes from its own address.
 */
export function fileAddresses(
  deps: ForgeDeps,
  source: ForgeSource,
  { base }: Pick<ForgeRelease, 'base'>,
  asset: ForgeAsset,
): readonly FileAddress[] {
  const invalid = (reason: string) =>
    new FettleError('source_invalid', { data: { source: describeSource(source), reason: `${asset.name}: ${reason}` } });
  const check = (address: string): URL => {
    const problem = addressProblem(address);
    if (problem !== undefined) throw invalid(problem);
    return new URL(address);
  };
  const page = check(asset.url);
  // A server elsewhere has no say in what is asked of this machine's own services.
  if (leadsHere(page.hostname) && !leadsHere(new URL(base).hostname)) {
    throw invalid(`the server says that it is at ${page.origin}, which is this machine itself (a Gitea's ROOT_URL?)`);
  }
  const token = tokenOf(deps, source, base);
  const own = new URL(base).origin;
  const direct = token !== undefined && asset.apiUrl !== undefined ? check(asset.apiUrl) : page;
  const headers: Record<string, string> = {};
  if (token !== undefined && direct.origin === own) {
    headers.authorization = authorization(source, token);
    if (source.kind === 'github') {
      headers.accept = 'application/octet-stream';
      headers['x-github-api-version'] = '2022-11-28';
    }
  }
  // An address of another host than the API's is of no use with a token that is not sent there.
  const origin = Object.keys(headers).length > 0 ? direct : page;
  return [
    ...(source.mirrors ?? []).map((mirror) => ({ url: check(mirrored(mirror, page)), headers: {}, mirror: true })),
    { url: origin, headers, mirror: false },
  ];
}

/**
 * A small file of a release. From a mirror only where the API says its digest, or where `proven` (it is a signature,
 * and proves itself).
 *
 * @throws {FettleError} `source_unreachable` with every address's reason
 */
export async function fetchText(
  deps: ForgeDeps,
  source: ForgeSource,
  release: ForgeRelease,
  asset: ForgeAsset,
  signal: AbortSignal,
  proven = false,
): Promise<string> {
  const reasons: string[] = [];
  for (const address of fileAddresses(deps, source, release, asset)) {
    if (address.mirror && asset.sha256 === undefined && !proven) continue;
    const answer = await fetchOne(deps, address, signal);
    if (signal.aborted) break;
    if ('reason' in answer) {
      reasons.push(`${address.url.host}: ${answer.reason}`);
      continue;
    }
    const found = createHash('sha256').update(answer.bytes).digest('hex');
    if (asset.sha256 === undefined || asset.sha256 === found) return answer.bytes.toString('utf8');
    reasons.push(`${address.url.host}: its sha256 is not the one that the API names`);
  }
  throw new FettleError('source_unreachable', {
    data: { source: describeSource(source), reason: `${asset.name} could not be read (${reasons.join('; ')})` },
    retryable: true,
  });
}

async function fetchOne(
  deps: ForgeDeps,
  address: FileAddress,
  signal: AbortSignal,
): Promise<{ readonly bytes: Buffer } | { readonly reason: string }> {
  // Behind a mirror there is always another address.
  const timeoutMs = Math.min(deps.timeoutMs ?? 30_000, address.mirror ? 10_000 : 30_000);
  const timeout = AbortSignal.timeout(timeoutMs);
  let { url } = address;
  try {
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const own = url.origin === address.url.origin ? address.headers : {};
      const response = await deps.fetch(url, {
        headers: { 'user-agent': 'fettle', ...own },
        redirect: 'manual',
        signal: AbortSignal.any([signal, timeout]),
      });
      if ([301, 302, 303, 307, 308].includes(response.status)) {
        await response.body?.cancel();
        const next = followRedirect(url, response.headers.get('location'));
        if (typeof next === 'string') return { reason: next };
        url = next;
        continue;
      }
      if (response.status !== 200) {
        await response.body?.cancel();
        return { reason: response.status === 404 ? 'it is not there (404)' : `it answered ${response.status}` };
      }
      const bytes = await readBytes(response, MAX_TEXT);
      return bytes === undefined ? { reason: 'it is larger than 1 MB' } : { bytes };
    }
    return { reason: 'it redirects without end' };
  } catch (error) {
    if (timeout.aborted) return { reason: `it did not answer within ${timeoutMs / 1_000} s` };
    return { reason: networkReason(systemCodeOf(error), url.host) };
  }
}
