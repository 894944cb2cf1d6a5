import { z } from 'zod';
import { SETTING_KEYS, SETTING_TEXTS, type SettingKey } from '../src/domain/setting-texts.ts';
import type { HubSettings } from '../src/domain/settings.ts';
import { createSettingsCatalogue, type Setting, type SettingsCatalogue } from '../src/domain/settings-catalogue.ts';
import { isCron } from './cron.ts';
import { machineTimezone } from './machine-timezone.ts';

/**
 * The settings of `/settings` as a file may give them. Values are read by the catalogue that the chat uses; YAML's own
 * numbers and switches (`grace: 0`, `backup: true`) are taken as they are written.
 */

/** The catalogue of a machine. @param apps names that `defaultApp` may have */
export function settingsCatalogue(apps: readonly string[]): SettingsCatalogue {
  return createSettingsCatalogue({ isCron, apps, timezone: machineTimezone() });
}

/** Which apps there are is known when the whole file has been read; until then every name passes. */
const anyApp = settingsCatalogue([]);

function setting<K extends SettingKey>(key: K) {
  const { help, expected } = SETTING_TEXTS[key];
  const definition: Setting<HubSettings[K]> = anyApp[key];
  const message = `expected ${expected.en}`;
  return z
    .union([z.string(), z.number(), z.boolean()], { error: message })
    .transform((value, context): HubSettings[K] => {
      const read = definition.parse(String(value));
      if (read !== undefined) return read;
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    })
    .optional()
    .meta({
      title: expected.en,
      description: `${help.en}.${key === 'timezone' ? " The machine's own unless given." : ''}`,
      ...(key === 'timezone' ? {} : { default: definition.write(definition.fallback) }),
    });
}

const appName = z
  .string({ error: `expected ${SETTING_TEXTS.defaultApp.expected.en}` })
  .transform((text) => (text === 'none' ? null : text))
  .optional()
  .meta({ title: SETTING_TEXTS.defaultApp.expected.en, description: `${SETTING_TEXTS.defaultApp.help.en}.` });

export const SettingsSchema = z
  .strictObject({
    interval: setting('interval'),
    timezone: setting('timezone'),
    notify: setting('notify'),
    grace: setting('grace'),
    quiet: setting('quiet'),
    digest: setting('digest'),
    retention: setting('retention'),
    backup: setting('backup'),
    language: setting('language'),
    defaultApp: appName,
  } satisfies Record<SettingKey, z.ZodType>)
  .prefault({});

/**
 * What the file says of settings: `settings:` first, then the keys beside it. `language: en` beside it is what counts
 * anyway, and not told from a file that says nothing.
 */
export function settingsOfFile(config: {
  readonly language?: HubSettings['language'] | undefined;
  readonly defaultApp?: string | undefined;
  readonly settings: z.output<typeof SettingsSchema>;
}): Partial<HubSettings> {
  const language = config.language === 'en' ? undefined : config.language;
  const said = { language, defaultApp: config.defaultApp, ...config.settings };
  return Object.fromEntries(SETTING_KEYS.flatMap((key) => (said[key] === undefined ? [] : [[key, said[key]]])));
}
