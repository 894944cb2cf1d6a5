import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Adapter, Connection, Delivery, Outgoing, Sink } from '../../src/chat/contract.ts';
import { createLineReader, readJson } from './lines.ts';
import { ClientMessage, type HubMessage, type HubStatus, MAX_CLIENT_LINE } from './protocol.ts';

/**
 * The terminal as a chat platform: the hub's socket, in a folder that only this user can enter. The terminal is one
 * chat of one person (`local`, an admin: whoever can open the socket is), and it is durable: what nobody was
 * there to read waits. A message counts as sent when a client says that it was shown.
 */

export const TERMINAL = 'terminal';
/** The person behind every terminal. */
export const LOCAL = 'local';

/** A client that does not say within this time that it showed a message has stalled (it was stopped, or hangs). */
const ACK_MS = 5_000;
/** A client that does not read is let go when this many bytes wait for it. */
const MAX_UNREAD = 8 * 1024 * 1024;
/** `sun_path`, less the final zero. */
const MAX_SOCKET_PATH = process.platform === 'darwin' ? 103 : 107;

export interface TerminalOptions {
  readonly socket: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What `fettle up` waits on. */
  readonly status: () => Promise<HubStatus>;
  readonly log: (event: string, data: Readonly<Record<string, unknown>>) => void;
  /** Least time between two edits of one message. Milliseconds. */
  readonly editIntervalMs?: number | undefined;
  readonly ackMs?: number | undefined;
}

interface Client {
  readonly socket: Socket;
  mode: 'chat' | 'say' | undefined;
  language: 'en' | 'zh' | undefined;
  /** Events that this client asked. */
  readonly own: Set<string>;
  /** Did not answer in time; takes part again once it says something. */
  stalled: boolean;
}

interface Waiting {
  readonly clients: Set<Client>;
  readonly settle: (delivery: Delivery) => void;
}

export function createTerminalAdapter(options: TerminalOptions): Adapter {
  const { now, log } = options;
  const clients = new Set<Client>();
  /** Messages that a client has yet to show, by key. */
  const waiting = new Map<string, Waiting>();
  let server: Server | undefined;
  let sink: Sink | undefined;
  let connection: Connection = { state: 'stopped', since: now() };

  function setState(state: Connection['state'], lastError?: string): void {
    if (connection.state === state && connection.lastError === lastError) return;
    connection = { state, since: now(), ...(lastError === undefined ? {} : { lastError }) };
  }

  function attended(): void {
    if (connection.state !== 'connected' && connection.state !== 'unattended') return;
    setState([...clients].some(({ mode, stalled }) => mode !== undefined && !stalled) ? 'connected' : 'unattended');
  }

  function write(client: Client, message: HubMessage): void {
    if (client.socket.destroyed) return;
    client.socket.write(`${JSON.stringify(message)}\n`);
    if (client.socket.writableLength > MAX_UNREAD) client.socket.destroy();
  }

  function attach(socket: Socket): void {
    const client: Client = { socket, mode: undefined, language: undefined, own: new Set(), stalled: false };
    clients.add(client);
    const reader = createLineReader(MAX_CLIENT_LINE);
    socket.on('data', (chunk) => {
      try {
        for (const line of reader.feed(chunk)) void hear(client, line);
      } catch (error) {
        log('terminal_client_refused', { error: String(error) });
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clients.delete(client);
      for (const [key, { clients: asked }] of waiting) {
        if (asked.delete(client) && asked.size === 0) settle(key, { result: 'unattended' });
      }
      attended();
    });
  }

  async function hear(client: Client, line: string): Promise<void> {
    const parsed = ClientMessage.safeParse(readJson(line));
    if (!parsed.success) return;
    const message = parsed.data;
    if (client.stalled) {
      client.stalled = false;
      attended();
      sink?.deliverable();
    }
    try {
      switch (message.type) {
        case 'hello':
          client.mode = message.mode;
          client.language = message.language;
          attended();
          if (message.mode === 'chat') sink?.deliverable();
          return;
        case 'request':
          await take(client, message.eventId, message.text);
          return;
        case 'ack':
          if (waiting.get(message.key)?.clients.has(client)) settle(message.key, { result: 'sent', ref: message.key });
          return;
        case 'complete':
          write(client, {
            type: 'completions',
            id: message.id,
            completions: [...((await sink?.complete(message.text)) ?? [])],
          });
          return;
        case 'status':
          write(client, { type: 'status', id: message.id, status: await options.status() });
          return;
      }
    } catch (error) {
      // Unanswered: a request is sent again, and what only decorates is left out.
      log('terminal_failed', { message: message.type, error: String(error) });
    }
  }

  async function take(client: Client, eventId: string, text: string): Promise<void> {
    if (!sink) return;
    client.own.add(eventId);
    const result = await sink.accept({
      route: { platform: TERMINAL, chat: TERMINAL },
      eventId,
      person: LOCAL,
      direct: true,
      ...(client.language === undefined ? {} : { locale: client.language }),
      text,
    });
    write(client, { type: 'accepted', eventId });
    if (result === 'stored') return;
    // Asked again: this client (or the hub) was away. What was sent meanwhile is shown again; it knows the keys.
    for (const message of await sink.answersTo(eventId)) write(client, shown('message', message));
    sink.deliverable();
  }

  function settle(key: string, delivery: Delivery): void {
    const entry = waiting.get(key);
    waiting.delete(key);
    entry?.settle(delivery);
  }

  /** Shows a message to everybody who takes it; resolves with the first that says so. */
  function show(type: 'message' | 'edit', message: Outgoing): Promise<Delivery> {
    const takers = [...clients].filter(
      ({ mode, own, stalled }) =>
        !stalled && (mode === 'chat' || (mode === 'say' && message.answers !== undefined && own.has(message.answers))),
    );
    if (takers.length === 0) return Promise.resolve({ result: 'unattended' });
    return new Promise((resolve) => {
      settle(message.key, { result: 'retry', afterMs: 0, reason: 'sent again meanwhile' });
      const timer = setTimeout(() => {
        for (const client of waiting.get(message.key)?.clients ?? []) client.stalled = true;
        attended();
        settle(message.key, { result: 'unattended' });
      }, options.ackMs ?? ACK_MS);
      timer.unref();
      waiting.set(message.key, {
        clients: new Set(takers),
        settle: (delivery) => {
          clearTimeout(timer);
          resolve(delivery);
        },
      });
      for (const client of takers) write(client, shown(type, message));
    });
  }

  return {
    platform: TERMINAL,
    adminChat: { platform: TERMINAL, chat: TERMINAL },
    capabilities: {
      edit: true,
      buttons: true,
      threads: false,
      slash: false,
      ephemeral: false,
      completion: true,
      maxLength: 100_000,
      editIntervalMs: options.editIntervalMs ?? 150,
    },
    async start(given) {
      sink = given;
      setState('connecting');
      try {
        prepareSocket(options.socket);
        server = await listen(options.socket, attach);
        chmodSync(options.socket, 0o600);
        setState('unattended');
      } catch (error) {
        setState('failed', error instanceof Error ? error.message : String(error));
        log('terminal_failed', { error: String(error) });
      }
    },
    async stop() {
      setState('stopped');
      const closing = server && new Promise<void>((resolve) => server?.close(() => resolve()));
      for (const key of [...waiting.keys()]) settle(key, { result: 'unattended' });
      for (const { socket } of clients) socket.destroySoon();
      const late = setTimeout(() => {
        for (const { socket } of clients) socket.destroy();
      }, 500);
      await closing;
      clearTimeout(late);
    },
    send: (message) => show('message', message),
    edit: (_ref, message) => show('edit', message),
    connection: () => connection,
  };
}

function shown(type: 'message' | 'edit', message: Outgoing): HubMessage {
  const { key, reply, answers, final, failed } = message;
  // The reply was made by us; its readonly lists become JSON.
  const body = reply as Extract<HubMessage, { type: 'message' }>['reply'];
  return { type, key, ref: key, reply: body, ...(answers === undefined ? {} : { answers }), final, failed };
}

/**
 * Makes the socket's folder ours alone and removes what a crash left at the socket's place. That nobody else listens
 * there is the home's lock's business.
 *
 * @throws {Error} where the folder belongs to, or can be entered by, somebody else
 */
function prepareSocket(path: string): void {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new Error(`the socket's path is longer than ${MAX_SOCKET_PATH} bytes: ${path}`);
  }
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  const user = process.getuid?.();
  if (!stat.isDirectory()) throw new Error(`${folder} is not a folder`);
  if (user !== undefined && stat.uid !== user) throw new Error(`${folder} belongs to another user`);
  if ((stat.mode & 0o077) !== 0) chmodSync(folder, 0o700);
  const old = lstatSync(path, { throwIfNoEntry: false });
  if (old && !old.isSocket()) throw new Error(`${path} exists and is no socket`);
  if (old) rmSync(path, { force: true });
}

function listen(path: string, attach: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(attach);
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve(server);
    });
  });
}
