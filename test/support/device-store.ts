import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDevices, type DevicesOfHub } from '../../src/devices/devices.ts';
import type { JoinRequest } from '../../src/devices/enrolment.ts';
import type { DevicesDeps } from '../../src/devices/work.ts';
import type { Reply } from '../../src/domain/reply.ts';
import { type OpenStore, openStore } from '../../src/store/open.ts';

/** Devices of a hub on a real store; the clock is the test's, and what admins are told is kept. */
export interface DeviceStore {
  readonly store: OpenStore;
  readonly devices: DevicesOfHub;
  readonly told: { readonly key: string; readonly reply: Reply }[];
  readonly barred: string[];
  readonly lost: string[];
  local: ReturnType<DevicesDeps['local']>;
  /** Hub time. Milliseconds since 1970. */
  now: number;
  /** The token of a line that an admin has asked for. */
  invite(asked?: Partial<Parameters<DevicesOfHub['invite']>[0]>, eventId?: string): Promise<string>;
  close(): Promise<void>;
}

export const ADMIN = { who: { id: 'telegram:1', name: 'Ann' }, route: { platform: 'telegram', chat: 'dm' } };

export async function openDeviceStore(): Promise<DeviceStore> {
  const folder = mkdtempSync(join(tmpdir(), 'fettle-devices-'));
  const store = await openStore(join(folder, 'hub.db'));
  let events = 0;
  const made: Omit<DeviceStore, 'devices'> & { devices?: DevicesOfHub } = {
    store,
    told: [],
    barred: [],
    lost: [],
    local: undefined,
    now: Date.parse('2026-11-21T12:00:00Z'),
    async invite(asked = {}, eventId = `invite-${events++}`) {
      const wanted = { count: 1, forMs: 600_000, labels: {}, ...asked };
      const invitation = await devices.invite(wanted, { ...ADMIN, eventId }, true);
      return invitation.line.split(' ').at(-1) ?? '';
    },
    async close() {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const devices = createDevices({
    db: store.db,
    clock: { now: () => made.now },
    random: (length) => randomBytes(length),
    announcer: {
      announce: async (_trx, { key, reply }) => made.told.push({ key, reply: reply('en', 'UTC') }) > 0,
    },
    outbox: { wake: () => undefined },
    reach: () => ({ address: 'wss://hub.example:7443/agent', certificate: `sha256/${'A'.repeat(43)}=` }),
    hubKey: () => 'hub key',
    local: () => made.local,
    onBarred: (device, state) => void made.barred.push(`${device} ${state}`),
    onLost: async (device) => void made.lost.push(device),
    log: () => undefined,
  });
  return Object.assign(made, { devices });
}

/** What a device with a key of its own says when it joins. */
export function joinRequest(token: string, more: Partial<JoinRequest> = {}): JoinRequest {
  const { publicKey } = generateKeyPairSync('ed25519');
  return {
    token,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    machine: 'a'.repeat(64),
    hostname: 'Robot-7',
    platform: 'linux-x64',
    ...more,
  };
}
