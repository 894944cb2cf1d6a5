import type { Localized } from './reply.ts';
import type { HubSettings } from './settings.ts';

/** A setting in words; what values it takes is in `settings-catalogue.ts`. */
export interface SettingText {
  /** What it does, in one line. */
  readonly help: Localized;
  /** Completes "expected …". */
  readonly expected: Localized;
  /** What it may be called instead. */
  readonly also: readonly string[];
}

export type SettingKey = keyof HubSettings;

/** In the order in which people read them. */
export const SETTING_TEXTS: Readonly<Record<SettingKey, SettingText>> = {
  interval: {
    help: { en: 'How often sources are asked for new releases', zh: '多久检查一次新版本' },
    expected: {
      en: 'a duration from 1h to 30d such as 24h or 7d, or a cron expression of 5 fields such as 0 3 * * * that fires at most once an hour',
      zh: '1h 到 30d 的时长（如 24h、7d），或每小时最多触发一次的 5 段 cron 表达式（如 0 3 * * *）',
    },
    also: ['检查间隔', '间隔'],
  },
  timezone: {
    help: {
      en: 'Time zone of cron expressions, quiet hours and the digest',
      zh: 'cron 表达式、免打扰和汇总所用的时区',
    },
    expected: { en: 'a time zone such as Asia/Shanghai or UTC', zh: '时区名，如 Asia/Shanghai 或 UTC' },
    also: ['tz', '时区'],
  },
  notify: {
    help: { en: 'What is told without being asked', zh: '主动通知哪些内容' },
    expected: { en: 'all, failures or off', zh: 'all（全部）、failures（仅失败）或 off（关）' },
    also: ['通知'],
  },
  grace: {
    help: {
      en: 'Time between the notice of an automatic update and its begin',
      zh: '自动更新从通知到开始之间的等待时间',
    },
    expected: {
      en: 'a duration from 0s to 1h such as 30s; 0 begins at once',
      zh: '0s 到 1h 的时长，如 30s；0 表示立即开始',
    },
    also: ['宽限', '宽限期', '等待时间', '等待'],
  },
  quiet: {
    help: {
      en: 'Hours in which nothing new is announced or begun by itself',
      zh: '免打扰时段：不主动通知，也不自动开始更新',
    },
    expected: {
      en: 'two different times of day such as 23:00-07:00, or off',
      zh: '两个不同的时刻，如 23:00-07:00，或 off（关）',
    },
    also: ['免打扰', '安静时段'],
  },
  digest: {
    help: {
      en: 'Time of day at which new releases are told in one message; off tells each as it is found',
      zh: '每天在这个时刻用一条消息汇总新版本；off 表示发现时逐个通知',
    },
    expected: { en: 'a time of day such as 09:00, or off', zh: '一个时刻，如 09:00，或 off（关）' },
    also: ['汇总', '每日汇总'],
  },
  retention: {
    help: {
      en: 'Days that backups are kept; 0 keeps the newest and that of the running release',
      zh: '备份保留的天数；0 表示只保留最新的和当前版本的',
    },
    expected: { en: 'days from 0 to 3650 such as 14d', zh: '0 到 3650 天，如 14d' },
    also: ['保留', '保留天数'],
  },
  backup: {
    help: { en: 'Whether data is backed up before a switch', zh: '切换之前是否备份数据' },
    expected: { en: 'on or off', zh: 'on（开）或 off（关）' },
    also: ['备份'],
  },
  language: {
    help: { en: 'Language of messages where a chat has none of its own', zh: '聊天没有自己的语言时，消息所用的语言' },
    expected: { en: 'en or zh', zh: 'en（英文）或 zh（中文）' },
    also: ['lang', '语言'],
  },
  defaultApp: {
    help: { en: 'The app that is meant when a command names none', zh: '命令没有指明应用时所指的应用' },
    expected: { en: 'the name of an app, or none', zh: '一个应用的名字，或 none（无）' },
    also: ['默认应用'],
  },
};

export const SETTING_KEYS = Object.keys(SETTING_TEXTS) as readonly SettingKey[];

/** The setting that a word means: its key, however it is written (`default-app`), or another name of it. */
export function settingKeyOf(word: string): SettingKey | undefined {
  const plain = (text: string) =>
    text
      .normalize('NFKC')
      .toLowerCase()
      .replace(/[\s_-]/g, '');
  const typed = plain(word);
  return SETTING_KEYS.find((key) => plain(key) === typed || SETTING_TEXTS[key].also.includes(typed));
}
