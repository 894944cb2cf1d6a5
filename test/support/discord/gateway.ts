import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { guildOf } from './objects.ts';
import type { World } from './world.ts';

/**
 * The gateway (Topics, Gateway, "Connection Lifecycle"): hello, identify or resume, heartbeats, dispatches with a
 * sequence, close codes (Opcodes and Status Codes, "Gateway Close Event Codes"). A session keeps what it told, so that
 * who resumes is told the rest.
 */

/** Topics, Gateway, "List of Intents". */
const INTENT = { guilds: 1 << 0, guildMessages: 1 << 9, directMessages: 1 << 12 };
/** Members, presences, message content: refused unless they are switched on for the app. */
const PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15);

interface Session {
  readonly id: string;
  readonly intents: number;
  sequence: number;
  readonly told: { readonly s: number; readonly t: string; readonly d: unknown }[];
  socket: WebSocket | undefined;
}

export interface Gateway {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Tells every session an event; a session that is not connected is told when it resumes. */
  dispatch(type: string, payload: Readonly<Record<string, unknown>>, direct: boolean): void;
  ready(): number;
  connections(): number;
  /** Cuts the connections, as a network does. */
  cut(): void;
  /** Closes them with a code. */
  closeAll(code: number): void;
  /** Sends something else than an event to everybody who is connected. */
  tell(payload: unknown): void;
  /** Sessions are not known any more. */
  forget(): void;
  /** From now on nothing is answered: neither heartbeats nor anything else. */
  silence(on: boolean): void;
  /** From now on handshakes are taken and never answered. */
  hang(on: boolean): void;
  /** Handshakes that wait. */
  hung(): number;
  /** From now on who identifies is closed with this code. */
  refuseIdentify(code: number | undefined): void;
  identified(): number;
  resumed(): number;
  close(): Promise<void>;
}

export function createGateway(
  world: World,
  options: {
    readonly heartbeatMs: number;
    readonly url: () => string;
    readonly onCall: (answered: number | 'dropped') => void;
  },
): Gateway {
  const server = new WebSocketServer({ noServer: true, maxPayload: 4_096 });
  const sessions = new Map<string, Session>();
  const sockets = new Set<WebSocket>();
  let silent = false;
  let refuseWith: number | undefined;
  let hanging = false;
  const hung = new Set<Duplex>();
  const count = { identified: 0, resumed: 0 };

  function attach(socket: WebSocket): void {
    sockets.add(socket);
    let session: Session | undefined;
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      sockets.delete(socket);
      if (session?.socket === socket) session.socket = undefined;
      // "If you close the connection with a close code of 1000 or 1001, your session will be invalidated".
      if (session && (code === 1000 || code === 1001)) sessions.delete(session.id);
    });
    const send = (payload: unknown) => {
      if (!silent) socket.send(JSON.stringify(payload));
    };
    send({ op: 10, d: { heartbeat_interval: options.heartbeatMs }, s: null, t: null });
    socket.on('message', (data) => {
      let payload: { op?: number; d?: Record<string, unknown> };
      try {
        payload = JSON.parse(String(data)) as typeof payload;
      } catch {
        return socket.close(4002, 'Error while decoding payload.');
      }
      const { op, d } = payload;
      if (op === 1) return send({ op: 11, d: null, s: null, t: null });
      if (op === 2) {
        if (session) return socket.close(4005, 'Already authenticated.');
        session = identify(socket, d ?? {}, send);
        return;
      }
      if (op === 6) {
        if (session) return socket.close(4005, 'Already authenticated.');
        session = resume(socket, d ?? {}, send);
        return;
      }
      if (!session) return socket.close(4003, 'Not authenticated.');
      if (op !== 3) socket.close(4001, 'Unknown opcode.');
    });
  }

  function identify(
    socket: WebSocket,
    d: Readonly<Record<string, unknown>>,
    send: (payload: unknown) => void,
  ): Session | undefined {
    const refuse = (code: number, reason: string) => void socket.close(code, reason);
    count.identified += 1;
    if (refuseWith !== undefined) return refuse(refuseWith, 'Refused.') as undefined;
    if (d.token !== world.token || world.revoked) return refuse(4004, 'Authentication failed.') as undefined;
    const { intents, properties } = d;
    if (typeof intents !== 'number' || intents >= 1 << 26) return refuse(4013, 'Invalid intent(s).') as undefined;
    if ((intents & PRIVILEGED) !== 0) return refuse(4014, 'Disallowed intent(s).') as undefined;
    if (typeof properties !== 'object') return refuse(4002, 'Error while decoding payload.') as undefined;
    const session: Session = { id: world.snowflake(), intents, sequence: 0, told: [], socket };
    sessions.set(session.id, session);
    const guilds = world.kicked ? [] : [{ id: world.guild.id, unavailable: true }];
    const { bot, application } = world;
    const ready = { v: 10, user: bot, guilds, session_id: session.id, resume_gateway_url: options.url(), application };
    tell(session, 'READY', { ...ready, shard: [0, 1], private_channels: [] }, send);
    if (!world.kicked) tell(session, 'GUILD_CREATE', guildOf(world), send);
    return session;
  }

  function resume(
    socket: WebSocket,
    d: Readonly<Record<string, unknown>>,
    send: (payload: unknown) => void,
  ): Session | undefined {
    const session = sessions.get(String(d.session_id));
    if (d.token !== world.token || world.revoked) return void socket.close(4004, 'Authentication failed.') as undefined;
    if (!session) return send({ op: 9, d: false, s: null, t: null }) as undefined;
    if (Number(d.seq) > session.sequence) return void socket.close(4007, 'Invalid seq.') as undefined;
    count.resumed += 1;
    session.socket?.terminate();
    session.socket = socket;
    for (const { s, t, d: payload } of session.told) if (s > Number(d.seq)) send({ op: 0, s, t, d: payload });
    tell(session, 'RESUMED', {}, send);
    return session;
  }

  function tell(session: Session, t: string, d: unknown, send: (payload: unknown) => void): void {
    session.sequence += 1;
    session.told.push({ s: session.sequence, t, d });
    send({ op: 0, s: session.sequence, t, d });
  }

  return {
    upgrade(request, socket, head) {
      if (hanging) {
        hung.add(socket);
        socket.on('close', () => hung.delete(socket));
        socket.on('end', () => socket.destroy());
        socket.on('error', () => undefined);
        options.onCall('dropped');
        return;
      }
      const fault = world.takeFault('connect');
      const query = new URL(request.url ?? '/', 'ws://x').searchParams;
      const status = fault?.do === 'status' ? fault.status : query.get('v') !== '10' ? 400 : undefined;
      options.onCall(fault?.do === 'drop' ? 'dropped' : (status ?? 101));
      if (fault?.do === 'drop') return void socket.destroy();
      if (status !== undefined) return void socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\n\r\n`);
      server.handleUpgrade(request, socket, head, attach);
    },
    dispatch(type, payload, direct) {
      const need = type === 'MESSAGE_CREATE' ? (direct ? INTENT.directMessages : INTENT.guildMessages) : 0;
      const guild = type.startsWith('GUILD_') ? INTENT.guilds : 0;
      for (const session of sessions.values()) {
        if ((session.intents & (need | guild)) !== (need | guild)) continue;
        const { socket } = session;
        tell(session, type, payload, (told) => {
          if (!silent && socket?.readyState === 1) socket.send(JSON.stringify(told));
        });
      }
    },
    ready: () => [...sessions.values()].filter(({ socket }) => socket?.readyState === 1).length,
    connections: () => sockets.size,
    cut() {
      for (const socket of sockets) socket.terminate();
    },
    closeAll(code) {
      for (const socket of sockets) socket.close(code);
    },
    tell(payload) {
      for (const socket of sockets) socket.send(typeof payload === 'string' ? payload : JSON.stringify(payload));
    },
    forget: () => sessions.clear(),
    silence(on) {
      silent = on;
    },
    hang(on) {
      hanging = on;
    },
    hung: () => hung.size,
    refuseIdentify(code) {
      refuseWith = code;
    },
    identified: () => count.identified,
    resumed: () => count.resumed,
    async close() {
      for (const socket of hung) socket.destroy();
      for (const socket of sockets) socket.terminate();
      server.close();
    },
  };
}
