import { createHash, type X509Certificate } from 'node:crypto';
import { type AgentOptions, request } from 'node:http';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { HubIdentity } from './hub-identity.ts';

/** As Node's HTTP client wants it: the socket comes when it may be written to, and not before. */
export type CreateConnection = (
  options: AgentOptions & { readonly host?: string; readonly port?: number | string },
  done: (error: Error | null, socket?: Socket) => void,
) => undefined;

/**
 * How the hub is connected to where Node's own way is not enough: its certificate is pinned, or a proxy is between.
 * `undefined`: Node's own way, with its authorities.
 *
 * With a pin the certificate must have that key, and then neither authorities nor names nor its dates count: whoever
 * enrolled the device vouched for the key itself. It is looked at before the first byte of ours is sent.
 *
 * @param proxy `http://[USER:PASSWORD@]HOST:PORT`, asked with CONNECT
 * @param limitMs after which an attempt is given up
 */
export function connectionTo(
  hub: HubIdentity,
  proxy: string | undefined,
  limitMs: number,
): CreateConnection | undefined {
  const pin = hub.certificate;
  const secure = hub.address.startsWith('wss:');
  if (proxy === undefined && (pin === undefined || !secure)) return undefined;
  return (options, done) => {
    const host = String(options.host ?? '').replace(/^\[|\]$/g, '');
    const port = Number(options.port ?? (secure ? 443 : 80));
    let current: Socket | undefined;
    let over = false;
    const timer = setTimeout(() => end(new Error('no answer in time')), limitMs);
    const end = (error: Error | null, socket?: Socket) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (error) current?.destroy();
      else current?.off('error', end).off('close', closed);
      done(error, socket);
    };
    const closed = () => end(new Error('the connection was closed'));
    const watch = <T extends Socket>(socket: T): T => {
      current = socket;
      socket.on('error', end).on('close', closed);
      return socket;
    };
    const secured = (below: Socket | undefined) => {
      below?.off('error', end).off('close', closed);
      const made: TLSSocket = watch(
        tlsConnect({
          ...(below ? { socket: below } : { port }),
          host,
          ...(isIP(host) === 0 ? { servername: host } : {}),
          minVersion: 'TLSv1.2',
          rejectUnauthorized: pin === undefined,
        }),
      );
      made.once('secureConnect', () => {
        if (pin === undefined) return end(null, made);
        const shown = made.getPeerX509Certificate();
        if (shown && pinOf(shown) === pin) end(null, made);
        else end(new Error("the hub's certificate is not the one that this device was given (bad_signature)"));
      });
    };
    if (proxy === undefined) secured(undefined);
    else
      tunnel(proxy, `${isIP(host) === 6 ? `[${host}]` : host}:${port}`, watch, (error, socket) => {
        if (error || !socket || over) return end(error ?? new Error('no tunnel'));
        if (secure) secured(socket);
        else end(null, socket);
      });
    return undefined;
  };
}

function tunnel(
  proxy: string,
  target: string,
  watch: (socket: Socket) => Socket,
  done: (error: Error | null, socket?: Socket) => void,
): void {
  const { protocol, hostname, port, username, password } = new URL(proxy);
  const host = hostname.replace(/^\[|\]$/g, '');
  const secure = protocol === 'https:';
  const socket = watch(
    secure
      ? tlsConnect({ host, port: Number(port || 443), ...(isIP(host) === 0 ? { servername: host } : {}) })
      : netConnect({ host, port: Number(port || 80) }),
  );
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const asked = request({
    method: 'CONNECT',
    path: target,
    headers: {
      host: target,
      ...(username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` }),
    },
    createConnection: () => socket,
  });
  asked.once('connect', (response, through: Socket, head: Buffer) => {
    if (response.statusCode !== 200) return done(new Error(`the proxy answers ${response.statusCode}`));
    if (head.length > 0) through.unshift(head);
    done(null, through);
  });
  asked.once('response', (response) => done(new Error(`the proxy answers ${response.statusCode}`)));
  asked.once('error', (error) => done(error));
  asked.end();
}

function pinOf(certificate: X509Certificate): string {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(spki).digest('base64')}`;
}
