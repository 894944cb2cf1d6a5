import type { HubSettings, SettingsReader } from '../domain/settings.ts';
import type { Gateway } from '../gateway/gateway.ts';

/** Tells devices the settings that count on them: at each connect, and when they change. The device keeps them. */
export interface DeviceSettings {
  /** A device can be spoken to. */
  connected(device: string): void;
  stop(): void;
}

export function createDeviceSettings(deps: {
  readonly gateway: () => Pick<Gateway, 'send'>;
  readonly settings: SettingsReader;
}): DeviceSettings {
  /** Devices that were here since the start; to one that has gone nothing is sent, and it hears it when it is back. */
  const seen = new Set<string>();
  const tell = (device: string, { retention }: HubSettings) =>
    deps.gateway().send(device, { type: 'settings', retentionDays: retention });
  const stop = deps.settings.onChange((settings) => {
    for (const device of seen) tell(device, settings);
  });
  return {
    connected(device) {
      seen.add(device);
      tell(device, deps.settings.current());
    },
    stop,
  };
}
