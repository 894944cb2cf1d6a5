import { isLoopback, leadsHere } from '../domain/loopback.ts';

/** Which addresses Fettle fetches from: https; http only to this machine itself. Pure. */

/** What is wrong with an address, in words for people; `undefined` where nothing is. */
export function addressProblem(address: string): string | undefined {
  if (!URL.canParse(address)) return 'this is not an address';
  const url = new URL(address);
  if (url.username !== '' || url.password !== '') return 'an address with a name or password in it is not used';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol !== 'http:') return `${url.protocol.slice(0, -1)} is not used, only https`;
  return isLoopback(url.hostname) ? undefined : 'http is used to this machine itself only; use https';
}

/**
 * Where a redirect leads, or what is wrong with it. The rules for addresses hold again, and a remote server cannot
 * send us to services of this machine.
 *
 * @param location the Location header
 */
export function followRedirect(from: URL, location: string | null | undefined): URL | string {
  if (!location || !URL.canParse(location, from.href)) return 'it redirects without saying where to';
  const to = new URL(location, from);
  const problem = addressProblem(to.href);
  if (problem !== undefined) return `it redirects to ${showAddress(to)}: ${problem}`;
  if (leadsHere(to.hostname) && !leadsHere(from.hostname)) return 'it redirects to this machine itself';
  return to;
}

/** Redirects that are followed, at most. */
export const MAX_REDIRECTS = 5;

/** Without query, fragment and credentials: fit for people and logs. */
export function showAddress(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** The system's code of a failed connection, in words. */
export function networkReason(code: string | undefined, host: string): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${host} could not be resolved`;
    case 'ECONNREFUSED':
      return `${host} refused the connection`;
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return `${host} broke the connection off`;
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return `${host} did not answer in time`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no route to ${host}`;
    default:
      return /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code ?? '')
        ? `the certificate of ${host} is not trusted (${code})`
        : `${host} could not be asked${code ? ` (${code})` : ''}`;
  }
}
