import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HomeLayout } from '../../config/home.ts';
import { FettleError } from '../domain/errors.ts';
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
  close(): void;
}

/** @param handlers asked in this order; where none answers it is 404 */
export function createHubListener(deps: {
  readonly layout: HomeLayout;
  readonly handlers: readonly HttpHandler[];
}): HubListener {
  const { layout, handlers } = deps;
  const local = createServer((request, response) => {
    for (const handle of handlers) if (handle(request, response)) return;
    answerJson(response, 404, { error: 'not found' });
  });
  let port = 0;
  return {
    servers: [local],
    async listen(fromEnvironment, fromFile) {
      port = await listenOnLoopback(local, layout, fromEnvironment, fromFile);
      return port;
    },
    reach: () => ({ address: `ws://127.0.0.1:${port}/agent`, certificate: undefined }),
    close: () => local.close(),
  };
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
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
      const taken = (server.address() as AddressInfo).port;
      writeDurably(layout.hub.port, `${taken}\n`);
      return taken;
    } catch (error) {
      server.removeAllListeners('error');
      if (index < tries.length - 1) continue;
      throw new FettleError('port_in_use', {
        data: { port, reason: (error as NodeJS.ErrnoException).code },
        cause: error,
      });
    }
  }
  throw new FettleError('port_in_use', { data: { port: wanted } });
}
