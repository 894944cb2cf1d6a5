import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { createOpener, createSealer, type Sealer } from '../../src/protocol/frames.ts';
import { hubProof } from '../../src/protocol/handshake.ts';
import { type OwnKey, signedBy } from '../../src/protocol/key.ts';
import { AgentMessage, type HubMessage, SUBPROTOCOL } from '../../src/protocol/messages.ts';
import { until } from './until.ts';

/** A hub in somebody else's hands: it has the hub's key and says what it likes, in frames or not. */
export interface HostileHub {
  readonly port: number;
  /** What the agent has said, on all connections. */
  readonly heard: readonly AgentMessage[];
  /** Codes with which the agent closed a connection. */
  readonly closed: readonly number[];
  /** Connections that were welcomed, so far. */
  connections(): number;
  /** Says it as the hub would: signed, numbered. @returns the frame */
  say(message: HubMessage | Readonly<Record<string, unknown>>): Promise<string>;
  /** Puts these bytes on the wire. */
  raw(text: string): Promise<void>;
  close(): Promise<void>;
}

/** @param deviceKey the device's public key (PEM) @param key proves the hub: its own, or an impostor's */
export async function startHostileHub(key: OwnKey, deviceKey: () => string): Promise<HostileHub> {
  const server = createServer();
  const wss = new WebSocketServer({ server, handleProtocols: () => SUBPROTOCOL });
  const heard: AgentMessage[] = [];
  const closed: number[] = [];
  let connections = 0;
  let now: { readonly socket: WebSocket; readonly sealer: Sealer } | undefined;

  wss.on('connection', (socket) => {
    const hub = randomBytes(24).toString('base64');
    let open: ((frame: unknown) => string | undefined) | undefined;
    socket.on('message', (data) => {
      const said: unknown = JSON.parse(data.toString());
      if (open) {
        const body = open(said);
        if (body !== undefined) heard.push(AgentMessage.parse(JSON.parse(body)));
        return;
      }
      const hello = AgentMessage.parse(said);
      if (hello.type !== 'hello') return;
      const nonces = { hub, agent: hello.nonce };
      open = createOpener('agent', nonces, signedBy(deviceKey())).open;
      now = { socket, sealer: createSealer('hub', nonces, key.sign) };
      const signature = key.sign(hubProof(hub, hello.nonce, hello.device));
      socket.send(JSON.stringify({ type: 'welcome', epoch: 1, signature, now: Date.now() }));
      connections += 1;
    });
    socket.on('close', (code) => {
      closed.push(code);
      if (now?.socket === socket) now = undefined;
    });
    socket.on('error', () => undefined);
    socket.send(JSON.stringify({ type: 'challenge', nonce: hub, hub: 'h-hostile', version: '9.9.9', now: Date.now() }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connected = () => until('the agent to connect', () => now, 90_000);
  return {
    port: (server.address() as AddressInfo).port,
    heard,
    closed,
    connections: () => connections,
    async say(message) {
      const { socket, sealer } = await connected();
      const frame = sealer.seal(message) ?? '';
      socket.send(frame);
      return frame;
    },
    async raw(text) {
      (await connected()).socket.send(text);
    },
    async close() {
      for (const socket of wss.clients) socket.terminate();
      wss.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
