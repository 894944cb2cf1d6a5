import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock, RandomBytes } from '../domain/id.ts';
import { createOpener, createSealer, type Opener, readJson, type Sealer, typeOf } from '../protocol/frames.ts';
import { aboutProof, agentProof, hubProof } from '../protocol/handshake.ts';
import { type OwnKey, signedBy } from '../protocol/key.ts';
import { AgentMessage, type HubMessage, MAX_MESSAGE_BYTES, SUBPROTOCOL } from '../protocol/messages.ts';
import { createDoor, RETRY_AFTER_S } from './door.ts';
import { createSparingLog } from './sparing-log.ts';

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
  /** A connection was turned away: it could not prove that it is the device, or that may not connect. Never throws. */
  refused?(device: string, why: 'unproven' | Exclude<DeviceState, 'active'>, from: string): Promise<void>;
  message(peer: Peer, epoch: number, message: AgentMessage): Promise<void>;
  /** @param why `bad_signature`: the device refused what came as said by this hub, so it has not heard it. */
  disconnected(peer: Peer, epoch: number, why?: 'bad_signature'): Promise<void>;
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
  /** False where the device is not connected, or the message is too large for it; the message is then not kept. */
  send(device: string, message: HubMessage): boolean;
  isConnected(device: string): boolean;
  /** Ends the connection of a device that may not go on, if it has one: its words count no more from here on. */
  end(device: string, state: Exclude<DeviceState, 'active'>): void;
  stop(): Promise<void>;
}

const PATH = '/agent';
const PING_MS = 30_000;
const HELLO_MS = 10_000;
const STOP_MS = 2_000;
/** Of one device, so many messages wait to be worked on; then it is not read from until there are few again. */
const MOST_WAITING = 64;
const FEW_WAITING = 8;
/** What a device does not take is kept for it up to here. */
const MOST_UNSENT_BYTES = 4 * 1024 * 1024;
/** Messages of types that are not known, before `hello`. */
const MOST_STRANGE = 4;

/** Codes of the WebSocket close; the reason says it in words. */
const CLOSE = {
  protocol: 1002,
  unproven: 4001,
  replaced: 4002,
  /** Closed by the agent: this hub is not the one that it belongs to. */
  hubUnproven: 4003,
  held: 4004,
  revoked: 4005,
  badSignature: 4006,
  slow: 4008,
} as const;

interface Session {
  readonly socket: WebSocket;
  readonly peer: Peer;
  readonly epoch: number;
  readonly sealer: Sealer;
  readonly opener: Opener;
  /** When it was welcomed, on the monotonic clock. */
  readonly welcomedAt: number;
  /** Nothing that still comes on it counts. */
  over: boolean;
}

/** Accepts agents on `/agent`: handshake, sessions, delivery. One connection a device; the newest wins. */
export function createGateway(deps: GatewayDeps): Gateway {
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    autoPong: false,
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  });
  const sessions = new Map<string, Session>();
  const settling = new Set<Promise<void>>();
  const door = createDoor();
  const logStranger = createSparingLog(deps.log, deps.clock.monotonic);

  const upgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Whoever is turned away may be gone already, and nobody else listens.
    socket.on('error', () => undefined);
    const turnAway = (status: string) => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    // Agents send no Origin; browsers always do: a page must not reach the hub through its visitor.
    if (request.url !== PATH) return turnAway('404 Not Found');
    if (request.headers.origin !== undefined) return turnAway('403 Forbidden');
    const leave = door.enter(request.socket.remoteAddress ?? '');
    if (!leave) {
      logStranger('too many connections that have not proven themselves: one was sent away for a while');
      return turnAway(`503 Service Unavailable\r\nRetry-After: ${RETRY_AFTER_S}`);
    }
    socket.once('close', leave);
    const from = request.socket.remoteAddress ?? '';
    wss.handleUpgrade(request, socket, head, (made) => greet(made, from, leave));
  };
  for (const server of deps.servers) server.on('upgrade', upgrade);

  function greet(socket: WebSocket, from: string, leave: () => void): void {
    const nonce = Buffer.from(deps.random(24)).toString('base64');
    let session: Session | undefined;
    let missed = 0;
    let strange = 0;
    let turnedAway = false;
    let waiting = 0;
    let queue: Promise<void> = Promise.resolve();
    const hurry = setTimeout(() => socket.close(CLOSE.slow, 'no hello in time'), HELLO_MS);
    const ping = setInterval(() => {
      missed += 1;
      if (missed > 2) socket.terminate();
      else socket.ping();
    }, PING_MS);
    const tellBare = (message: HubMessage) => socket.send(JSON.stringify(message));
    /** Nothing that comes after it is looked at. */
    const close = (code: number, reason: string) => {
      turnedAway = true;
      if (session) session.over = true;
      socket.close(code, reason);
    };
    const refuse = async (device: string, state: Exclude<DeviceState, 'active'>) => {
      logStranger(`${device} is ${state}: not let in`);
      close(CLOSE[state], `this device is ${state}`);
      await deps.events.refused?.(device, state, from);
    };

    const hear = async (text: string): Promise<void> => {
      if (turnedAway) return;
      // What was said before the device went counts; what comes on a connection that was replaced does not.
      if (session) return session.over ? undefined : hearSigned(session, text);
      const read = readJson(text);
      const message = read && parse(read.value);
      if (!read || message === 'unreadable') {
        close(CLOSE.protocol, 'message is not valid');
      } else if (message === 'unknown') {
        strange += 1;
        if (strange > MOST_STRANGE) close(CLOSE.protocol, 'hello comes first');
        else tellBare({ type: 'unknown', seen: typeOf(read.value) });
      } else if (message?.type === 'hello') {
        await admit(message);
      } else {
        close(CLOSE.protocol, 'hello comes first');
      }
    };

    async function admit(hello: Extract<AgentMessage, { type: 'hello' }>): Promise<void> {
      const { device, name, platform, version } = hello;
      const known = await deps.deviceKey(device);
      const isSigned = signedBy(known?.publicKey ?? '');
      const isItself = isSigned(agentProof(nonce, hello.nonce, device), hello.signature);
      // Whoever is between could otherwise say of any device that it is on a second machine.
      const isTold = hello.about !== undefined && isSigned(aboutProof(nonce, hello.nonce, hello), hello.about);
      if (!known || !isItself || (hello.about !== undefined && !isTold)) {
        logStranger(`a connection that calls itself ${JSON.stringify(device)} could not prove it`);
        close(CLOSE.unproven, 'device not proven');
        await deps.events.refused?.(device, 'unproven', from);
        return;
      }
      clearTimeout(hurry);
      leave();
      // Said only to whoever holds the key: nobody else learns what became of a device.
      if (known.state !== 'active') return refuse(device, known.state);
      const peer: Peer = { device, name, platform, version, machine: isTold ? hello.machine : undefined };
      const epoch = await deps.events.connected(peer);
      if (typeof epoch === 'string') return refuse(device, epoch);
      if (socket.readyState !== socket.OPEN) return deps.events.disconnected(peer, epoch);
      const before = sessions.get(device);
      // Epochs are given in order, but who was given one may be overtaken on the way here.
      if (before && before.epoch > epoch) return close(CLOSE.replaced, 'a newer connection of this device');
      const nonces = { hub: nonce, agent: hello.nonce };
      session = {
        ...{ socket, peer, epoch },
        sealer: createSealer('hub', nonces, deps.key.sign),
        opener: createOpener('agent', nonces, isSigned),
        welcomedAt: deps.clock.monotonic(),
        over: false,
      };
      if (before) replace(before);
      sessions.set(device, session);
      const signature = deps.key.sign(hubProof(nonce, hello.nonce, device));
      tellBare({ type: 'welcome', epoch, signature, now: deps.clock.now() });
      deps.events.ready?.(peer);
    }

    async function hearSigned(proven: Session, text: string): Promise<void> {
      const frame = readJson(text);
      const body = frame && proven.opener.open(frame.value);
      if (body === undefined) {
        const said = typeOf(frame?.value);
        const what = said === 'signed' ? 'a message that is not what the device said next' : 'an unsigned message';
        deps.log(`${proven.peer.device}: bad_signature: ${what} came; its connection ends`);
        // What the device had of this hub before it stands: an order may be under way.
        ended(proven);
        close(CLOSE.badSignature, 'bad_signature');
        return;
      }
      const read = readJson(body);
      const message = read && parse(read.value);
      if (!read || !message || message === 'unreadable') {
        deps.log(`${proven.peer.device} said what is not valid (${JSON.stringify(typeOf(read?.value))})`);
        close(CLOSE.protocol, 'message is not valid');
      } else if (message === 'unknown') {
        deliver(proven, { type: 'unknown', seen: typeOf(read.value) });
      } else {
        await deps.events.message(proven.peer, proven.epoch, message);
      }
    }

    let told = false;
    /** Once for a session, and after all that came on it. */
    function ended(of: Session, why?: 'bad_signature'): void {
      if (told) return;
      told = true;
      const { device } = of.peer;
      if (sessions.get(device) === of) sessions.delete(device);
      const work = queue
        .then(() => deps.events.disconnected(of.peer, of.epoch, why))
        .catch((error: unknown) => deps.log(`the end of ${device}'s connection could not be noted: ${String(error)}`));
      settle(work);
    }

    socket.on('message', (data, isBinary) => {
      if (isBinary) return close(CLOSE.protocol, 'messages are text');
      waiting += 1;
      if (waiting >= MOST_WAITING && !socket.isPaused) socket.pause();
      queue = queue
        .then(() => hear(data.toString()))
        .catch((error: unknown) => {
          const who = session?.peer.device ?? 'an unproven device';
          deps.log(`a message of ${who} could not be worked on: ${String(error)}`);
          close(1011, 'internal');
        })
        .finally(() => {
          waiting -= 1;
          if (waiting <= FEW_WAITING && socket.isPaused) socket.resume();
        });
      settle(queue);
    });
    socket.on('ping', (data) => {
      // By hand: one who asks and does not take the answers would fill this process with them.
      if (socket.bufferedAmount > MOST_UNSENT_BYTES) socket.terminate();
      else socket.pong(data);
    });
    socket.on('pong', () => {
      missed = 0;
    });
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      clearTimeout(hurry);
      clearInterval(ping);
      leave();
      if (!session) return;
      const refused = code === CLOSE.badSignature || code === CLOSE.hubUnproven;
      if (refused) {
        const what = code === CLOSE.hubUnproven ? 'that this hub is the one it belongs to' : 'what this hub said';
        deps.log(`${session.peer.device} does not believe ${what} (bad_signature)`);
      }
      ended(session, refused ? 'bad_signature' : undefined);
    });
    tellBare({ type: 'challenge', nonce, hub: deps.hub.id, version: deps.hub.version, now: deps.clock.now() });
  }

  function replace(session: Session): void {
    session.over = true;
    session.socket.close(CLOSE.replaced, 'a newer connection of this device');
  }

  function settle(work: Promise<void>): void {
    settling.add(work);
    void work.finally(() => settling.delete(work));
  }

  function deliver(session: Session, message: HubMessage): boolean {
    const { socket, sealer, peer, welcomedAt } = session;
    if (socket.readyState !== 1) return false;
    if (socket.bufferedAmount > MOST_UNSENT_BYTES) {
      deps.log(`${peer.device} does not take what it is told: its connection ends`);
      socket.terminate();
      return false;
    }
    const after = deps.clock.monotonic() - welcomedAt;
    const frame = sealer.seal(isTimed(message) ? { ...message, after } : message);
    if (frame === undefined) {
      deps.log(`${message.type} for ${peer.device} is larger than a message may be: not sent`);
      return false;
    }
    socket.send(frame);
    return true;
  }

  return {
    send(device, message) {
      const session = sessions.get(device);
      return session !== undefined && deliver(session, message);
    },
    isConnected: (device) => sessions.has(device),
    end(device, state) {
      const session = sessions.get(device);
      if (!session) return;
      sessions.delete(device);
      session.over = true;
      deps.log(`${device} is ${state}: its connection ends`);
      session.socket.close(CLOSE[state], `this device is ${state}`);
    },
    async stop() {
      for (const { socket } of sessions.values()) socket.close(1001, 'hub stops');
      const gone = [...wss.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      for (const socket of wss.clients) socket.terminate();
      wss.close();
      await Promise.race([Promise.all(gone), new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())]);
      // What came before they were gone is worked on first, and then their end.
      while (settling.size > 0) await Promise.allSettled([...settling]);
    },
  };
}

/** What is carried out only within its time. */
function isTimed({ type }: HubMessage): boolean {
  return type === 'order' || type === 'run-tool';
}

/** `unknown`: well-formed, of a type that a newer agent has. `unreadable`: not what any version says. */
function parse(raw: unknown): AgentMessage | 'unknown' | 'unreadable' {
  const result = AgentMessage.safeParse(raw);
  if (result.success) return result.data;
  const type = typeOf(raw);
  return type === '' || KNOWN.has(type) ? 'unreadable' : 'unknown';
}

const KNOWN = new Set<string>([...AgentMessage.options.map((option) => option.shape.type.value), 'signed']);
