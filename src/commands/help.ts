import { z } from 'zod';
import { roleAllows } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import type { Language, Reply } from '../domain/reply.ts';
import { argument, type Command, defineCommand } from './contract.ts';
import { nearestOf } from './read-arguments.ts';
import { usage } from './usage.ts';

const TEXT = {
  en: {
    title: 'Commands',
    columns: ['command', 'does'],
    more: '/help COMMAND tells more, such as /help update now',
    role: 'role',
    aliases: 'also',
    phrases: 'or say',
    optional: 'may be left out',
  },
  zh: {
    title: '命令',
    columns: ['命令', '作用'],
    more: '/help 命令 查看详情，例如 /help update now',
    role: '角色',
    aliases: '也可写作',
    phrases: '也可以说',
    optional: '可省略',
  },
} as const;

/** `/help`: all commands, or one. */
export const help = defineCommand({
  name: 'help',
  aliases: ['update help', '?', 'start'],
  phrases: ['帮助', '怎么用', 'help'],
  role: 'viewer',
  args: z.object({
    command: argument(z.string().optional(), {
      kind: 'text',
      label: 'command',
      help: { en: 'tell more about this one', zh: '详细说明这个命令' },
    }),
  }),
  help: { en: 'Every command, or more about one', zh: '列出全部命令，或说明其中一个' },
  examples: [
    { text: '/help', help: { en: 'all commands', zh: '全部命令' } },
    { text: '/help update now', help: { en: 'more about one', zh: '说明其中一个' } },
  ],
  async run({ commands, language, role }, { command: asked }) {
    if (asked === undefined)
      return {
        reply: listCommands(
          commands.filter((c) => roleAllows(role, c.role)),
          language,
        ),
      };
    const name = asked.replace(/^\//, '').toLowerCase();
    const found =
      commands.find((c) => c.name === name || c.aliases.includes(name)) ??
      commands.find((c) => c.name.split(' ').at(-1) === name);
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

function listCommands(commands: readonly Command[], language: Language): Reply {
  const text = TEXT[language];
  return {
    tone: 'info',
    title: text.title,
    table: { columns: text.columns, rows: commands.map((command) => [usage(command), command.help[language]]) },
    hints: [text.more],
  };
}

function explain(command: Command, language: Language): Reply {
  const text = TEXT[language];
  return {
    tone: 'info',
    title: usage(command),
    text: [command.help[language]],
    fields: [
      ...command.arguments.map((one) => ({ name: one.written, value: one.help[language] })),
      { name: text.role, value: command.role },
      ...(command.aliases.length > 0
        ? [{ name: text.aliases, value: command.aliases.map((alias) => `/${alias}`).join(', ') }]
        : []),
      ...(command.phrases.length > 0 ? [{ name: text.phrases, value: command.phrases.join(', ') }] : []),
    ],
    hints: command.examples.map((example) => `${example.text}  ${example.help[language]}`),
  };
}
