import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/**
 * An HTTP proxy on loopback that knows CONNECT alone (RFC 9110, 9.3.6), as chats are reached through: it counts, and
 * refuses on command. What is asked of it without CONNECT is answered 405, so that a client that does not tunnel shows.
 */

export interface ConnectProxy {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `host:port` of every tunnel that was made, in order. */
  readonly tunnels: readonly string[];
  /** `host:port` of every CONNECT that was refused. */
  readonly refused: readonly string[];
  /** Requests that were no CONNECT: nobody should make them. */
  readonly plain: readonly string[];
  /** Tunnels that are open now. */
  open(): number;
  /** From now on CONNECT is answered with this status (407, 502, …); `undefined`: tunnels are made. */
  refuse(status: number | undefined): void;
  /** From now on CONNECT is taken and never answered; tunnels that are open carry nothing more. */
  hang(on: boolean): void;
  /** Cuts the tunnels that are open. */
  cut(): void;
  close(): Promise<void>;
}

export interface ConnectProxyOptions {
  /** Asked for in `Proxy-Authorization: Basic`; anything else is answered 407. */
  readonly credentials?: { readonly user: string; readonly password: string } | undefined;
}

export async function startConnectProxy({ credentials }: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const tunnels: string[] = [];
  const refused: string[] = [];
  const plain: string[] = [];
  const sockets = new Set<Socket>();
  let status: number | undefined;
  let hanging = false;
  const expected =
    credentials && `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`;

  const server = createServer((request, response) => {
    plain.push(`${request.method} ${request.url}`);
    response.writeHead(405).end();
  });
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  server.on('connection', keep);
  server.on('connect', (request, socket: Socket, head: Buffer) => {
    const target = request.url ?? '';
    const [, host, port] = /^\[?([^\]]+)\]?:(\d+)$/.exec(target) ?? [];
    const answer = expected && request.headers['proxy-authorization'] !== expected ? 407 : status;
    if (answer !== undefined || !host || !port) {
      refused.push(target);
      socket.end(`HTTP/1.1 ${answer ?? 400} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    if (hanging) return;
    const far = connect(Number(port), host, () => {
      tunnels.push(target);
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) far.write(head);
      far.on('data', (data) => hanging || socket.write(data));
      socket.on('data', (data) => hanging || far.write(data));
    });
    keep(far);
    const pair = { far, socket };
    pairs.add(pair);
    const both = () => {
      pairs.delete(pair);
      far.destroy();
      socket.destroy();
    };
    far.on('close', both);
    socket.on('close', both);
  });
  const pairs = new Set<{ readonly far: Socket; readonly socket: Socket }>();

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    tunnels,
    refused,
    plain,
    open: () => pairs.size,
    refuse(given) {
      status = given;
    },
    hang(on) {
      hanging = on;
    },
    cut() {
      for (const { far, socket } of pairs) {
        far.destroy();
        socket.destroy();
      }
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
