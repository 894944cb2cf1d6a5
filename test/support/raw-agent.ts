import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import { createOpener, createSealer, type Opener, type Sealer } from '../../src/protocol/frames.ts';
import { agentProof, hubProof } from '../../src/protocol/handshake.ts';
import { isSignedBy, signedBy } from '../../src/protocol/key.ts';
import type { AgentMessage, HubMessage } from '../../src/protocol/messages.ts';
import { SUBPROTOCOL } from '../../src/protocol/messages.ts';
import type { TestHub } from './hub-and-link.ts';

/** A device's key, and how a hub comes to know it. */
export function deviceKey(): { readonly publicKey: string; readonly sign: (text: string) => string } {
  const pair = generateKeyPairSync('ed25519') as { privateKey: KeyObject; publicKey: KeyObject };
  return {
    publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (text) => sign(null, Buffer.from(text), pair.privateKey).toString('base64'),
  };
}

/** A client that speaks the protocol, and anything else. */
export interface RawAgent {
  readonly socket: WebSocket;
  /** What the hub said, opened and checked. */
  readonly heard: HubMessage[];
  readonly nonces: { readonly hub: string; readonly agent: string };
  readonly sealer: Sealer;
  /** A message in the next frame. */
  say(message: AgentMessage): void;
  /** Any text. */
  raw(text: string): void;
  /** How it ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  close(): Promise<void>;
}

export const addressOf = (hub: Pick<TestHub, 'layout'>) =>
  `ws://127.0.0.1:${readFileSync(hub.layout.hub.port, 'utf8').trim()}/agent`;

/** Dials and proves itself. Throws where the hub closes before its welcome. */
export async function connectRaw(
  hub: Pick<TestHub, 'layout' | 'key' | 'devices'>,
  device: string,
  key = deviceKey(),
): Promise<RawAgent> {
  if (!hub.devices.has(device)) hub.devices.set(device, { publicKey: key.publicKey, state: 'active' });
  const socket = new WebSocket(addressOf(hub), SUBPROTOCOL);
  const agent = randomBytes(24).toString('base64');
  const heard: HubMessage[] = [];
  let ended: { code: number; reason: string } | undefined;
  let nonces = { hub: '', agent };
  let opener: Opener | undefined;
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      ended = { code, reason: reason.toString() };
      resolve(ended);
    });
  });
  socket.on('error', () => undefined);
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString()) as HubMessage;
    if (message.type === 'challenge') {
      nonces = { hub: message.nonce, agent };
      const signature = key.sign(agentProof(message.nonce, agent, device));
      const about = { name: `name of ${device}`, platform: 'linux-x64', version: '1.0.0' };
      socket.send(JSON.stringify({ type: 'hello', device, ...about, nonce: agent, signature }));
    } else if (message.type === 'welcome') {
      if (!isSignedBy(hub.key.publicKey, hubProof(nonces.hub, agent, device), message.signature))
        throw new Error('hub not proven');
      opener = createOpener('hub', nonces, signedBy(hub.key.publicKey));
    } else {
      const body = opener?.open(message);
      if (body === undefined) throw new Error(`not a frame: ${data.toString().slice(0, 200)}`);
      heard.push(JSON.parse(body) as HubMessage);
      if (heard.length > 200) heard.splice(0, 100);
    }
  });
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no welcome in 20 s')), 20_000);
    const look = () => {
      if (ended) reject(new Error(`closed: ${ended.code} ${ended.reason}`));
      else if (!opener) return;
      else resolve();
      clearTimeout(late);
      socket.off('message', look).off('close', look);
    };
    socket.on('message', look).on('close', look);
  });
  const sealer = createSealer('agent', nonces, key.sign);
  const raw = (text: string) => socket.readyState === socket.OPEN && socket.send(text);
  return {
    ...{ socket, heard, nonces, sealer, closed, raw },
    say: (message) => raw(sealer.seal(message) ?? ''),
    async close() {
      socket.close();
      await closed;
    },
  };
}

export const inventory = (app?: Partial<Extract<AgentMessage, { type: 'inventory' }>['apps'][number]>) =>
  ({
    type: 'inventory',
    apps: [{ app: 'web', version: '1.0.0', health: 'healthy', blocked: [], ...app }],
    recovered: true,
  }) as const satisfies AgentMessage;

export const succeeded = (update: string, app = 'web') =>
  ({
    type: 'outcome',
    outcome: { update, app, kind: 'update', state: 'succeeded', from: '1.0.0', to: '1.1.0', startedAt: 1, endedAt: 2 },
  }) as const satisfies AgentMessage;
