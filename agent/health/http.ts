import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { listeningPorts } from '../keeper/processes.ts';
import type { Check } from './contract.ts';
import { reportedVersion } from './reported-version.ts';

const MAX_BODY = 64 * 1024;

/** Answers 2xx on an address whose port the app itself owns; says its version where the configuration names a path. */
export const httpCheck: Check = {
  kind: 'http',
  applies: (health) => health.http !== undefined,
  async look(subject, health, signal) {
    const url = new URL(health.http ?? '');
    let answer: { readonly status: number; readonly body: string };
    try {
      answer = await fetchOnce(url, AbortSignal.any([signal, AbortSignal.timeout(health.timeout)]));
    } catch (error) {
      signal.throwIfAborted();
      return { good: false, reason: `${url.host} does not answer (${reasonOf(error)})` };
    }
    if (answer.status < 200 || answer.status > 299)
      return { good: false, reason: `${url.host} answered with status ${answer.status}` };
    if (isLoopback(url.hostname) && !listeningPorts(await subject.pids()).includes(portOf(url))) {
      return { good: false, reason: `port ${portOf(url)} belongs to another program` };
    }
    if (health.version === undefined) return { good: true };
    const version = reportedVersion(answer.body, health.version);
    if (version === undefined)
      return {
        good: false,
        reason: health.version === '.' ? 'its answer is empty' : `its answer has no ${health.version}`,
      };
    return { good: true, version };
  },
};

/** One request on a connection of its own; the body is cut at 64 KB. @throws the system's error, or the signal's */
export function fetchOnce(url: URL, signal: AbortSignal): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const get = url.protocol === 'https:' ? httpsGet : httpGet;
    const request = get(url, { agent: false, signal, headers: { connection: 'close' } }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (body.length < MAX_BODY) body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** A word for people: why a connection failed. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ECONNRESET') return 'connection lost';
  if (code === 'ABORT_ERR' || (error as Error).name === 'AbortError') return 'too slow';
  return code ?? 'no answer';
}

const portOf = (url: URL) => Number(url.port || (url.protocol === 'https:' ? 443 : 80));
export const isLoopback = (host: string) =>
  host === 'localhost' || host === '[::1]' || host === '::1' || /^127\./.test(host);
