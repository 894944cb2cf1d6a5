import { hostname } from 'node:os';
import { join } from 'node:path';
import type { HomeLayout } from '../../config/home.ts';
import { createDevices, type DevicesOfHub } from '../devices/devices.ts';
import type { DevicesDeps } from '../devices/work.ts';
import { readTrimmed } from '../files/durable.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Engine } from '../rollout/engine.ts';
import type { HubListener } from './hub-http.ts';

/** Devices of this hub, with what they need of its home, its listener and its connections. */
export function createHubDevices(
  deps: Pick<DevicesDeps, 'db' | 'clock' | 'random' | 'announcer' | 'outbox' | 'log'> & {
    readonly layout: HomeLayout;
    readonly listener: () => Pick<HubListener, 'reach'>;
    readonly gateway: () => Pick<Gateway, 'end'> | undefined;
    readonly engine: () => Pick<Engine, 'forsake'>;
  },
): DevicesOfHub {
  const { layout } = deps;
  return createDevices({
    ...deps,
    reach: () => deps.listener().reach(),
    hubKey: () => readTrimmed(`${layout.hub.key}.pub`) ?? '',
    local() {
      const device = readTrimmed(join(layout.agent.dir, 'id'));
      const publicKey = readTrimmed(`${layout.agent.key}.pub`);
      return device && publicKey ? { device, publicKey, name: hostname().slice(0, 60) || 'device' } : undefined;
    },
    onBarred: (device, state) => deps.gateway()?.end(device, state),
    onLost: (device, name) => deps.engine().forsake(device, { device: name, why: 'revoked' }),
  });
}

/** The name that people gave a device, in place of what it calls itself. */
export function named<P extends { readonly device: string; readonly name: string }>(devices: DevicesOfHub, peer: P): P {
  return { ...peer, name: devices.nameOf(peer.device) ?? peer.name };
}
