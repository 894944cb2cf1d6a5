import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock, RandomBytes } from '../domain/id.ts';
import { agentProof, hubProof } from '../protocol/handshake.ts';
import { isSignedBy, type OwnKey } from '../protocol/key.ts';
import { AgentMessage, type HubMessage, MAX_MESSAGE_BYTES, SUBPROTOCOL } from '../protocol/messages.ts';

/** A connected device, proven. */
export interface Peer {
  readonly device: string;
  readonly name: string;
  readonly platform: string;
  readonly version: string;
  /** Of the machine that the key is used on; absent where the machine has no id, or the agent is older. */
  readonly machine?: string | undefined;
}

/** What a device may: one that is held waits for a person, one that is revoked is never let in again. */
export type DeviceState = 'active' | 'held' | 'revoked';

/** What the hub does about devices. Called in the order in which a device's messages came. */
export interface GatewayEvents {
  /** The device is proven. Answers the connection's epoch, or why it is not let in after all. */
  connected(peer: Peer): Promise<number | Exclude<DeviceState, 'active'>>;
  /** It has been welcomed: from here on messages reach it. Never throws. */
  ready?(peer: Peer): void;
  message(peer: Peer, epoch: number, message: AgentMessage): Promise<void>;
  disconnected(peer: Peer, epoch: number): Promise<void>;
}

export interface GatewayDeps {
  /** All that lead to one hub: agents are taken at each. */
  readonly servers: readonly Server[];
  readonly key: OwnKey;
  readonly hub: { readonly id: string; readonly version: string };
  /** Public key (PEM) that a device must prove, and whether it may connect; `undefined` where it is unknown. */
  readonly deviceKey: (
    device: string,
  ) => Promise<{ readonly publicKey: string; readonly state: DeviceState } | undefined>;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly events: GatewayEvents;
  readonly log: (line: string) => void;
}

export interface Gateway {
  /** False where the device is not connected; the message is then not kept. */
  send(device: string, message: HubMessage): boolean;
  isConnected(device: string): boolean;
  /** Ends the connection of a device that may not go on, if it has one: its words count no more from here on. */
  end(device: string, state: Exclude<DeviceState, 'active'>): void;
  stop(): Promise<void>;
}

const PATH = '/agent';
const PING_MS = 30_000;
const HELLO_MS = 10_000;

/** Codes of the WebSocket close; the reason says it in words. */
const CLOSE = { protocol: 1002, unproven: 4001, replaced: 4002, held: 4004, revoked: 4005, slow: 4008 } as const;

interface Session {
  readonly socket: WebSocket;
  readonly peer: Peer;
  readonly epoch: number;
}

/** Accepts agents on `/agent`: handshake, sessions, delivery. One connection a device; the newest wins. */
export function createGateway(deps: GatewayDeps): Gateway {
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  });
  const sessions = new Map<string, Session>();
  const settling = new Set<Promise<void>>();

  const upgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Agents send no Origin; browsers always do: a page must not reach the hub through its visitor.
    const refusal =
      request.url !== PATH ? '404 Not Found' : request.headers.origin !== undefined ? '403 Forbidden' : undefined;
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`);
      return;
    }
    wss.handleUpgrade(request, socket, head, greet);
  };
  for (const server of deps.servers) server.on('upgrade', upgrade);

  function greet(socket: WebSocket): void {
    const nonce = Buffer.from(deps.random(24)).toString('base64');
    let session: Session | undefined;
    let missed = 0;
    let queue: Promise<void> = Promise.resolve();
    const hurry = setTimeout(() => socket.close(CLOSE.slow, 'no hello in time'), HELLO_MS);
    const ping = setInterval(() => {
      missed += 1;
      if (missed > 2) socket.terminate();
      else socket.ping();
    }, PING_MS);
    const tell = (message: HubMessage) => socket.send(JSON.stringify(message));
    const refuse = (device: string, state: Exclude<DeviceState, 'active'>) => {
      deps.log(`${device} is ${state}: not let in`);
      socket.close(CLOSE[state], `this device is ${state}`);
    };

    const hear = async (text: string): Promise<void> => {
      const message = parse(text);
      if (message === 'unreadable') {
        socket.close(CLOSE.protocol, 'message is not valid');
      } else if (message === 'unknown') {
        tell({ type: 'unknown', seen: (/"type"\s*:\s*"([^"]{1,60})"/.exec(text)?.[1] ?? '').slice(0, 60) });
      } else if (session) {
        // A replaced connection's late words no longer count.
        if (sessions.get(session.peer.device) === session)
          await deps.events.message(session.peer, session.epoch, message);
      } else if (message.type !== 'hello') {
        socket.close(CLOSE.protocol, 'hello comes first');
      } else {
        const known = await deps.deviceKey(message.device);
        if (
          known === undefined ||
          !isSignedBy(known.publicKey, agentProof(nonce, message.nonce, message.device), message.signature)
        ) {
          deps.log(`a connection that calls itself ${message.device} could not prove it`);
          socket.close(CLOSE.unproven, 'device not proven');
          return;
        }
        clearTimeout(hurry);
        // Said only to whoever holds the key: nobody else learns what became of a device.
        if (known.state !== 'active') return refuse(message.device, known.state);
        const { device, name, platform, version, machine } = message;
        const peer: Peer = { device, name, platform, version, machine };
        const epoch = await deps.events.connected(peer);
        if (typeof epoch === 'string') return refuse(device, epoch);
        if (socket.readyState !== socket.OPEN) return deps.events.disconnected(peer, epoch);
        session = { socket, peer, epoch };
        sessions.get(device)?.socket.close(CLOSE.replaced, 'a newer connection of this device');
        sessions.set(device, session);
        const signature = deps.key.sign(hubProof(nonce, message.nonce, device));
        tell({ type: 'welcome', epoch, signature, now: deps.clock.now() });
        deps.events.ready?.(peer);
      }
    };

    socket.on('message', (data) => {
      const work = queue
        .then(() => hear(data.toString()))
        .catch((error: unknown) => {
          deps.log(
            `a message of ${session?.peer.device ?? 'an unproven device'} could not be worked on: ${String(error)}`,
          );
          socket.close(1011, 'internal');
        });
      queue = work;
      settling.add(work);
      void work.finally(() => settling.delete(work));
    });
    socket.on('pong', () => {
      missed = 0;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(hurry);
      clearInterval(ping);
      const ended = session;
      if (!ended) return;
      if (sessions.get(ended.peer.device) === ended) sessions.delete(ended.peer.device);
      const work = queue.then(() => deps.events.disconnected(ended.peer, ended.epoch)).catch(() => undefined);
      settling.add(work);
      void work.finally(() => settling.delete(work));
    });
    tell({ type: 'challenge', nonce, hub: deps.hub.id, version: deps.hub.version, now: deps.clock.now() });
  }

  return {
    send(device, message) {
      const session = sessions.get(device);
      if (session?.socket.readyState !== 1) return false;
      session.socket.send(JSON.stringify(message));
      return true;
    },
    isConnected: (device) => sessions.has(device),
    end(device, state) {
      const session = sessions.get(device);
      if (!session) return;
      sessions.delete(device);
      deps.log(`${device} is ${state}: its connection ends`);
      session.socket.close(CLOSE[state], `this device is ${state}`);
    },
    async stop() {
      for (const { socket } of sessions.values()) socket.close(1001, 'hub stops');
      for (const socket of wss.clients) socket.terminate();
      wss.close();
      await Promise.allSettled([...settling]);
    },
  };
}

/** `unknown`: well-formed, of a type that a newer agent has. `unreadable`: not what any version says. */
function parse(text: string): AgentMessage | 'unknown' | 'unreadable' {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return 'unreadable';
  }
  const result = AgentMessage.safeParse(raw);
  if (result.success) return result.data;
  const known = AgentMessage.options.map((option) => option.shape.type.value as string);
  const type = typeof raw === 'object' && raw !== null && 'type' in raw ? String(raw.type) : '';
  return type === '' || known.includes(type) ? 'unreadable' : 'unknown';
}
