import { readDuration, writeDuration } from './duration.ts';
import { LANGUAGES } from './reply.ts';
import { SETTING_TEXTS, type SettingKey, type SettingText } from './setting-texts.ts';
import type { HubSettings } from './settings.ts';

/**
 * Every setting: which values it takes, how they are read and written, what counts where nobody said anything. The
 * chat, the configuration file and the store read values through this alone, so that all three agree. Pure.
 */

export interface Setting<T> extends SettingText {
  readonly fallback: T;
  /** `undefined`: nonsense, or out of bounds. Never throws. */
  parse(text: string): T | undefined;
  /** As {@link Setting.parse} reads it back. */
  write(value: T): string;
}

export type SettingsCatalogue = { readonly [K in SettingKey]: Setting<HubSettings[K]> };

/** What a setting's bounds depend on. */
export interface CatalogueDeps {
  /** Is this a cron expression of five fields that fires, and at most once an hour? */
  readonly isCron: (expression: string) => boolean;
  /** Names of apps that there are. */
  readonly apps: readonly string[];
  /** The machine's own. */
  readonly timezone: string;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const RETENTION_DAYS = 3_650;

export function createSettingsCatalogue({ isCron, apps, timezone }: CatalogueDeps): SettingsCatalogue {
  const define = <K extends SettingKey>(
    key: K,
    values: Pick<Setting<HubSettings[K]>, 'fallback' | 'parse' | 'write'>,
  ): Setting<HubSettings[K]> => ({
    ...SETTING_TEXTS[key],
    ...values,
    parse: (text) => values.parse(fold(text)),
  });

  return {
    interval: define('interval', {
      fallback: { every: DAY },
      parse(text) {
        const every = readSpan(text);
        if (every !== undefined) return every >= HOUR && every <= 30 * DAY ? { every } : undefined;
        return isCron(text) ? { cron: text } : undefined;
      },
      write: (value) => ('every' in value ? writeDuration(value.every) : value.cron),
    }),
    timezone: define('timezone', {
      fallback: readTimezone(timezone) ?? 'UTC',
      parse: readTimezone,
      write: (value) => value,
    }),
    notify: define('notify', {
      fallback: 'all',
      parse: (text) =>
        readSwitch(text) === 'on' ? 'all' : oneOf(['all', 'failures', 'off'], NOTIFY.get(text) ?? text),
      write: (value) => value,
    }),
    grace: define('grace', {
      fallback: 30_000,
      parse(text) {
        // A bare 0 needs no unit.
        const ms = text === '0' ? 0 : readSpan(text);
        return ms !== undefined && ms <= HOUR ? ms : undefined;
      },
      write: writeDuration,
    }),
    quiet: define('quiet', {
      fallback: null,
      parse(text) {
        if (readSwitch(text) === 'off') return null;
        const [from, to, more] = text.split(/\s*[-–—~至到]\s*/).map(readMinute);
        if (from === undefined || to === undefined || more !== undefined || from === to) return undefined;
        return { from, to };
      },
      write: (value) => (value === null ? 'off' : `${writeMinute(value.from)}-${writeMinute(value.to)}`),
    }),
    digest: define('digest', {
      fallback: null,
      parse: (text) => (readSwitch(text) === 'off' ? null : readMinute(text)),
      write: (value) => (value === null ? 'off' : writeMinute(value)),
    }),
    retention: define('retention', {
      fallback: 14,
      parse(text) {
        const days = /^(\d{1,4})\s?[d天]?$/.exec(text)?.[1];
        return days !== undefined && Number(days) <= RETENTION_DAYS ? Number(days) : undefined;
      },
      write: (value) => `${value}d`,
    }),
    backup: define('backup', {
      fallback: true,
      parse(text) {
        const value = readSwitch(text);
        return value && value === 'on';
      },
      write: (value) => (value ? 'on' : 'off'),
    }),
    language: define('language', {
      fallback: 'en',
      parse: (text) => oneOf(LANGUAGES, LANGUAGE.get(text) ?? text),
      write: (value) => value,
    }),
    defaultApp: define('defaultApp', {
      fallback: null,
      parse: (text) => (text === 'none' || text === '无' ? null : apps.find((app) => app === text)),
      write: (value) => value ?? 'none',
    }),
  };
}

/** What keyboards make of a value: full-width forms, capitals, odd spaces. No value differs by case alone. */
function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}

const SWITCHES: ReadonlyMap<string, 'on' | 'off'> = new Map([
  ...['on', 'true', 'yes', '开', '开启', '打开'].map((word) => [word, 'on'] as const),
  ...['off', 'false', 'no', '关', '关闭'].map((word) => [word, 'off'] as const),
]);
const readSwitch = (text: string) => SWITCHES.get(text);

const NOTIFY: ReadonlyMap<string, string> = new Map([
  ['全部', 'all'],
  ['失败', 'failures'],
  ['仅失败', 'failures'],
  ['关', 'off'],
  ['关闭', 'off'],
  ['false', 'off'],
  ['no', 'off'],
]);
const LANGUAGE: ReadonlyMap<string, string> = new Map([
  ['中文', 'zh'],
  ['英文', 'en'],
]);
const UNITS: Readonly<Record<string, string>> = { 天: 'd', 小时: 'h', 分钟: 'm', 分: 'm', 秒: 's' };

function oneOf<T extends string>(values: readonly T[], text: string): T | undefined {
  return values.find((value) => value === text);
}

/** A duration, its unit in either language. */
function readSpan(text: string): number | undefined {
  return readDuration(text.replace(/(天|小时|分钟|分|秒)$/u, (unit) => UNITS[unit] ?? unit));
}

/** The name in its usual spelling. Offsets (`+08:00`) are refused: they know no summer time, and not all readers know them. */
function readTimezone(text: string): string | undefined {
  if (!/^[a-z]/i.test(text)) return undefined;
  try {
    // Intl's tables take 8 MB; the usual zone needs none.
    if (text === 'UTC') return text;
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** `HH:MM` as a minute of the day. */
function readMinute(text: string): number | undefined {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  return match ? Number(match[1]) * 60 + Number(match[2]) : undefined;
}

/** A minute of the day as `HH:MM`. */
export function writeMinute(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}
