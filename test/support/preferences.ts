import { settingsCatalogue } from '../../config/settings-schema.ts';
import type { Choices, ChoiceView, Preferences } from '../../src/commands/services.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { SETTING_KEYS, SETTING_TEXTS, type SettingKey } from '../../src/domain/setting-texts.ts';
import type { HubSettings } from '../../src/domain/settings.ts';
import type { Setting } from '../../src/domain/settings-catalogue.ts';

/** Settings and choices in memory, for commands that are tested without a hub. */

export function createPreferences(apps: readonly string[]): Preferences {
  const catalogue = settingsCatalogue(apps);
  const of = (key: SettingKey) => catalogue[key] as Setting<unknown>;
  const set = new Map<SettingKey, { value: unknown; byName: string; at: number }>();
  const value = (key: SettingKey) => (set.has(key) ? set.get(key)?.value : of(key).fallback);
  const written = (key: SettingKey) => of(key).write(value(key));
  return {
    current: () => Object.fromEntries(SETTING_KEYS.map((key) => [key, value(key)])) as unknown as HubSettings,
    list: () =>
      SETTING_KEYS.map((key) => ({
        key,
        value: written(key),
        origin: set.has(key) ? 'chat' : 'default',
        changed: set.get(key),
        otherwise: { value: of(key).write(of(key).fallback), origin: 'default' },
      })),
    async set(key, text, { who }) {
      const read = of(key).parse(text);
      if (read === undefined) {
        throw new FettleError('bad_setting', { data: { key, value: text, expected: SETTING_TEXTS[key].expected.en } });
      }
      const before = written(key);
      set.set(key, { value: read, byName: who.name, at: Date.now() });
      return { before, after: written(key) };
    },
    async reset(key) {
      const before = written(key);
      set.delete(key);
      return { before, after: written(key) };
    },
  };
}

/** @param runs what an app runs @param newest what its source has */
export function createChoiceStore(
  runs: (app: string) => string | undefined,
  newest: (app: string) => string,
): Choices & { readonly byApp: Map<string, ChoiceView> } {
  const byApp = new Map<string, ChoiceView>();
  const of = (app: string): ChoiceView => byApp.get(app) ?? { auto: 'off', skipped: [] };
  return {
    byApp,
    of: async (app) => of(app),
    async setAuto(app, auto) {
      const before = of(app).auto;
      byApp.set(app, { ...of(app), auto });
      return { before };
    },
    async pin(app, version, { who }) {
      const before = of(app).pinned;
      const pinned = version ?? runs(app);
      if (pinned === undefined) throw new FettleError('not_installed', { data: { app } });
      byApp.set(app, { ...of(app), pinned, pinnedBy: who.name });
      return { version: pinned, before };
    },
    async unpin(app) {
      const { pinned: before, pinnedBy: _, ...rest } = of(app);
      byApp.set(app, rest);
      return { before };
    },
    async skip(app, wanted) {
      const version = wanted ?? newest(app);
      const already = of(app).skipped.includes(version);
      if (!already) byApp.set(app, { ...of(app), skipped: [...of(app).skipped, version] });
      return { version, already };
    },
  };
}
