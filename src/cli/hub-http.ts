import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HomeLayout } from '../../config/home.ts';
import { FettleError } from '../domain/errors.ts';
import { readTrimmed, writeDurably } from '../files/durable.ts';
import { VERSION } from './version.ts';

/** What the hub serves over HTTP: whether it is well. Agents' connections are the gateway's. */
export function createHubServer(waitingFor: () => readonly string[]): Server {
  return createServer((request, response) => {
    const known = request.method === 'GET' && request.url === '/healthz';
    const waits = known ? waitingFor() : [];
    response.writeHead(!known ? 404 : waits.length > 0 ? 503 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(known ? { version: VERSION, waitingFor: waits } : { error: 'not found' }));
  });
}

/** 0 means: the port of the last time, else any free one. What was taken is written down for the agent. */
export async function listen(
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
