import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLink, type Link, type LinkDeps } from '../../agent/link.ts';
import { type HomeLayout, homeLayout } from '../../config/home.ts';
import type { HubConfig } from '../../config/hub-schema.ts';
import { createHubListener, type HubListener, healthHandler } from '../../src/cli/hub-http.ts';
import type { Clock } from '../../src/domain/id.ts';
import { createGateway, type Gateway, type GatewayDeps } from '../../src/gateway/gateway.ts';
import { type OwnKey, openKey } from '../../src/protocol/key.ts';
import type { AgentMessage, HubMessage } from '../../src/protocol/messages.ts';

/** A listener and a gateway as the hub wires them, and links as agents have them: real sockets, real keys. */
export const machineClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
const random = (length: number) => randomBytes(length);

export interface TestHub {
  readonly layout: HomeLayout;
  readonly key: OwnKey;
  readonly listener: HubListener;
  readonly gateway: Gateway;
  readonly heard: { readonly device: string; readonly epoch: number; readonly message: AgentMessage }[];
  readonly log: string[];
  /** Devices by id, with the public key that the hub knows. */
  readonly devices: Map<string, Awaited<ReturnType<GatewayDeps['deviceKey']>>>;
  readonly events: string[];
  stop(): Promise<void>;
}

export async function startTestHub(
  config: Partial<HubConfig['hub']> = {},
  more: Partial<Pick<GatewayDeps, 'events' | 'clock'>> & { readonly home?: string; readonly log?: string[] } = {},
): Promise<TestHub> {
  const home = more.home ?? mkdtempSync(join(tmpdir(), 'fettle-hub-'));
  const layout = homeLayout(home, join(home, 'rt'));
  const key = openKey(layout.hub.key);
  const log = more.log ?? [];
  const heard: TestHub['heard'] = [];
  const events: string[] = [];
  const devices: TestHub['devices'] = new Map();
  const listener = await createHubListener({
    ...{ layout, configFile: layout.config, log: (line: string) => log.push(line) },
    hub: { port: 0, ...config },
    path: process.env.PATH ?? '',
    handlers: [healthHandler(() => [])],
  });
  let epoch = 0;
  const gateway = createGateway({
    ...{ key, random, clock: more.clock ?? machineClock, log: (line: string) => log.push(line) },
    servers: listener.servers,
    hub: { id: 'h-test', version: '1.2.3' },
    deviceKey: async (device) => devices.get(device),
    events: more.events ?? {
      async connected({ device }) {
        epoch += 1;
        events.push(`connected ${device} ${epoch}`);
        return epoch;
      },
      async message({ device }, at, message) {
        heard.push({ device, epoch: at, message });
      },
      async disconnected({ device }, at, why) {
        events.push(`disconnected ${device} ${at}${why ? ` ${why}` : ''}`);
      },
    },
  });
  await listener.listen(0, 0);
  return {
    ...{ layout, key, listener, gateway, heard, log, devices, events },
    async stop() {
      await gateway.stop();
      listener.close();
      if (more.home === undefined) rmSync(home, { recursive: true, force: true });
    },
  };
}

export interface TestAgent {
  readonly link: Link;
  readonly key: OwnKey;
  readonly told: { readonly message: HubMessage; readonly hubNow: number }[];
  readonly log: string[];
  stop(): void;
}

/** An agent's connection with a key of its own, that the hub knows unless it is to be a stranger. */
export function startTestAgent(
  hub: Pick<TestHub, 'layout' | 'devices'>,
  id: string,
  more: Partial<Pick<LinkDeps, 'hub' | 'proxy' | 'clock' | 'random' | 'onConnected' | 'onMessage'>> & {
    readonly stranger?: true;
  } = {},
): TestAgent {
  const key = openKey(join(hub.layout.home, 'devices', id));
  if (!more.stranger) hub.devices.set(id, { publicKey: key.publicKey, state: 'active' });
  const told: TestAgent['told'] = [];
  const log: string[] = [];
  const link = createLink({
    hub: () => undefined,
    ...{ key, random, clock: machineClock, onConnected: () => undefined },
    device: { id, name: id, platform: 'linux-x64', version: '1.0.0' },
    onMessage: async (message, hubNow) => {
      told.push({ message, hubNow });
    },
    log: (line) => log.push(line),
    ...more,
  });
  link.start();
  return { link, key, told, log, stop: () => link.stop() };
}
