import { createConnection, type Socket } from 'node:net';
import type { KeeperOp, KeeperRequests, KeeperResponse } from './protocol.ts';

/** An answer of the keeper that is a refusal. `code` is the keeper's own. */
export class KeeperRefusal extends Error {
  override readonly name = 'KeeperRefusal';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Asks the keeper. Each call has a deadline; a keeper that is restarted meanwhile is found again. */
export interface KeeperClient {
  ask<Op extends KeeperOp>(
    op: Op,
    params: KeeperRequests[Op]['params'],
    options?: { readonly timeoutMs?: number },
  ): Promise<KeeperRequests[Op]['result']>;
  close(): void;
}

const RECONNECT_MS = 50;

/**
 * A client of the socket at `path`. Connects at the first call and again when the connection is lost.
 * Requests are safe to repeat, so one that was under way when the keeper died is sent again within its deadline.
 *
 * @throws {KeeperRefusal} where the keeper says no; an Error with the socket's cause when the deadline (10 s) passes
 */
export function createKeeperClient(path: string): KeeperClient {
  let socket: Socket | undefined;
  let connecting: Promise<Socket> | undefined;
  let nextId = 1;
  const waiting = new Map<number, { resolve: (response: KeeperResponse) => void; reject: (error: Error) => void }>();

  function connect(): Promise<Socket> {
    if (socket && !socket.destroyed) return Promise.resolve(socket);
    // Shared by all who ask at once: a second connection would be nobody's to close.
    connecting ??= dial().finally(() => {
      connecting = undefined;
    });
    return connecting;
  }

  function dial(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const made = createConnection(path);
      let buffered = '';
      made.setEncoding('utf8');
      made.once('connect', () => {
        socket = made;
        resolve(made);
      });
      made.on('data', (chunk: string) => {
        buffered += chunk;
        for (let end = buffered.indexOf('\n'); end >= 0; end = buffered.indexOf('\n')) {
          const response = JSON.parse(buffered.slice(0, end)) as KeeperResponse;
          buffered = buffered.slice(end + 1);
          waiting.get(response.id)?.resolve(response);
        }
      });
      made.on('error', reject);
      made.on('close', () => {
        if (socket === made) socket = undefined;
        for (const request of waiting.values()) request.reject(new Error('the keeper closed the connection'));
      });
    });
  }

  async function once(op: KeeperOp, params: object, leftMs: number): Promise<KeeperResponse> {
    const connection = await connect();
    const id = nextId++;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<KeeperResponse>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        timer = setTimeout(() => reject(new Error(`the keeper did not answer ${op} in time`)), leftMs);
        connection.write(`${JSON.stringify({ id, op, ...params })}\n`);
      });
    } finally {
      clearTimeout(timer);
      waiting.delete(id);
    }
  }

  return {
    async ask(op, params, { timeoutMs = 10_000 } = {}) {
      const end = performance.now() + timeoutMs;
      for (;;) {
        try {
          const response = await once(op, params, Math.max(1, end - performance.now()));
          if (!response.ok) throw new KeeperRefusal(response.code, response.message);
          return response.result as never;
        } catch (error) {
          if (error instanceof KeeperRefusal || performance.now() + RECONNECT_MS >= end) throw error;
          await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
        }
      }
    },
    close() {
      socket?.destroy();
      socket = undefined;
    },
  };
}
