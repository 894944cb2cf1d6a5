import { z } from 'zod';
import { MAX_MESSAGE_BYTES } from './messages.ts';

/**
 * What is said after the handshake: each message in a frame of its own, signed by who says it. The signature is over
 * the purpose, the direction, both nonces of the handshake, the number of the frame and the message, so that a frame
 * counts once, in its place, in its direction, on its connection, and nowhere else.
 */

/** A frame. Its members are additive like those of every message; what is signed is `body`, as it is written. */
const Frame = z.object({
  type: z.literal('signed'),
  /** 1 for the first of a direction, one more for each. */
  seq: z.number().int().positive(),
  /** The message, as JSON text: a signature is over bytes, and JSON has many for one value. */
  body: z.string(),
  signature: z.string().max(200),
});

const PURPOSE = 'fettle.v1 frame';

/** Who says it. */
export type Direction = 'hub' | 'agent';

/** One connection, by what only it has. */
export interface Nonces {
  readonly hub: string;
  readonly agent: string;
}

export interface Sealer {
  /** The next frame with this message; `undefined`, and no number is used up, where it would be too large to be taken. */
  seal(message: unknown): string | undefined;
}

export interface Opener {
  /** The text of the message in this frame; `undefined` where it is not the very next one that the other side said. */
  open(frame: unknown): string | undefined;
}

/** @param sign base64 over the text, with the key that was proven in the handshake */
export function createSealer(direction: Direction, nonces: Nonces, sign: (text: string) => string): Sealer {
  let last = 0;
  return {
    seal(message) {
      const body = JSON.stringify(message);
      const seq = last + 1;
      const frame = JSON.stringify({
        type: 'signed',
        seq,
        body,
        signature: sign(signedText(direction, nonces, seq, body)),
      });
      if (Buffer.byteLength(frame) > MAX_MESSAGE_BYTES) return undefined;
      last = seq;
      return frame;
    },
  };
}

/** @param isSigned by the key that was proven in the handshake */
export function createOpener(
  direction: Direction,
  nonces: Nonces,
  isSigned: (text: string, signature: string) => boolean,
): Opener {
  let last = 0;
  return {
    open(frame) {
      const parsed = Frame.safeParse(frame);
      if (!parsed.success) return undefined;
      const { seq, body, signature } = parsed.data;
      if (seq !== last + 1 || !isSigned(signedText(direction, nonces, seq, body), signature)) return undefined;
      last = seq;
      return body;
    },
  };
}

/** The message is the last: whatever is in it, it can't pass for another line. */
function signedText(direction: Direction, { hub, agent }: Nonces, seq: number, body: string): string {
  return [PURPOSE, direction, hub, agent, String(seq), body].join('\n');
}

/** A message that came: JSON text, of at most {@link MAX_MESSAGE_BYTES}. `undefined` where it is none. */
export function readJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** The type that a message says it is, for logs and for `unknown`; empty where it says none. */
export function typeOf(value: unknown): string {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  return typeof type === 'string' ? type.slice(0, 60) : '';
}
