import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { WebSocket, WebSocketServer } from 'ws';

/**
 * The library's gateway takes no proxy: it dials, through this, an address on this machine, from which each connection
 * goes on through the proxy (CONNECT) to the gateway. Nobody else can use it: the way in is random.
 */

export interface Relay {
  /** The address to dial instead of one of the gateway's. */
  address(gateway: string): string;
  /** Why the last connection did not come about. */
  problem(): string | undefined;
  close(): Promise<void>;
}

const HANDSHAKE_MS = 9_000;

export async function startRelay(proxy: string): Promise<Relay> {
  const secret = randomBytes(24).toString('base64url');
  const agent = new HttpsProxyAgent(proxy);
  const sockets = new WebSocketServer({ noServer: true });
  const open = new Set<WebSocket>();
  let problem: string | undefined;
  const server: Server = createServer((_, response) => response.writeHead(404).end());

  server.on('upgrade', (request, socket: Duplex, head) => {
    socket.on('error', () => socket.destroy());
    const [, given, target] = /^\/([\w-]+)\/([\w-]+)(?=\?|$)/.exec(request.url ?? '') ?? [];
    if (given !== secret || target === undefined) return void socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
    const query = /\?.*$/.exec(request.url ?? '')?.[0] ?? '';
    const far = new WebSocket(`${Buffer.from(target, 'base64url').toString()}${query}`, {
      agent,
      handshakeTimeout: HANDSHAKE_MS,
    });
    open.add(far);
    far.on('close', () => open.delete(far));
    socket.on('close', () => far.terminate());
    let joined = false;
    far.on('error', (error) => {
      problem = `through the proxy: ${error.message}`.slice(0, 200);
      if (!joined) socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n');
    });
    far.on('open', () => {
      problem = undefined;
      joined = true;
      sockets.handleUpgrade(request, socket, head, (near) => join(near, far));
    });
    // What comes before both are joined must not be lost.
    far.pause();
    far.once('open', () => far.resume());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  const own = `ws://127.0.0.1:${port}/${secret}/`;
  return {
    address: (gateway) => (gateway.startsWith(own) ? gateway : `${own}${Buffer.from(gateway).toString('base64url')}`),
    problem: () => problem,
    async close() {
      for (const socket of open) socket.terminate();
      agent.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Messages, and how it ended, both ways. */
function join(near: WebSocket, far: WebSocket): void {
  const pipe = (from: WebSocket, to: WebSocket) => {
    from.on('message', (data, isBinary) => {
      if (to.readyState === WebSocket.OPEN) to.send(data as Buffer, { binary: isBinary });
    });
    from.on('error', () => to.terminate());
    from.on('close', (code, reason) => {
      // 1005 and 1006 say that there was no code: they can't be sent.
      if (code === 1005 || code === 1006 || code === 1015) to.terminate();
      else if (to.readyState <= WebSocket.OPEN) to.close(code, reason);
    });
  };
  pipe(near, far);
  pipe(far, near);
}
