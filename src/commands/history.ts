import { z } from 'zod';
import type { Language } from '../domain/reply.ts';
import { argument, type CommandContext, defineCommand } from './contract.ts';
import type { UpdateView } from './services.ts';

const EN = {
  title: (app: string | undefined) => (app ? `Updates of ${app}` : 'Updates'),
  none: 'None yet.',
  columns: ['id', 'app', 'what', 'outcome', 'asked by', 'when'],
  restart: 'restart',
  restore: (backup: string) => `data of ${backup}`,
  more: '/update status ID shows one, /update logs ID its log',
};
const ZH: typeof EN = {
  title: (app) => (app ? `${app} 的更新` : '更新'),
  none: '还没有。',
  columns: ['编号', '应用', '内容', '结果', '发起人', '时间'],
  restart: '重启',
  restore: (backup) => `备份 ${backup} 的数据`,
  more: '/update status 编号 查看详情，/update logs 编号 查看日志',
};
const TEXT = { en: EN, zh: ZH };

/** `/update history`: what was done, by whom, and how it ended. */
export const history = defineCommand({
  name: 'update history',
  phrases: ['更新历史', '更新记录', '历史', 'history', 'update history'],
  label: { en: 'History', zh: '历史' },
  role: 'viewer',
  args: z.object({
    app: argument(z.string().optional(), { kind: 'app', help: { en: 'one app', zh: '某个应用' } }),
    limit: argument(z.coerce.number().int().min(1).max(50).default(10), {
      kind: 'option',
      label: 'n',
      help: { en: 'how many, at most 50', zh: '条数，最多 50' },
    }),
  }),
  help: { en: 'Past updates: outcome, who asked, outage', zh: '过去的更新：结果、发起人、中断时间' },
  examples: [{ text: '/update history web', help: { en: 'of one app', zh: '某个应用' } }],
  async run(context, { app, limit }) {
    const text = TEXT[context.language];
    const updates = await context.services.updates.history(app, limit);
    if (updates.length === 0) return { reply: { tone: 'info', title: text.title(app), text: [text.none] } };
    const rows = updates.map((update) => rowOf(update, context));
    // The app's column says nothing where all are of one.
    const keep = (_: string, column: number) => app === undefined || column !== 1;
    return {
      reply: {
        tone: 'info',
        title: text.title(app),
        table: { columns: text.columns.filter(keep), rows: rows.map((row) => row.filter(keep)) },
        hints: [text.more],
      },
    };
  },
});

function rowOf(update: UpdateView, { words, now, language }: CommandContext): string[] {
  return [
    update.id,
    update.app,
    update.on === undefined ? what(update, language) : `${what(update, language)} (${update.on})`,
    words.outcome(update),
    update.requestedByName,
    words.relative(update.endedAt ?? update.stateAt, now),
  ];
}

function what({ kind, app, from, to, backup }: UpdateView, language: Language): string {
  if (kind === 'restart') return TEXT[language].restart;
  if (kind === 'restore') return TEXT[language].restore(`${app}/${backup ?? '?'}`);
  return [from, to].filter((version) => version !== undefined).join(' → ') || '—';
}
