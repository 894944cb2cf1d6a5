import { z } from 'zod';
import { argument, type CommandContext, defineCommand } from './contract.ts';
import { onArgument } from './device-words.ts';
import type { BackupView } from './services.ts';

/** More than these are told by number only. */
const MOST = 20;

const EN = {
  title: (app: string | undefined) => (app ? `Backups of ${app}` : 'Backups'),
  none: 'None yet. One is made before each switch of an app that keeps data.',
  columns: ['id', 'made', 'why', 'size', 'files'],
  before: (step: string) => `before ${step}`,
  restore: (backup: string) => `before a restore of ${backup}`,
  unknown: '—',
  running: (version: string) => ` (${version} runs now)`,
  byHand: (who: string) => `by hand (${who})`,
  strange: {
    unreadable: "can't be put back: its manifest can't be read",
    'of-another-app': "can't be put back: it is another app's",
    misplaced: "can't be put back: it was moved here",
  },
  older: (count: number) => `and ${count} older`,
  hint: (backup: string) => `/update restore ${backup} puts that data back; --dry-run only says how`,
};
const ZH: typeof EN = {
  title: (app) => (app ? `${app} 的备份` : '备份'),
  none: '还没有。保留数据的应用每次切换之前都会备份。',
  columns: ['编号', '时间', '原因', '大小', '文件数'],
  before: (step) => `${step} 之前`,
  restore: (backup) => `恢复 ${backup} 之前`,
  unknown: '—',
  running: (version) => `（${version} 正在运行）`,
  byHand: (who) => `手动（${who}）`,
  strange: {
    unreadable: '不能恢复：清单无法读取',
    'of-another-app': '不能恢复：属于另一个应用',
    misplaced: '不能恢复：被移动到这里',
  },
  older: (count) => `还有 ${count} 个更早的`,
  hint: (backup) => `/update restore ${backup} 恢复该数据；加 --dry-run 只说明步骤`,
};
const TEXT = { en: EN, zh: ZH };

/** `/update backups`: what a restore could put back. */
export const backups = defineCommand({
  name: 'update backups',
  aliases: ['update backup'],
  phrases: ['备份', '备份列表', '查看备份', '有哪些备份', 'backups', 'list backups', 'show backups'],
  label: { en: 'Backups', zh: '备份' },
  role: 'operator',
  args: z.object({
    app: argument(z.string().optional(), { kind: 'app', help: { en: 'one app', zh: '某个应用' } }),
    on: onArgument(),
  }),
  help: { en: 'Backups of data: when, why, how large', zh: '数据备份：时间、原因、大小' },
  examples: [
    { text: '/update backups web', help: { en: 'of one app', zh: '某个应用' } },
    { text: '/update backups', help: { en: 'of all', zh: '全部应用' } },
  ],
  async run(context, { app, on }) {
    const text = TEXT[context.language];
    const { backups: all, strange } = await context.services.backups(app, context.signal, on);
    const [newest] = all;
    if (!newest && strange.length === 0) return { reply: { tone: 'info', title: text.title(app), text: [text.none] } };
    const shown = all.slice(0, MOST);
    return {
      reply: {
        tone: 'info',
        title: text.title(app),
        table: {
          columns: text.columns,
          rows: [
            ...shown.map((backup) => rowOf(backup, context)),
            ...strange
              .slice(0, MOST)
              .map(({ app: of, name, why: reason }) => [`${of}/${name}`, '', text.strange[reason], '', '']),
          ],
        },
        ...(all.length > shown.length ? { text: [text.older(all.length - shown.length)] } : {}),
        ...(newest ? { hints: [text.hint(`${newest.app}/${newest.seq}`)] } : {}),
      },
    };
  },
});

function rowOf(backup: BackupView, { language, words, now }: CommandContext): string[] {
  const text = TEXT[language];
  const { app, seq, at, bytes, files } = backup;
  return [
    `${app}/${seq}`,
    words.relative(at, now),
    `${why(backup, text)}${backup.ofRunning && backup.to ? text.running(backup.to) : ''}`,
    words.bytes(bytes),
    String(files),
  ];
}

function why({ app, from, to, restores, by }: BackupView, text: typeof EN): string {
  if (by !== undefined) return text.byHand(by);
  if (restores !== undefined) return text.restore(`${app}/${restores}`);
  if (to === undefined) return text.unknown;
  return text.before([from, to].filter((version) => version !== undefined).join(' → '));
}
