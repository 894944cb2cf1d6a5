import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import type { Reply } from '../domain/reply.ts';
import { SETTING_KEYS, SETTING_TEXTS, type SettingKey, settingKeyOf } from '../domain/setting-texts.ts';
import { argument, type CommandContext, defineCommand } from './contract.ts';
import { nearestOf } from './read-arguments.ts';
import type { SettingChange, SettingView } from './services.ts';

const EN = {
  title: 'Settings',
  columns: ['setting', 'value', 'from', 'means'],
  chat: (who: string, when: string) => `${who}, ${when}`,
  file: 'fettle.yaml',
  default: 'default',
  hints: ['/settings KEY tells more · /settings KEY VALUE sets · /settings KEY default takes it back'],
  from: 'from',
  expected: 'takes',
  otherwise: 'without it',
  changed: (key: string, { before, after }: SettingChange) => `${key}: ${before} → ${after}`,
  same: (key: string, value: string) => `${key} is ${value} already`,
  same_default: (key: string, value: string) => `${key} is ${value}, as it is without a setting`,
  reset: {
    file: 'The chat says nothing about it any more; what fettle.yaml says counts.',
    default: 'The chat says nothing about it any more; the default counts.',
  },
  noBackup: 'From now on nothing is backed up before a switch: a failed update brings back the program, not its data.',
};
const ZH: typeof EN = {
  title: '设置',
  columns: ['设置', '值', '来自', '含义'],
  chat: (who, when) => `${who}，${when}`,
  file: 'fettle.yaml',
  default: '默认',
  hints: ['/settings 名称 查看详情 · /settings 名称 值 修改 · /settings 名称 default 恢复'],
  from: '来自',
  expected: '可取的值',
  otherwise: '恢复后为',
  changed: (key, { before, after }) => `${key}：${before} → ${after}`,
  same: (key, value) => `${key} 已经是 ${value}`,
  same_default: (key, value) => `${key} 是 ${value}，没有在聊天中设置过`,
  reset: { file: '聊天中的设置已取消，以 fettle.yaml 为准。', default: '聊天中的设置已取消，以默认值为准。' },
  noBackup: '从现在起，切换之前不再备份：更新失败时只能恢复程序，不能恢复数据。',
};
const TEXT = { en: EN, zh: ZH };

/** What takes a setting back. */
const DEFAULT = new Set(['default', '默认']);

/** `/settings`: what there is, one of them, or a new value. */
export const settings = defineCommand({
  name: 'settings',
  phrases: ['设置', 'settings'],
  role: 'admin',
  args: z.object({
    entry: argument(z.string().optional(), {
      kind: 'text',
      label: 'key [value]',
      begins: SETTING_KEYS.map((key) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)),
      help: {
        en: 'a setting, and its new value; `default` takes back what was set',
        zh: '设置的名称和新的值；default 恢复原值',
      },
    }),
  }),
  help: { en: 'Shows and changes settings', zh: '查看和修改设置' },
  examples: [
    { text: '/settings', help: { en: 'all settings', zh: '全部设置' } },
    { text: '/settings interval 12h', help: { en: 'ask sources twice a day', zh: '每 12 小时检查一次' } },
    { text: '/settings quiet 23:00-07:00', help: { en: 'silence at night', zh: '夜间免打扰' } },
    { text: '/settings interval default', help: { en: 'back to what it was', zh: '恢复原值' } },
  ],
  async run(context, { entry = '' }) {
    const [, word = '', value = ''] = /^([^\s=:]*)[\s=:]*(.*)$/su.exec(entry.trim()) ?? [];
    if (word === '') return { reply: listAll(context) };
    const key = settingKeyOf(word);
    if (!key) throw unknown(word, value);
    if (value === '') return { reply: showOne(key, context) };
    const { preferences } = context.services;
    const reset = DEFAULT.has(value.toLowerCase());
    const change = await (reset ? preferences.reset(key, context) : preferences.set(key, value, context));
    return { reply: showChange(key, change, reset, context) };
  },
});

function unknown(word: string, value: string): FettleError {
  const nearest = nearestOf(
    word.toLowerCase(),
    SETTING_KEYS.map((key) => key.toLowerCase()),
  ).flatMap((name) => settingKeyOf(name) ?? []);
  return new FettleError('unknown_setting', {
    data: {
      key: word.slice(0, 40),
      nearest,
      known: SETTING_KEYS,
      try: nearest.map((key) => `/settings ${key} ${value}`.trim()),
    },
  });
}

function listAll(context: CommandContext): Reply {
  const text = TEXT[context.language];
  return {
    tone: 'info',
    title: text.title,
    table: {
      columns: text.columns,
      rows: context.services.preferences
        .list()
        .map((view) => [view.key, view.value, originOf(view, context), SETTING_TEXTS[view.key].help[context.language]]),
    },
    hints: text.hints,
  };
}

function showOne(key: SettingKey, context: CommandContext): Reply {
  const text = TEXT[context.language];
  const view = viewOf(key, context);
  const { help, expected } = SETTING_TEXTS[key];
  return {
    tone: 'info',
    title: `${key}: ${view.value}`,
    text: [help[context.language]],
    fields: [
      { name: text.from, value: originOf(view, context) },
      ...(view.origin === 'chat' ? [{ name: text.otherwise, value: view.otherwise.value }] : []),
      { name: text.expected, value: expected[context.language] },
    ],
    ...(view.origin === 'chat' ? { hints: [`/settings ${key} default`] } : {}),
  };
}

function showChange(key: SettingKey, change: SettingChange, reset: boolean, context: CommandContext): Reply {
  const text = TEXT[context.language];
  const view = viewOf(key, context);
  const same = change.before === change.after;
  const title = !same
    ? text.changed(key, change)
    : reset
      ? text.same_default(key, change.after)
      : text.same(key, change.after);
  const dangerous = key === 'backup' && change.after === 'off' && !same;
  return {
    tone: dangerous ? 'warn' : 'good',
    title,
    text: [
      ...(dangerous ? [text.noBackup] : []),
      ...(reset && !same ? [text.reset[view.otherwise.origin]] : []),
      ...(same || reset || dangerous ? [] : [SETTING_TEXTS[key].help[context.language]]),
    ],
    ...(reset || same ? {} : { hints: [`/settings ${key} default`] }),
  };
}

function viewOf(key: SettingKey, { services }: CommandContext): SettingView {
  const view = services.preferences.list().find((one) => one.key === key);
  if (!view) throw new FettleError('internal', { data: { reason: `the setting ${key} is not listed` } });
  return view;
}

function originOf({ origin, changed }: SettingView, { language, words, now }: CommandContext): string {
  const text = TEXT[language];
  if (origin === 'chat') return text.chat(changed?.byName ?? '', words.relative(changed?.at ?? now, now));
  return origin === 'file' ? text.file : text.default;
}
