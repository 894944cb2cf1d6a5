import { z } from 'zod';
import { roleAllows } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import { argument, type CommandContext, defineCommand } from './contract.ts';
import { onArgument } from './device-words.ts';
import type { LogQuery } from './services.ts';

const TEXT = {
  en: { title: (what: string) => `Log of ${what}` },
  zh: { title: (what: string) => `${what} 的日志` },
};

/** `/update logs`: of an update, or the end of an app's log. */
export const logs = defineCommand({
  name: 'update logs',
  aliases: ['update log'],
  phrases: ['日志', '查看日志', '看日志', '看看日志', 'logs', 'log', 'show the log', 'show logs'],
  label: { en: 'Logs', zh: '日志' },
  role: 'operator',
  args: z.object({
    id: argument(z.string().optional(), {
      kind: 'update',
      help: { en: 'of an update; without one, of the last', zh: '某次更新；省略则为最近一次' },
    }),
    app: argument(z.string().optional(), {
      kind: 'app',
      help: { en: "the end of an app's own log (admins)", zh: '应用自己日志的末尾（管理员）' },
    }),
    on: onArgument(),
    lines: argument(z.coerce.number().int().min(1).max(500).default(40), {
      kind: 'option',
      label: 'n',
      help: { en: 'how many lines, at most 500', zh: '行数，最多 500' },
    }),
  }),
  help: { en: 'The log of an update', zh: '某次更新的日志' },
  examples: [
    { text: '/update logs', help: { en: 'of the last update', zh: '最近一次更新' } },
    { text: '/update logs u-7k2m', help: { en: 'of a given one', zh: '指定的一次' } },
    { text: '/update logs web --lines 100', help: { en: "the end of web's own log", zh: 'web 自己的日志' } },
  ],
  async run(context, { id, app, on, lines }) {
    const { query, what } = await find(context, id, app, lines, on);
    const log = (await context.services.readLog(query, context.signal)).trimEnd();
    if (log === '') throw new FettleError('no_log', { data: app === undefined ? { id: what } : { app } });
    return { reply: { tone: 'info', title: TEXT[context.language].title(what), code: log } };
  },
});

async function find(
  { services, role }: CommandContext,
  id: string | undefined,
  app: string | undefined,
  lines: number,
  on: string | undefined,
): Promise<{ query: LogQuery; what: string }> {
  if (id === undefined && app !== undefined) {
    // What an app writes may hold anything.
    if (!roleAllows(role, 'admin')) throw new FettleError('not_allowed', { data: { needed: 'admin', has: role } });
    return { query: { app, on, lines }, what: app };
  }
  const update =
    id === undefined
      ? ((await services.updates.active()).at(-1) ?? (await services.updates.history(undefined, 1))[0])
      : await services.updates.find(id);
  if (!update) throw id === undefined ? new FettleError('no_log') : new FettleError('unknown_update', { data: { id } });
  return { query: { update: update.id, lines }, what: `${update.id} (${update.app})` };
}
