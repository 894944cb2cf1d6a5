import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import { FettleError, isErrorCode, systemCodeOf } from '../../domain/errors.ts';

/** One request of `fettle enroll` to the hub, which is who it must be before anything is sent. */

export interface HubAnswer {
  readonly status: number;
  readonly body: string;
}

const ANSWER_MS = 60_000;
const MAX_ANSWER = 256 * 1024;

/**
 * @param pin `sha256/BASE64` of the SPKI of the hub's certificate; it takes the place of authorities and of the name
 * @throws {FettleError} `hub_unreachable` · `bad_signature` where another answers
 */
export async function askHub(url: URL, body: string, pin: string | undefined): Promise<HubAnswer> {
  const secure = url.protocol === 'https:';
  const port = Number(url.port || (secure ? 443 : 80));
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket = secure ? await connectTls(host, port, pin) : undefined;
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        method: 'POST',
        host,
        port,
        path: url.pathname,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), host: url.host },
        signal: AbortSignal.timeout(ANSWER_MS),
        ...(socket ? { createConnection: () => socket } : {}),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
          if (text.length > MAX_ANSWER) sent.destroy(new Error('the answer is too long'));
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.once('error', reject);
      },
    );
    sent.once('error', (error) => reject(unreachable(url, error)));
    sent.end(body);
  });
}

async function connectTls(host: string, port: number, pin: string | undefined): Promise<TLSSocket> {
  const { connect } = await import('node:tls');
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...(isIP(host) ? {} : { servername: host }),
      // The pin is compared below, before a byte is sent.
      ...(pin === undefined ? {} : { rejectUnauthorized: false }),
      timeout: ANSWER_MS,
    });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.once('timeout', () => fail(unreachable(`${host}:${port}`, new Error('it does not answer'))));
    socket.once('error', (error) => fail(unreachable(`${host}:${port}`, error)));
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate();
      if (pin !== undefined && pinOf(raw) !== pin) {
        fail(new FettleError('hub_not_proven', { data: { hub: `${host}:${port}` } }));
        return;
      }
      resolve(socket);
    });
  });
}

/** `sha256/BASE64` of a certificate's public key. */
export function pinOf(certificate: Buffer): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(key).digest('base64')}`;
}

function unreachable(hub: URL | string, error: Error): FettleError {
  const code = systemCodeOf(error);
  const reason = [String(typeof hub === 'string' ? hub : hub.host), code ?? error.message].join(': ');
  return new FettleError('hub_unreachable', { data: { reason }, retryable: true, cause: error });
}

const Refusal = z.object({ code: z.string(), data: z.record(z.string(), z.unknown()).optional(), text: z.string() });

/** What the hub said no to, in its words where this Fettle does not know the code. */
export function refusalOf({ status, body }: HubAnswer): FettleError {
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    raw = undefined;
  }
  const parsed = Refusal.safeParse(raw);
  if (!parsed.success || !isErrorCode(parsed.data.code)) {
    const reason = parsed.success
      ? parsed.data.text.slice(0, 300)
      : `it answered ${status}, and is perhaps no hub of Fettle`;
    return new FettleError('hub_unreachable', { data: { reason } });
  }
  const data = Object.fromEntries(
    Object.entries(parsed.data.data ?? {}).filter(([, value]) =>
      ['string', 'number', 'boolean'].includes(typeof value),
    ),
  );
  return new FettleError(parsed.data.code, { data: data as Record<string, string> });
}
