import { z } from 'zod';
import type { Reply } from '../domain/reply.ts';
import { autoWord } from './auto.ts';
import { type CommandContext, defineCommand } from './contract.ts';
import type { AppSetting, DeviceView, UpdateView } from './services.ts';
import { runningVersions, suggest } from './suggestion.ts';

const EN = {
  title: (version: string) => `Fettle ${version}`,
  app: 'app',
  runs: 'runs',
  newest: 'newest',
  auto: 'auto',
  skipped: (version: string) => `${version} skipped`,
  failed: (version: string) => `${version} failed here`,
  last: 'last update',
  absent: 'not installed',
  unchecked: 'not asked yet',
  unreachable: 'source does not answer',
  noSource: 'no source',
  never: 'none yet',
  onDevices: (n: number) => `on ${n} devices`,
  none: 'There are no apps yet. Add one to fettle.yaml.',
  updateTo: (app: string, version: string) => `Update ${app} to ${version}`,
  hints: ['/update check APP · /update now APP · /update status APP', '/help lists every command'],
};
const ZH: typeof EN = {
  title: (version) => `Fettle ${version}`,
  app: '应用',
  runs: '运行版本',
  newest: '最新版本',
  auto: '自动',
  skipped: (version) => `${version} 已跳过`,
  failed: (version) => `${version} 在此失败过`,
  last: '上次更新',
  absent: '未安装',
  unchecked: '尚未检查',
  unreachable: '来源没有响应',
  noSource: '没有来源',
  never: '无',
  onDevices: (n) => `${n} 台设备`,
  none: '还没有应用，请在 fettle.yaml 中添加。',
  updateTo: (app, version) => `更新 ${app} 到 ${version}`,
  hints: ['/update check 应用 · /update now 应用 · /update status 应用', '/help 列出全部命令'],
};
const TEXT = { en: EN, zh: ZH };

/** More are a wall; the commands are in the hints. */
const MOST_BUTTONS = 4;

/** `/update`: everything at a glance. */
export const update = defineCommand({
  name: 'update',
  aliases: ['update overview'],
  phrases: ['更新概览', '概览', '总览', 'overview'],
  label: { en: 'Overview', zh: '概览' },
  role: 'viewer',
  args: z.object({}),
  help: {
    en: 'Every app with its version, the newest one, automatic updates and how its last update ended',
    zh: '每个应用的版本、最新版本、自动更新和上次更新的结果',
  },
  examples: [{ text: '/update', help: { en: 'what there is', zh: '查看概览' } }],
  async run(context) {
    const text = TEXT[context.language];
    const { apps, version } = context.services.settings();
    if (apps.length === 0) return { reply: { tone: 'info', title: text.title(version), text: [text.none] } };
    const devices = await context.services.devices();
    const lines = await Promise.all(apps.map((app) => overviewOf(app, devices, context)));
    const reply: Reply = {
      tone: 'info',
      title: text.title(version),
      table: { columns: [text.app, text.runs, text.newest, text.auto, text.last], rows: lines.map((line) => line.row) },
      buttons: lines
        .flatMap(({ app, offer }) => (offer === undefined ? [] : [{ app, offer }]))
        .slice(0, MOST_BUTTONS)
        .map(({ app, offer }) => ({
          label: text.updateTo(app, offer),
          command: `/update now ${app}`,
          style: 'primary' as const,
        })),
      hints: text.hints,
    };
    return { reply };
  },
});

async function overviewOf(
  app: AppSetting,
  devices: readonly DeviceView[],
  { services, words, now, language }: CommandContext,
): Promise<{ app: string; row: readonly string[]; offer: string | undefined }> {
  const text = TEXT[language];
  const [known, choice, active, [past]] = await Promise.all([
    services.known(app.name),
    services.choices.of(app.name),
    services.updates.active(app.name),
    services.updates.history(app.name, 1),
  ]);
  const versions = runningVersions(app.name, devices);
  const { release, skipped, blocked, newer } = suggest(app, known, choice, devices);
  const newest =
    [
      release && (newer || !skipped) && (blocked ? text.failed(release.version) : release.version),
      skipped && text.skipped(skipped),
    ]
      .filter((part) => part)
      .join(', ') || undefined;
  const newestText = !app.source
    ? text.noSource
    : (newest ?? (known.problem ? text.unreachable : known.checkedAt === undefined ? text.unchecked : '—'));
  const running = active[0];
  const last = running
    ? words.state(running.state)
    : past
      ? `${shortOutcome(past, words.state)}${language === 'zh' ? '，' : ', '}${words.relative(past.endedAt ?? past.stateAt, now)}`
      : text.never;
  const runs = versions.length === 0 ? text.absent : [...new Set(versions)].join(', ');
  const count = versions.length > 1 ? ` (${text.onDevices(versions.length)})` : '';
  return {
    app: app.name,
    row: [app.name, `${runs}${count}`, newestText, autoWord(choice, language), last],
    // What `/update now APP` would refuse is not offered.
    offer:
      newer && versions.length > 0 && !running && !blocked && choice.pinned === undefined
        ? release?.version
        : undefined,
  };
}

function shortOutcome(past: UpdateView, state: (state: UpdateView['state']) => string): string {
  const to = past.outcome?.to ?? past.to;
  return to === undefined || past.kind === 'restart' || past.kind === 'restore'
    ? state(past.state)
    : `${to} ${state(past.state)}`;
}
