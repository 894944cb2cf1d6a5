import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { HomeLayout } from '../../config/home.ts';
import type { HubConfig } from '../../config/hub-schema.ts';
import { FettleError } from '../domain/errors.ts';
import { dialAddress, isWildcard, parseListen } from '../domain/listen.ts';
import { readTrimmed, writeDurably } from '../files/durable.ts';
import { VERSION } from './version.ts';

/** Answers a request, or says `false`: then the next one is asked. Must not throw. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Where devices find this hub. */
export interface HubReach {
  /** `wss://HOST:PORT/agent`. */
  readonly address: string;
  /** `sha256/BASE64` of the SPKI of a certificate that no authority vouches for. */
  readonly certificate: string | undefined;
}

export interface HubListener {
  /** What agents connect to; each passes requests to the same handlers. */
  readonly servers: readonly Server[];
  /** Answers the port on loopback, which is written down for the agent of this home. @throws {FettleError} `port_in_use` */
  listen(fromEnvironment: number | 'invalid' | undefined, fromFile: number): Promise<number>;
  /** What a device is given when it enrols; loopback where the hub listens nowhere else. Right once it listens. */
  reach(): HubReach;
  /** Looks now whether the certificate was renewed, rather than within a minute. */
  renew(): void;
  close(): void;
}

export interface ListenerDeps {
  readonly layout: HomeLayout;
  readonly hub: HubConfig['hub'];
  /** Relative names of certificates are beside it. */
  readonly configFile: string;
  /** PATH, for `openssl`. */
  readonly path: string;
  /** Asked in this order; where none answers it is 404. */
  readonly handlers: readonly HttpHandler[];
  readonly log: (line: string) => void;
}

/** Certificates are renewed while the hub runs; it looks this often. */
const RENEWAL_LOOK_MS = 60_000;
/** Who connects and says nothing is not waited for longer; and so many may be connected. */
const HEADERS_MS = 10_000;
const MOST_CONNECTIONS = 20_000;

/**
 * One listener on loopback, for the agent of this home and for a proxy, and one more where the file says `listen`.
 * @throws {FettleError} `tls_unusable`
 */
export async function createHubListener(deps: ListenerDeps): Promise<HubListener> {
  const { layout, hub, handlers } = deps;
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    for (const answers of handlers) if (answers(request, response)) return;
    answerJson(response, 404, { error: 'not found' });
  };
  const local = createServer(handle);
  const at = hub.listen === undefined ? undefined : parseListen(hub.listen);
  const shown = hub.tls === undefined ? undefined : await openShown(hub.tls, deps);
  const secure = shown && (await import('node:https')).createServer({ ...shown.now(), minVersion: 'TLSv1.2' }, handle);
  const open = at && (secure ?? createServer(handle));
  for (const server of open ? [local, open] : [local]) {
    server.headersTimeout = HEADERS_MS;
    server.maxConnections = MOST_CONNECTIONS;
  }
  const renew = () => shown?.renewed((next) => secure?.setSecureContext({ ...next, minVersion: 'TLSv1.2' }));
  const look = secure && setInterval(renew, RENEWAL_LOOK_MS).unref();
  let port = 0;
  let openPort = 0;

  function reach(): HubReach {
    const certificate = shown?.now().selfSigned ? shown.now().pin : undefined;
    if (hub.publicUrl !== undefined) return { address: dialAddress(hub.publicUrl), certificate };
    if (!at) return { address: `ws://127.0.0.1:${port}/agent`, certificate: undefined };
    // An authority's certificate is good for its names only.
    const named = certificate === undefined ? shown?.now().names[0] : undefined;
    const host = named ?? (isWildcard(at.host) ? ownAddress() : at.host);
    const address = host.includes(':') ? `[${host}]` : host;
    return { address: `${shown ? 'wss' : 'ws'}://${address}:${openPort}/agent`, certificate };
  }

  return {
    servers: open ? [local, open] : [local],
    async listen(fromEnvironment, fromFile) {
      port = await listenOnLoopback(local, layout, fromEnvironment, fromFile);
      if (open && at) {
        openPort = await listenForDevices(open, at, deps);
        deps.log(`devices reach the hub at ${reach().address}`);
      }
      return port;
    },
    reach,
    renew,
    close() {
      clearInterval(look);
      local.close();
      open?.close();
    },
  };
}

/** The certificate that is shown, and the next one once it can be read: in the middle of a renewal it can't. */
async function openShown(tls: NonNullable<HubConfig['hub']['tls']>, { layout, configFile, path, log }: ListenerDeps) {
  const { certificateFiles, changeOf, makeCertificate, readCertificate } = await import('./hub-certificate.ts');
  const files = certificateFiles(tls, layout, configFile);
  if (tls === 'self-signed') await makeCertificate(files, path);
  let seen = changeOf(files);
  let now = readCertificate(files);
  return {
    now: () => now,
    renewed(use: (next: { readonly cert: string; readonly key: string }) => void): void {
      const change = changeOf(files);
      if (change === seen) return;
      seen = change;
      try {
        const next = readCertificate(files);
        use(next);
        now = next;
        log(`the certificate in ${files.cert} was renewed`);
      } catch (error) {
        log(`the certificate changed, and can't be used; the one before stays: ${String(error)}`);
      }
    },
  };
}

/** An address of this machine that others may dial. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  return (outside.find(({ family }) => family === 'IPv4') ?? outside[0])?.address ?? hostname();
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** `GET /healthz`: whether the hub is well. Agents' connections are the gateway's. */
export function healthHandler(waitingFor: () => readonly string[]): HttpHandler {
  return (request, response) => {
    if (request.method !== 'GET' || request.url !== '/healthz') return false;
    const waits = waitingFor();
    answerJson(response, waits.length > 0 ? 503 : 200, { version: VERSION, waitingFor: waits });
    return true;
  };
}

/** 0 means: the port of the last time, else any free one. What was taken is written down for the agent. */
async function listenOnLoopback(
  server: Server,
  layout: HomeLayout,
  fromEnvironment: number | 'invalid' | undefined,
  fromFile: number,
): Promise<number> {
  if (fromEnvironment === 'invalid')
    throw new FettleError('bad_arguments', { data: { reason: 'FETTLE_PORT is not a port' } });
  const wanted = fromEnvironment ?? fromFile;
  const kept = Number(readTrimmed(layout.hub.port));
  const tries = wanted !== 0 ? [wanted] : Number.isInteger(kept) && kept > 0 ? [kept, 0] : [0];
  for (const [index, port] of tries.entries()) {
    try {
      const taken = await take(server, port, '127.0.0.1');
      writeDurably(layout.hub.port, `${taken}\n`);
      return taken;
    } catch (error) {
      if (index < tries.length - 1) continue;
      throw error;
    }
  }
  throw new FettleError('port_in_use', { data: { port: wanted } });
}

/**
 * 0 means the same here. Devices have been told that port: where it is taken by now, those that joined before do not find
 * the hub at another, which the log says.
 */
async function listenForDevices(
  server: Server,
  at: { readonly host: string; readonly port: number },
  { layout, log }: Pick<ListenerDeps, 'layout' | 'log'>,
): Promise<number> {
  if (at.port !== 0) return take(server, at.port, at.host);
  const kept = Number(readTrimmed(layout.hub.openPort));
  const known = Number.isInteger(kept) && kept > 0;
  const again = known ? await take(server, kept, at.host).catch(() => undefined) : undefined;
  const port = again ?? (await take(server, 0, at.host));
  if (!known) writeDurably(layout.hub.openPort, `${port}\n`);
  else if (port !== kept)
    log(
      `port ${kept}, which devices were told, is taken by another program: until the hub has it again, only devices that join now find it, at ${port}. Name a port in hub.listen`,
    );
  return port;
}

/** @throws {FettleError} `port_in_use {port, reason}`, also for an address that is not this machine's */
async function take(server: Server, port: number, host: string): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    const address = host === '127.0.0.1' ? undefined : `${host}:${port}`;
    throw new FettleError('port_in_use', { data: { port, address, reason }, cause: error });
  } finally {
    server.removeAllListeners('error');
  }
  return (server.address() as AddressInfo).port;
}
