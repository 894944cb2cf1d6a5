import { expect, test } from 'vitest';
import type { HubSettings } from '../../../src/domain/settings.ts';
import type { HubMessage } from '../../../src/protocol/messages.ts';
import { createDeviceSettings } from '../../../src/rollout/device-settings.ts';

test('a device hears the days at each connect, and when they change', () => {
  const sent: [string, HubMessage][] = [];
  const listeners = new Set<(settings: HubSettings) => void>();
  let settings = { retention: 14, backup: true } as HubSettings;
  const change = (retention: number) => {
    settings = { ...settings, retention };
    for (const listener of listeners) listener(settings);
  };
  const told = createDeviceSettings({
    gateway: () => ({ send: (device, message) => sent.push([device, message]) > 0 }),
    settings: {
      current: () => settings,
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  });
  change(30);
  expect(sent).toEqual([]);
  told.connected('d-1');
  told.connected('d-2');
  change(0);
  told.connected('d-1');
  const days = (device: string) =>
    sent.flatMap(([to, message]) => (to === device && message.type === 'settings' ? [message.retentionDays] : []));
  expect(days('d-1')).toEqual([30, 0, 0]);
  expect(days('d-2')).toEqual([30, 0]);
  told.stop();
  change(3);
  expect(days('d-1')).toEqual([30, 0, 0]);
});
