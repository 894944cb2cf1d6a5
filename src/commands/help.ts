import { z } from 'zod';
import { roleAllows } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import { usageIn } from '../domain/placeholders.ts';
import type { Language, Reply } from '../domain/reply.ts';
import { argument, type Command, defineCommand } from './contract.ts';
import { nearestOf } from './read-arguments.ts';
import { usage } from './usage.ts';

const EN = {
  short: 'What I can do',
  say: 'say',
  type: 'or type',
  mention: 'In a group, mention me first.',
  follow: 'Names and versions may follow: “restart web”.',
  all: 'All commands',
  title: 'Commands',
  columns: ['command', 'does'],
  more: '/help COMMAND tells more, such as /help update now',
  role: 'role',
  aliases: 'also',
  phrases: 'or say',
};
const ZH: typeof EN = {
  short: '我能做的事',
  say: '说',
  type: '或输入',
  mention: '在群里请先 @我。',
  follow: '后面可以加应用名和版本：“重启 web”。',
  all: '全部命令',
  title: '命令',
  columns: ['命令', '作用'],
  more: '/help 命令 查看详情，例如 /help update now',
  role: '角色',
  aliases: '也可写作',
  phrases: '也可以说',
};
const TEXT = { en: EN, zh: ZH };

/** What most people want, in the order in which they want it. */
const FIRST = [
  'update check',
  'update now',
  'update restart',
  'update rollback',
  'update status',
  'update auto',
  'update cancel',
];
/** Of a long list of phrases. */
const MOST_PHRASES = 8;

/** `/help`: the usual commands, all, those of a group, or one. */
export const help = defineCommand({
  name: 'help',
  aliases: ['update help', '?', 'start'],
  phrases: [
    '帮助',
    '怎么用',
    '你会什么',
    '你能做什么',
    '能做什么',
    '有哪些命令',
    '命令',
    '你好',
    '您好',
    '在吗',
    'help',
    'help me',
    'what can you do',
    'commands',
    'hi',
    'hello there',
  ],
  label: { en: 'Help', zh: '帮助' },
  role: 'viewer',
  args: z.object({
    command: argument(z.string().optional(), {
      kind: 'text',
      label: 'command',
      help: { en: 'tell more about this one', zh: '详细说明这个命令' },
    }),
  }),
  help: { en: 'What I can do; all commands; or more about one', zh: '我能做的事；全部命令；或说明其中一个' },
  examples: [
    { text: '/help', help: { en: 'the usual commands', zh: '常用命令' } },
    { text: '/help all', help: { en: 'all commands', zh: '全部命令' } },
    { text: '/help admin', help: { en: 'those about people', zh: '与人员有关的命令' } },
    { text: '/help update now', help: { en: 'more about one', zh: '说明其中一个' } },
  ],
  async run({ commands, language, role, direct }, { command: asked }) {
    const allowed = commands.filter((c) => roleAllows(role, c.role));
    if (asked === undefined) return { reply: firstScreen(allowed, language, direct) };
    if (ALL.includes(asked.toLowerCase())) return { reply: listCommands(allowed, language) };
    const name = asked.replace(/^\//, '').toLowerCase();
    const found =
      commands.find((c) => c.name === name || c.aliases.includes(name)) ??
      commands.find((c) => c.name.split(' ').at(-1) === name);
    const group = allowed.filter((c) => c.name.startsWith(`${name} `));
    if (!found && group.length > 0) return { reply: listCommands(group, language) };
    if (!found) {
      const nearest = nearestOf(
        name,
        commands.flatMap((c) => [c.name, c.name.split(' ').at(-1) ?? '']),
      );
      const near = commands.filter((c) => nearest.some((n) => c.name === n || c.name.endsWith(` ${n}`)));
      throw new FettleError('unknown_command', {
        data: {
          typed: asked.slice(0, 60),
          nearest: near.map((c) => `/${c.name}`),
          try: near.map((c) => `/help ${c.name}`),
        },
      });
    }
    return { reply: explain(found, language) };
  },
});

/** What is asked for by `/help all`. */
const ALL = ['all', '全部', '所有'];

/** What fits on a phone: the usual commands, as people say and as they type them. */
function firstScreen(commands: readonly Command[], language: Language, direct: boolean): Reply {
  const text = TEXT[language];
  const usual = FIRST.flatMap((name) => commands.find((command) => command.name === name) ?? []);
  const buttons = usual.filter(({ role, label }) => role === 'viewer' && label);
  return {
    tone: 'info',
    title: text.short,
    table: {
      columns: [text.say, text.type],
      rows: usual.map((command) => [phraseIn(command, language), usage(command, language).replace(/ \[--.*/, '')]),
    },
    buttons: [
      ...buttons.map(({ label, name }) => ({ label: label?.[language] ?? name, command: `/${name}` })),
      { label: text.all, command: '/help all' },
    ],
    hints: direct ? [text.follow] : [text.mention, text.follow],
  };
}

/** The first phrase in the reader's language. */
function phraseIn({ phrases, name }: Command, language: Language): string {
  const chinese = (say: string) => /\p{Script=Han}/u.test(say);
  return phrases.find(({ say, args }) => args === '' && chinese(say) === (language === 'zh'))?.say ?? `/${name}`;
}

function listCommands(commands: readonly Command[], language: Language): Reply {
  const text = TEXT[language];
  return {
    tone: 'info',
    title: text.title,
    table: {
      columns: text.columns,
      rows: commands.map((command) => [usage(command, language), command.help[language]]),
    },
    hints: [text.more],
  };
}

function explain(command: Command, language: Language): Reply {
  const text = TEXT[language];
  return {
    tone: 'info',
    title: usage(command, language),
    text: [command.help[language]],
    fields: [
      ...command.arguments.map((one) => ({ name: usageIn(language, one.written), value: one.help[language] })),
      { name: text.role, value: command.role },
      ...(command.aliases.length > 0
        ? [{ name: text.aliases, value: command.aliases.map((alias) => `/${alias}`).join(', ') }]
        : []),
      ...(command.phrases.length > 0 ? [{ name: text.phrases, value: phrasesOf(command) }] : []),
    ],
    hints: command.examples.map((example) => `${example.text}  ${example.help[language]}`),
  };
}

function phrasesOf({ phrases }: Command): string {
  const said = phrases.map(({ say }) => say);
  return `${said.slice(0, MOST_PHRASES).join(', ')}${said.length > MOST_PHRASES ? ', …' : ''}`;
}
