import { createConnection, type Socket } from 'node:net';
import { createLineReader, readJson } from './lines.ts';
import { type ClientMessage, HubMessage, type HubStatus, MAX_HUB_LINE, type Shown } from './protocol.ts';

/**
 * A terminal's end of the hub's socket. It outlives the hub: when the connection ends it tries again, asks again what
 * has no final answer yet (with the same event ids, so nothing is done twice), and shows each message once.
 */

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 1_000;
/** A status or completion that has not come by then is not waited for. */
const ASK_MS = 5_000;

/** `connected` for the first time or again · `reconnecting` · `gone`: given up, nothing more will come. */
export type ClientState = 'connected' | 'reconnecting' | 'gone';

export interface ClientOptions {
  readonly socket: string;
  /** Unique for ever; so are the ids that `newId` makes. */
  readonly newId: () => string;
  readonly mode: 'chat' | 'say';
  readonly language: 'en' | 'zh' | undefined;
  /** How long to look for a hub that was never reached, and for one that went away. Milliseconds. */
  readonly connectMs: number;
  readonly reconnectMs: number;
  /** A message, or the newer state of one; each state once. `again`: its key was shown before. */
  readonly onMessage: (message: Shown, again: boolean) => void;
  readonly onState: (state: ClientState) => void;
}

export interface TerminalClient {
  /** Sends a command; the final answer is the message with `final` that `answers` the id which is returned. */
  request(text: string): string;
  complete(text: string): Promise<readonly string[]>;
  /** `undefined` where the hub is away. */
  status(): Promise<HubStatus | undefined>;
  readonly connected: boolean;
  close(): void;
}

export function connectTerminal(options: ClientOptions): TerminalClient {
  const client = options.newId();
  /** Requests without a final answer, oldest first. */
  const open = new Map<string, string>();
  /** What is on the screen, by key. */
  const seen = new Map<string, string>();
  const asked = new Map<string, (message: HubMessage | undefined) => void>();
  let socket: Socket | undefined;
  let connected = false;
  let closed = false;
  let everConnected = false;
  let awaySince = performance.now();
  let retryMs = FIRST_RETRY_MS;
  let timer: NodeJS.Timeout | undefined;

  function connect(): void {
    const attempt = createConnection(options.socket);
    socket = attempt;
    const reader = createLineReader(MAX_HUB_LINE);
    attempt.on('connect', () => {
      connected = true;
      everConnected = true;
      retryMs = FIRST_RETRY_MS;
      send({
        type: 'hello',
        client,
        mode: options.mode,
        ...(options.language === undefined ? {} : { language: options.language }),
      });
      for (const [eventId, text] of open) send({ type: 'request', eventId, text });
      options.onState('connected');
    });
    attempt.on('data', (chunk) => {
      try {
        for (const line of reader.feed(chunk)) hear(line);
      } catch {
        attempt.destroy();
      }
    });
    attempt.on('error', () => attempt.destroy());
    attempt.on('close', () => away());
  }

  function away(): void {
    if (closed) return;
    if (connected) {
      connected = false;
      awaySince = performance.now();
      for (const settle of asked.values()) settle(undefined);
      asked.clear();
      options.onState('reconnecting');
    }
    const patience = everConnected ? options.reconnectMs : options.connectMs;
    if (performance.now() - awaySince >= patience) {
      closed = true;
      options.onState('gone');
      return;
    }
    timer = setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 1.5, LAST_RETRY_MS);
  }

  function send(message: ClientMessage): void {
    if (connected && socket && !socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
  }

  function hear(line: string): void {
    const parsed = HubMessage.safeParse(readJson(line));
    // A newer hub may say what we do not know.
    if (!parsed.success) return;
    const message = parsed.data;
    switch (message.type) {
      case 'message':
      case 'edit':
        show(message);
        return;
      case 'accepted':
        return;
      case 'completions':
      case 'status':
        asked.get(message.id)?.(message);
        asked.delete(message.id);
        return;
    }
  }

  function show(message: Shown): void {
    const { key, reply, final, failed, answers } = message;
    const state = JSON.stringify([reply, final, failed]);
    const before = seen.get(key);
    if (before !== state) {
      seen.set(key, state);
      forgetOldest(seen);
      if (final && answers !== undefined) open.delete(answers);
      options.onMessage(message, before !== undefined);
    }
    send({ type: 'ack', key });
  }

  function ask(message: (id: string) => ClientMessage): Promise<HubMessage | undefined> {
    if (!connected) return Promise.resolve(undefined);
    const id = options.newId();
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        asked.delete(id);
        resolve(undefined);
      }, ASK_MS);
      asked.set(id, (answer) => {
        clearTimeout(late);
        resolve(answer);
      });
      send(message(id));
    });
  }

  connect();
  return {
    request(text) {
      const eventId = options.newId();
      open.set(eventId, text);
      send({ type: 'request', eventId, text });
      return eventId;
    },
    async complete(text) {
      const answer = await ask((id) => ({ type: 'complete', id, text }));
      return answer?.type === 'completions' ? answer.completions : [];
    },
    async status() {
      const answer = await ask((id) => ({ type: 'status', id }));
      return answer?.type === 'status' ? answer.status : undefined;
    },
    get connected() {
      return connected;
    },
    close() {
      closed = true;
      clearTimeout(timer);
      for (const settle of asked.values()) settle(undefined);
      asked.clear();
      // What was acknowledged last still goes out.
      socket?.end();
      socket?.unref();
    },
  };
}

/** Keys are looked at again only right after a reconnection. */
function forgetOldest(seen: Map<string, string>): void {
  if (seen.size <= 2_000) return;
  const oldest = seen.keys().next().value;
  if (oldest !== undefined) seen.delete(oldest);
}
