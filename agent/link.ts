import type { createConnection as connect } from 'node:net';
import { WebSocket } from 'ws';
import type { Clock, RandomBytes } from '../src/domain/id.ts';
import { createOpener, createSealer, type Opener, readJson, type Sealer, typeOf } from '../src/protocol/frames.ts';
import { aboutProof, agentProof, hubProof } from '../src/protocol/handshake.ts';
import { type OwnKey, signedBy } from '../src/protocol/key.ts';
import { type AgentMessage, HubMessage, MAX_MESSAGE_BYTES, SUBPROTOCOL } from '../src/protocol/messages.ts';
import { connectionTo } from './dial.ts';
import { MOST_APPS, shortened } from './fitting.ts';
import type { HubIdentity } from './hub-identity.ts';
import { createRedial } from './redial.ts';

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

/** How a message came, for the audit log. */
export interface SaidByHub {
  /** The message's own text, as it was signed. */
  readonly text: string;
  /** All that came over the connection for it. */
  readonly frame: string;
  /** The hub's public key (PEM), which signed it. */
  readonly key: string;
}

export interface LinkDeps {
  /**
   * The hub that this device belongs to, read anew for each attempt (its port may change); `undefined` while it is not
   * known. What it throws is logged, and tried again.
   */
  readonly hub: () => HubIdentity | undefined;
  /** Which HTTP proxy leads to an address, if one does. @throws where the one that is set can't be used */
  readonly proxy?: ((address: string) => string | undefined) | undefined;
  readonly key: OwnKey;
  readonly device: {
    readonly id: string;
    readonly name: string;
    readonly platform: string;
    readonly version: string;
    readonly machine?: string | undefined;
  };
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** The hub proved itself: now is the time to tell what runs and what came of it. */
  readonly onConnected: () => void;
  /**
   * Settles when the message is worked on; of one hub so many are worked on at once, and it is not read from meanwhile.
   * @param hubNow hub time at which it can have been said at the latest: see {@link orderTime}
   * @param said how it came, for the audit log
   */
  readonly onMessage: (message: HubMessage, hubNow: number, said: SaidByHub) => Promise<void>;
  readonly log: (line: string) => void;
}

const HANDSHAKE_MS = 10_000;
/** The hub pings every 30 s; two missed and a bit: gone. */
const SILENCE_MS = 75_000;
/** Messages that are worked on at once, and how few are left when more are read. */
const MOST_WORK = 32;
const FEW_WORK = 4;
/** What the hub does not take is kept for it up to here. */
const MOST_UNSENT_BYTES = 4 * 1024 * 1024;

/** Codes of the WebSocket close. Those of the hub are in docs/protocol.md. */
const CLOSE = { protocol: 1002, hubUnproven: 4003, badSignature: 4006 } as const;
/** Closes after a good handshake that say that it was none: the next attempt is not an early one. */
const FAILED: readonly number[] = [4002, CLOSE.badSignature];
/** Closes that no haste mends: a person has to do something first. */
const REFUSED: Readonly<Record<number, string>> = {
  4004: 'the hub holds this device: its key was seen from two machines. The way out: a new line of /device enroll, with --new-key at its end',
  4005: 'the hub has revoked this device. To let it in again: a new line of /device enroll, with --new-key at its end',
};

/** One connection after the handshake. */
interface Proven {
  readonly sealer: Sealer;
  readonly opener: Opener;
}

export function createLink(deps: LinkDeps): Link {
  let socket: WebSocket | undefined;
  let proven: Proven | undefined;
  let hubVersion: string | undefined;
  const redial = createRedial({ random: deps.random, dial });
  const logOnce = createLogOnce(deps.log);

  function knownHub(): HubIdentity | undefined {
    try {
      return deps.hub();
    } catch (error) {
      logOnce(`the hub is not known: ${String(error)}`);
      return undefined;
    }
  }

  function dial(): void {
    const hub = knownHub();
    if (hub === undefined) {
      redial.later();
      return;
    }
    const opened = open(hub);
    if (opened === undefined) {
      redial.later();
      return;
    }
    const made = opened;
    socket = made;
    const nonce = Buffer.from(deps.random(24)).toString('base64');
    const hubKey = hub.key;
    const isHub = signedBy(hubKey);
    let hubNonce: string | undefined;
    let openedAt = deps.clock.monotonic();
    let hubOffset = 0;
    let retryAfterMs: number | undefined;
    let own: Proven | undefined;
    let closed = false;
    let working = 0;
    let silence = setTimeout(() => made.terminate(), HANDSHAKE_MS);
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(() => made.terminate(), SILENCE_MS);
    };
    /** Nothing that comes after it is looked at. */
    const close = (code: number, reason: string) => {
      closed = true;
      if (socket === made) proven = undefined;
      made.close(code, reason);
    };
    const tellBare = (message: AgentMessage) => made.send(JSON.stringify(message));

    function greet(message: HubMessage): void {
      if (message.type === 'challenge' && hubNonce === undefined) {
        hubNonce = message.nonce;
        hubVersion = message.version;
        const { id, ...about } = deps.device;
        const signature = deps.key.sign(agentProof(hubNonce, nonce, id));
        // From here on: the hub can only answer later, so no order can be younger than it says.
        openedAt = deps.clock.monotonic();
        const aboutSignature = deps.key.sign(aboutProof(hubNonce, nonce, { device: id, ...about }));
        tellBare({ type: 'hello', device: id, ...about, nonce, signature, about: aboutSignature });
      } else if (message.type === 'welcome' && hubNonce !== undefined) {
        if (!isHub(hubProof(hubNonce, nonce, deps.device.id), message.signature)) {
          deps.log('bad_signature: the hub could not prove that it is the one this device belongs to');
          close(CLOSE.hubUnproven, 'hub not proven');
          return;
        }
        hubOffset = message.now - openedAt;
        const nonces = { hub: hubNonce, agent: nonce };
        own = {
          sealer: createSealer('agent', nonces, deps.key.sign),
          opener: createOpener('hub', nonces, isHub),
        };
        proven = own;
        logOnce(undefined);
        alive();
        deps.onConnected();
      } else if (message.type !== 'unknown') {
        deps.log(`the hub said ${message.type} before it was its turn; the connection ends`);
        close(CLOSE.protocol, 'not its turn');
      }
    }

    function hear(text: string): void {
      const read = readJson(text);
      if (own === undefined) {
        const message = read && HubMessage.safeParse(read.value);
        if (message?.success) greet(message.data);
        else if (read && typeOf(read.value) !== 'signed') tellBare({ type: 'unknown', seen: typeOf(read.value) });
        else close(CLOSE.protocol, 'message is not valid');
        return;
      }
      const body = read && own.opener.open(read.value);
      if (body === undefined) {
        const unsigned = typeOf(read?.value) !== 'signed';
        const what = unsigned ? 'an unsigned message' : 'a message that is not what the hub said next';
        deps.log(`bad_signature: ${what} came; nothing is done, and the connection ends`);
        close(CLOSE.badSignature, 'bad_signature');
        return;
      }
      const said = readJson(body);
      const message = said && HubMessage.safeParse(said.value);
      if (!message?.success) send({ type: 'unknown', seen: typeOf(said?.value) || 'unreadable' });
      else {
        const hubNow = orderTime(message.data, { hubOffset, openedAt, at: deps.clock.monotonic() });
        work(message.data, hubNow, { text: body, frame: text, key: hubKey });
      }
    }

    function work(message: HubMessage, hubNow: number, how: SaidByHub): void {
      working += 1;
      if (working >= MOST_WORK && !made.isPaused) made.pause();
      void deps
        .onMessage(message, hubNow, how)
        .catch((error: unknown) => deps.log(`${message.type} was not taken: ${String(error)}`))
        .finally(() => {
          working -= 1;
          if (working <= FEW_WORK && made.isPaused) made.resume();
        });
    }

    made.on('ping', (data) => {
      if (own) alive();
      // By hand: one who asks and does not take the answers would fill this process with them.
      if (made.bufferedAmount > MOST_UNSENT_BYTES) made.terminate();
      else made.pong(data);
    });
    made.on('message', (data, isBinary) => {
      if (closed) return;
      if (isBinary) close(CLOSE.protocol, 'messages are text');
      else hear(data.toString());
    });
    made.on('unexpected-response', (_, response) => {
      const after = Number(response.headers['retry-after']);
      if (response.statusCode === 503 && Number.isFinite(after) && after >= 0) retryAfterMs = after * 1_000;
      logOnce(`the hub answers ${response.statusCode} instead of taking the connection`);
      made.terminate();
    });
    made.on('error', (error) => {
      if (own === undefined) logOnce(`the hub can't be reached: ${error.message}`);
    });
    made.on('close', (code) => {
      clearTimeout(silence);
      if (socket !== made) return;
      if (code === 4001) logOnce('the hub does not know this device, or not with this key');
      if (REFUSED[code] !== undefined) logOnce(REFUSED[code]);
      const heldMs = own && !FAILED.includes(code) ? deps.clock.monotonic() - openedAt : undefined;
      proven = undefined;
      socket = undefined;
      redial.ended({ heldMs, retryAfterMs, needsPerson: REFUSED[code] !== undefined });
    });
  }

  function open(hub: HubIdentity): WebSocket | undefined {
    try {
      const createConnection = connectionTo(hub, deps.proxy?.(hub.address), HANDSHAKE_MS);
      return new WebSocket(hub.address, SUBPROTOCOL, {
        maxPayload: MAX_MESSAGE_BYTES,
        handshakeTimeout: HANDSHAKE_MS,
        perMessageDeflate: false,
        autoPong: false,
        ...(createConnection ? { createConnection: createConnection as unknown as typeof connect } : {}),
      });
    } catch (error) {
      logOnce(`the hub can't be dialled: ${String(error)}`);
      return undefined;
    }
  }

  function send(message: AgentMessage): void {
    const at = socket;
    if (proven === undefined || at?.readyState !== WebSocket.OPEN) return;
    if (at.bufferedAmount > MOST_UNSENT_BYTES) {
      deps.log('the hub does not take what it is told: the connection ends');
      at.terminate();
      return;
    }
    const tooMany = message.type === 'inventory' && message.apps.length > MOST_APPS;
    let frame = proven.sealer.seal(tooMany ? (shortened(message, 0) ?? message) : message);
    for (let step = 0; frame === undefined && step < 12; step += 1) {
      const shorter = shortened(message, step);
      if (shorter) frame = proven.sealer.seal(shorter);
    }
    if (frame === undefined) deps.log(`${message.type} is larger than a message may be: not sent`);
    else at.send(frame);
  }

  return {
    start: dial,
    send,
    connected: () => proven !== undefined,
    hub: () => (proven ? hubVersion : undefined),
    hurry() {
      if (socket === undefined) redial.now();
    },
    stop() {
      redial.stop();
      socket?.close(1001, 'agent stops');
    },
  };
}

/**
 * Hub time by which a message was said at the latest, as far as the device can know. For an order, or a tool that is to be
 * run, it is what that says (it is signed), and how long it was on its way: both sides count from the handshake with their
 * monotonic clocks. So neither a clock that jumps, nor a device without one, nor who holds it back makes it look young.
 */
export function orderTime(
  message: HubMessage,
  { hubOffset, openedAt, at }: { readonly hubOffset: number; readonly openedAt: number; readonly at: number },
): number {
  const timed = message.type === 'order' || message.type === 'run-tool';
  if (!timed || message.now === undefined || message.after === undefined) return hubOffset + at;
  return message.now + Math.max(0, at - openedAt - message.after);
}

/** Says a thing once until something else is said: an agent that dials for days must not fill its log. */
function createLogOnce(log: (line: string) => void): (line: string | undefined) => void {
  let last: string | undefined;
  return (line) => {
    if (line !== undefined && line !== last) log(line);
    last = line;
  };
}
