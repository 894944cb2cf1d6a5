import { WebSocket } from 'ws';
import type { Clock, RandomBytes } from '../src/domain/id.ts';
import { agentProof, hubProof } from '../src/protocol/handshake.ts';
import { isSignedBy, type OwnKey } from '../src/protocol/key.ts';
import { type AgentMessage, HubMessage, MAX_MESSAGE_BYTES, SUBPROTOCOL } from '../src/protocol/messages.ts';

/** The agent's connection to its hub. It dials out; nothing listens on the device. */
export interface Link {
  start(): void;
  /** Sends if connected; what must not be lost is kept by the caller and offered again at the next connect. */
  send(message: AgentMessage): void;
  connected(): boolean;
  /** Version of the hub that is connected; `undefined` while none is. */
  hub(): string | undefined;
  /** The hub is known to be there: dials now rather than later, where it is not connected. */
  hurry(): void;
  stop(): void;
}

export interface LinkDeps {
  /** Address of the hub, read anew for each attempt (its port may change); `undefined` while it is not known. */
  readonly address: () => string | undefined;
  /** The hub's public key that this device pinned; `undefined` before there is one. */
  readonly hubKey: () => string | undefined;
  readonly key: OwnKey;
  readonly device: { readonly id: string; readonly name: string; readonly platform: string; readonly version: string };
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** The hub proved itself: now is the time to tell what runs and what came of it. */
  readonly onConnected: () => void;
  /** @param said how it came, for the audit log: the message's own text, and all that was around it */
  readonly onMessage: (
    message: HubMessage,
    hubNow: number,
    said: { readonly text: string; readonly frame: string },
  ) => void;
  readonly log: (line: string) => void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;
const HANDSHAKE_MS = 10_000;
/** The hub pings every 30 s; two missed and a bit: gone. */
const SILENCE_MS = 75_000;
/** A connection that held this long was a good one: the next wait starts small again. */
const HELD_MS = 60_000;

export function createLink(deps: LinkDeps): Link {
  let socket: WebSocket | undefined;
  let ready = false;
  let stopped = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  /** Hub time minus our monotonic time, from the handshake: a device without a clock can still tell an order's age. */
  let hubOffset = 0;
  let hubVersion: string | undefined;

  function again(): void {
    if (stopped) return;
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 20));
    const share = (deps.random(1)[0] ?? 0) / 255;
    failures += 1;
    timer = setTimeout(dial, Math.max(50, most * share));
  }

  function dial(): void {
    const address = deps.address();
    if (address === undefined) {
      again();
      return;
    }
    const made = new WebSocket(address, SUBPROTOCOL, { maxPayload: MAX_MESSAGE_BYTES, handshakeTimeout: HANDSHAKE_MS });
    socket = made;
    const nonce = Buffer.from(deps.random(24)).toString('base64');
    let hubNonce = '';
    const openedAt = deps.clock.monotonic();
    let silence = setTimeout(() => made.terminate(), HANDSHAKE_MS);
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(() => made.terminate(), SILENCE_MS);
    };

    made.on('ping', alive);
    made.on('message', (data) => {
      const message = parse(data.toString());
      if (!message) {
        made.send(JSON.stringify({ type: 'unknown', seen: typeOf(data.toString()) } satisfies AgentMessage));
        return;
      }
      if (message.type === 'challenge') {
        hubNonce = message.nonce;
        hubVersion = message.version;
        const { id, ...about } = deps.device;
        const signature = deps.key.sign(agentProof(hubNonce, nonce, id));
        made.send(JSON.stringify({ type: 'hello', device: id, ...about, nonce, signature } satisfies AgentMessage));
      } else if (message.type === 'welcome') {
        const pinned = deps.hubKey();
        if (pinned === undefined || !isSignedBy(pinned, hubProof(hubNonce, nonce, deps.device.id), message.signature)) {
          deps.log('the hub could not prove that it is the one this device belongs to');
          made.close(4003, 'hub not proven');
          return;
        }
        hubOffset = message.now - deps.clock.monotonic();
        ready = true;
        alive();
        deps.onConnected();
      } else if (ready) {
        const text = data.toString();
        deps.onMessage(message, hubOffset + deps.clock.monotonic(), { text, frame: text });
      }
    });
    made.on('error', () => undefined);
    made.on('close', () => {
      clearTimeout(silence);
      if (socket !== made) return;
      if (ready && deps.clock.monotonic() - openedAt > HELD_MS) failures = 0;
      else if (ready) failures = Math.min(failures, 1);
      ready = false;
      socket = undefined;
      again();
    });
  }

  return {
    start: dial,
    send(message) {
      if (ready && socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
    connected: () => ready,
    hub: () => (ready ? hubVersion : undefined),
    hurry() {
      if (stopped || socket) return;
      clearTimeout(timer);
      dial();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      socket?.close(1001, 'agent stops');
    },
  };
}

function parse(text: string): HubMessage | undefined {
  try {
    const result = HubMessage.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

function typeOf(text: string): string {
  const match = /"type"\s*:\s*"([^"]{1,60})"/.exec(text);
  return match?.[1] ?? 'unreadable';
}
