import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { HomeLayout } from '../config/home.ts';
import { FettleError } from '../src/domain/errors.ts';
import { isLoopback } from '../src/domain/loopback.ts';
import { readTrimmed, writeDurably } from '../src/files/durable.ts';

/** Which hub a device belongs to: where it is, and what it must prove. */
export interface HubIdentity {
  /** `wss://HOST:PORT/agent`. */
  readonly address: string;
  /** Public key that the hub proves in the handshake, SPKI PEM. */
  readonly key: string;
  /** `sha256/BASE64` of the SPKI of the hub's certificate. It takes the place of authorities and of the host's name. */
  readonly certificate?: string | undefined;
}

/** `HOME/agent/hub.json` (mode 0600), which enrolment writes. */
export const HubFile = z.strictObject({
  address: z.string().max(2_000),
  key: z.string().max(2_000),
  certificate: z
    .string()
    .regex(/^sha256\/[A-Za-z0-9+/]{43}=$/)
    .optional(),
});

export function hubFile(layout: HomeLayout): string {
  return join(layout.agent.dir, 'hub.json');
}

/**
 * The hub of `hub.json`, else that of the same home; `undefined` while there is neither.
 * @param allowInsecure the device's own file lets it dial without TLS
 * @throws {FettleError} `hub_identity_invalid {file, reason}`
 */
export function readHubIdentity(layout: HomeLayout, allowInsecure: boolean): HubIdentity | undefined {
  const file = hubFile(layout);
  const text = readTrimmed(file);
  if (text === undefined) {
    const port = Number(readTrimmed(layout.hub.port));
    const key = readTrimmed(layout.agent.peers) ?? pinHub(layout);
    if (!Number.isInteger(port) || port <= 0 || key === undefined) return undefined;
    return { address: `ws://127.0.0.1:${port}/agent`, key };
  }
  const wrong = (reason: string) => new FettleError('hub_identity_invalid', { data: { file, reason } });
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw wrong('it is no JSON');
  }
  const parsed = HubFile.safeParse(raw);
  if (!parsed.success) throw wrong(`${parsed.error.issues[0]?.path.join('.') ?? ''} is missing or wrong`.trim());
  const reason = addressProblem(parsed.data.address, allowInsecure);
  if (reason !== undefined) throw wrong(reason);
  return parsed.data;
}

/** Is the hub, where the device dials it, on this machine? */
export function isHubHere(layout: HomeLayout, allowInsecure: boolean): boolean {
  const hub = readHubIdentity(layout, allowInsecure);
  return hub !== undefined && isLoopback(new URL(hub.address).hostname);
}

/**
 * Believes the hub of the same home from now on, by the key that it has at this moment: a hub that comes with another one
 * is not believed. `undefined` where it has none yet.
 */
export function pinHub(layout: HomeLayout): string | undefined {
  const key = readTrimmed(`${layout.hub.key}.pub`);
  // The folder may be another user's, who may have put anything there.
  if (key === undefined || !/^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=]{20,200}\n-----END PUBLIC KEY-----$/.test(key))
    return undefined;
  writeDurably(layout.agent.peers, `${key}\n`);
  return key;
}

/** Why a device must not dial this address; `undefined` where it may. Never quotes what may be a secret in it. */
export function addressProblem(address: string, allowInsecure: boolean): string | undefined {
  if (!URL.canParse(address)) return 'its address is no URL';
  const { protocol, username, password, hostname, search, hash } = new URL(address);
  if (username !== '' || password !== '') return 'its address has a name or password in it, which have no place there';
  if (protocol !== 'wss:' && protocol !== 'ws:') return 'its address must begin with wss://';
  if (search !== '' || hash !== '') return 'its address must end with the path';
  if (protocol === 'ws:' && !isLoopback(hostname) && !allowInsecure)
    return 'its address is ws://, which anybody on the way can read: use wss://, or say `allowInsecure: true` in the file of this device';
  return undefined;
}

/**
 * Tells two machines apart that use one key: SHA-256 of the machine's id and the home's path, hex. `undefined` where the
 * machine has no id.
 */
export function machineOf(home: string): string | undefined {
  const id = readTrimmed('/etc/machine-id') || readTrimmed('/var/lib/dbus/machine-id');
  return id ? createHash('sha256').update(`${id}\n${home}`).digest('hex') : undefined;
}
