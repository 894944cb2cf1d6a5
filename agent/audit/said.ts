import { createHash } from 'node:crypto';
import type { ChainLink } from '../../src/protocol/audit-chain.ts';
import type { DeviceEntry } from './log.ts';

/** What something of a hub's came in. */
export interface Sent {
  /** The message, exactly as it was signed: JSON with its `type`. */
  readonly text: string;
  /** All that came over the connection for it; the same where nothing is around the message. */
  readonly frame: string;
  /** The hub's public key (PEM), to which this connection is bound. */
  readonly key: string | undefined;
  /** Its entry in the hub's audit log. */
  readonly log?: ChainLink | undefined;
}

/** How a message came, for an entry: the digest of its frame, the key that signed it, and the hub's own entry of it. */
export function saidBy({ frame, key, log }: Omit<Sent, 'text'>): Pick<DeviceEntry, 'frame' | 'key' | 'hub'> {
  return {
    frame: createHash('sha256').update(frame).digest('hex'),
    key: key === undefined ? undefined : keyId(key),
    hub: log,
  };
}

/** A short name of a public key (PEM): the first half of its SHA-256. */
export function keyId(publicKey: string): string {
  const der = Buffer.from(publicKey.replace(/-----[^-]*-----|\s/g, ''), 'base64');
  return createHash('sha256').update(der).digest('hex').slice(0, 32);
}
