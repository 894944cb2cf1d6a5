import { z } from 'zod';
import type { Language, Reply } from '../domain/reply.ts';
import type { SettingKey } from '../domain/setting-texts.ts';
import type { Auto } from '../domain/settings.ts';
import { majorStep } from '../domain/version.ts';
import { argument, type CommandContext, defineCommand } from './contract.ts';
import type { ChoiceView } from './services.ts';
import { runningVersions } from './suggestion.ts';

interface Facts {
  readonly every: string;
  readonly cron: boolean;
  readonly grace: string | undefined;
  readonly quiet: string | undefined;
  readonly timezone: string;
}

const EN = {
  mode: { on: 'on', minor: 'on, except for major versions', off: 'off' } satisfies Record<Auto, string>,
  is: (app: string, mode: string) => `Automatic updates of ${app}: ${mode}`,
  already: (app: string, mode: string) => `Automatic updates of ${app}: ${mode} already`,
  what: ({ every, cron, grace, quiet, timezone }: Facts) =>
    `Its source is asked ${cron ? `at ${every} (${timezone})` : `every ${every}`}. A new release is announced, and its update begins ${grace === undefined ? 'at once' : `${grace} later, unless somebody cancels it`}${quiet === undefined ? '' : `; not between ${quiet.replace('-', ' and ')} (${timezone})`}.`,
  off: 'Updating is left to people.',
  minor: (next: string | undefined) =>
    next === undefined
      ? 'A new major version is left to a person.'
      : `A new major version, such as ${next}, is left to a person.`,
  zero: (next: string) =>
    `Before 1.0.0 the second number counts as the major one: a step such as ${next} is left to a person.`,
  pinned: (app: string, version: string) =>
    `${app} is held at ${version}, so nothing happens until /update unpin ${app}.`,
  skipped: (versions: string) => `Skipped: ${versions}.`,
  expired: 'Until it is published again, nothing is updated from it by itself.',
};
const ZH: typeof EN = {
  mode: { on: '开', minor: '开（大版本除外）', off: '关' },
  is: (app, mode) => `${app} 的自动更新：${mode}`,
  already: (app, mode) => `${app} 的自动更新已经是：${mode}`,
  what: ({ every, cron, grace, quiet, timezone }) =>
    `${cron ? `按 ${every}（${timezone}）` : `每 ${every} `}检查一次来源。发现新版本会通知，${grace === undefined ? '并立即开始更新' : `${grace} 后开始更新，期间可以取消`}${quiet === undefined ? '' : `；${quiet}（${timezone}）期间不进行`}。`,
  off: '是否更新由人决定。',
  minor: (next) => (next === undefined ? '大版本由人决定。' : `大版本（如 ${next}）由人决定。`),
  zero: (next) => `1.0.0 之前，第二个数字视为大版本：${next} 这样的变化由人决定。`,
  pinned: (app, version) => `${app} 已固定在 ${version}；在 /update unpin ${app} 之前不会更新。`,
  skipped: (versions) => `已跳过：${versions}。`,
  expired: '在它重新发布之前，不会自动从中更新。',
};
const TEXT = { en: EN, zh: ZH };

/** `/update auto`: updates that nobody has to ask for. */
export const auto = defineCommand({
  name: 'update auto',
  phrases: [
    '自动更新',
    'auto update',
    'auto updates',
    { say: '打开自动更新', args: 'on' },
    { say: '开启自动更新', args: 'on' },
    { say: '开自动更新', args: 'on' },
    { say: '自动更新打开', args: 'on' },
    { say: '关闭自动更新', args: 'off' },
    { say: '关掉自动更新', args: 'off' },
    { say: '停止自动更新', args: 'off' },
    { say: 'turn on auto update', args: 'on' },
    { say: 'turn auto update on', args: 'on' },
    { say: 'turn on automatic updates', args: 'on' },
    { say: 'turn off auto update', args: 'off' },
    { say: 'turn auto update off', args: 'off' },
    { say: 'turn off automatic updates', args: 'off' },
  ],
  label: { en: 'Automatic updates', zh: '自动更新' },
  role: 'admin',
  args: z.object({
    mode: argument(z.enum(['on', 'minor', 'off'] satisfies readonly Auto[]).optional(), {
      kind: 'choice',
      help: {
        en: 'on: every release; minor: all but major versions; off; without one, how it is',
        zh: 'on：所有版本；minor：大版本除外；off：关；省略则查看现状',
      },
    }),
    app: argument(z.string(), { kind: 'app', help: { en: 'which app', zh: '哪个应用' } }),
  }),
  help: { en: 'Updates by itself, or not', zh: '是否自动更新' },
  examples: [
    { text: '/update auto on web', help: { en: 'every new release', zh: '自动更新到每个新版本' } },
    { text: '/update auto minor web', help: { en: 'all but major versions', zh: '大版本除外' } },
    { text: '/update auto 关 web', help: { en: 'no longer', zh: '不再自动更新' } },
    { text: '/update auto web', help: { en: 'how it is', zh: '查看现状' } },
  ],
  async run(context, { mode, app }) {
    const { choices } = context.services;
    const before = mode === undefined ? undefined : (await choices.setAuto(app, mode, context)).before;
    const choice = await choices.of(app);
    // What was asked for, also where somebody else was quicker to change it again.
    const is = mode ?? choice.auto;
    const text = TEXT[context.language];
    const title = (before === is ? text.already : text.is)(app, text.mode[is]);
    const reply: Reply = {
      tone: mode === undefined ? 'info' : 'good',
      title,
      text: await explain(app, is, choice, context),
      hints:
        mode === undefined ? [`/update auto on|minor|off ${app}`] : is === 'off' ? [] : [`/update auto off ${app}`],
    };
    return { reply };
  },
});

async function explain(app: string, mode: Auto, choice: ChoiceView, context: CommandContext): Promise<string[]> {
  const text = TEXT[context.language];
  const held = choice.pinned === undefined ? [] : [text.pinned(app, choice.pinned)];
  const skipped = choice.skipped.length === 0 ? [] : [text.skipped(choice.skipped.join(', '))];
  if (mode === 'off') return [text.off, ...held, ...skipped];
  const [runs] = runningVersions(app, await context.services.devices());
  const next = runs === undefined ? undefined : majorStep(runs);
  const major =
    mode !== 'minor' ? [] : [next?.zero ? text.zero(`${runs} → ${next.version}`) : text.minor(next?.version)];
  const { warning } = (await context.services.known(app)).offer;
  const expired = warning ? [context.words.problem(warning.code, warning.data).text, text.expired] : [];
  return [text.what(factsOf(context)), ...major, ...held, ...skipped, ...expired];
}

function factsOf({ services, words }: CommandContext): Facts {
  const { interval, grace, timezone, quiet } = services.preferences.current();
  const written = (key: SettingKey) => services.preferences.list().find((view) => view.key === key)?.value ?? '';
  return {
    cron: 'cron' in interval,
    every: written('interval'),
    grace: grace === 0 ? undefined : words.duration(grace).replace(/\.0(?= )/, ''),
    quiet: quiet === null ? undefined : written('quiet'),
    timezone,
  };
}

/** The word of a table for how an app is kept up to date. */
export function autoWord({ auto: mode, pinned }: ChoiceView, language: Language): string {
  if (pinned !== undefined) return language === 'zh' ? `固定在 ${pinned}` : `pinned ${pinned}`;
  return mode === 'minor' ? 'minor' : language === 'zh' ? TEXT.zh.mode[mode] : mode;
}
