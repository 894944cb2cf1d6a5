import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createRefusedConnections } from '../../src/devices/refused.ts';
import { createGateway, type DeviceState } from '../../src/gateway/gateway.ts';
import { agentProof } from '../../src/protocol/handshake.ts';
import { openKey } from '../../src/protocol/key.ts';
import { SUBPROTOCOL } from '../../src/protocol/messages.ts';
import { listAudit } from '../../src/store/audit.ts';
import { openStore } from '../../src/store/open.ts';

/** Connections that a real gateway turns away, in the audit log: who, from where, why; and never so many that they fill it. */

const HOUR_MS = 3_600_000;
let folder: string;
let store: Awaited<ReturnType<typeof openStore>>;
let monotonic: number;
let state: DeviceState;
let end: () => Promise<void>;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fettle-refused-'));
  store = await openStore(join(folder, 'hub.db'));
  monotonic = 1;
  state = 'active';
  const clock = { now: () => Date.now(), monotonic: () => monotonic };
  const nameOf = () => 'robot-7';
  const refusals = createRefusedConnections({ db: store.db, clock, nameOf, log: () => undefined });
  const server = createServer();
  const gateway = createGateway({
    ...{
      servers: [server],
      key: openKey(join(folder, 'hub-key')),
      hub: { id: 'h', version: '1.0.0' },
      log: () => undefined,
    },
    deviceKey: async () => ({ publicKey: openKey(join(folder, 'device-key')).publicKey, state }),
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: (length) => Buffer.alloc(length, 7),
    events: {
      connected: async () => 1,
      disconnected: async () => undefined,
      message: async () => undefined,
      refused: (device, why, from) => refusals.refused({ device, why, from }),
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
  end = async () => {
    await gateway.stop();
    server.close();
  };
});
afterEach(async () => {
  await end().catch(() => undefined);
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** @returns the code with which the hub closed */
function dial(key: string): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/agent`, SUBPROTOCOL);
  const nonce = Buffer.alloc(24, 1).toString('base64');
  socket.on('message', (data) => {
    const said = JSON.parse(data.toString()) as { type: string; nonce: string };
    if (said.type !== 'challenge') return socket.close(1000);
    const signature = openKey(join(folder, key)).sign(agentProof(said.nonce, nonce, 'd-1'));
    const about = { device: 'd-1', name: 'x', platform: 'linux-x64', version: '1.0.0' };
    socket.send(JSON.stringify({ type: 'hello', ...about, nonce, signature }));
  });
  return new Promise((resolve, reject) => {
    socket.on('close', resolve);
    socket.on('error', reject);
  });
}

/** What the log has when all that was begun is through. */
async function entries() {
  await end();
  const rows = [...(await listAudit(store.db, { action: 'device-refused' }))].reverse();
  return rows.map(({ by, target, result, data }) => [by, target, result, data?.from, data?.before ?? 0]);
}

test('one that can not prove it, one that is held, one that is revoked; one that may come in is none', async () => {
  expect(await dial('another-key')).toBe(4001);
  state = 'held';
  expect(await dial('device-key')).toBe(4004);
  state = 'revoked';
  expect(await dial('device-key')).toBe(4005);
  // Without the key nobody learns what became of the device.
  expect(await dial('another-key')).toBe(4001);
  state = 'active';
  expect(await dial('device-key')).toBe(1000);
  expect(await entries()).toEqual([
    ['fettle', 'd-1', 'unproven', '127.0.0.1', 0],
    ['fettle', 'robot-7', 'held', '127.0.0.1', 0],
    ['fettle', 'robot-7', 'revoked', '127.0.0.1', 0],
    ['fettle', 'd-1', 'unproven', '127.0.0.1', 0],
  ]);
});

test('strangers twenty an hour, a device that is held one; and how many there were more', async () => {
  for (let i = 0; i < 30; i += 1) await dial('another-key');
  state = 'held';
  for (let i = 0; i < 5; i += 1) await dial('device-key');
  monotonic += HOUR_MS;
  await dial('another-key');
  await dial('device-key');
  const all = await entries();
  expect(all.filter(([, , why]) => why === 'unproven').map(([, , , , before]) => before)).toEqual([
    ...Array(20).fill(0),
    10,
  ]);
  expect(all.filter(([, , why]) => why === 'held').map(([, , , , before]) => before)).toEqual([0, 4]);
});
