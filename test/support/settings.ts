import type { HubSettings, SettingsReader } from '../../src/domain/settings.ts';

/** Settings that a test changes. */
export interface TestSettings extends SettingsReader {
  change(values: Partial<HubSettings>): void;
}

export function createSettings(values: Partial<HubSettings> = {}): TestSettings {
  const listeners = new Set<(settings: HubSettings) => void>();
  let current: HubSettings = {
    interval: { every: 24 * 60 * 60_000 },
    timezone: 'UTC',
    notify: 'all',
    grace: 30_000,
    quiet: null,
    digest: null,
    retention: 14,
    backup: true,
    language: 'en',
    defaultApp: null,
    ...values,
  };
  return {
    current: () => current,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    change(changed) {
      current = { ...current, ...changed };
      for (const listener of listeners) listener(current);
    },
  };
}
