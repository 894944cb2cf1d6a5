import { z } from 'zod';
import { describeSource } from '../domain/app.ts';
import type { Release } from '../domain/release.ts';
import type { Field, Reply } from '../domain/reply.ts';
import { compareVersions } from '../domain/version.ts';
import { argument, type CommandContext, defineCommand } from './contract.ts';

const EN = {
  newer: (app: string, version: string) => `${app} ${version} is available`,
  latest: (app: string, version: string) => `${app} is at the latest version, ${version}`,
  ahead: (app: string, version: string, newest: string) =>
    `${app} ${version} is newer than what its source offers, ${newest}`,
  installable: (app: string, version: string) => `${app} is not installed; the newest is ${version}`,
  empty: (app: string, channel: string) => `The source of ${app} offers nothing on the channel ${channel}`,
  runs: 'runs',
  size: 'size',
  published: 'published',
  source: 'source',
  skipped: 'versions between',
  blocked: (version: string) => `${version} failed here before; --force tries it again.`,
  update: 'Update',
  next: (app: string) => `/update now ${app}`,
};
const ZH: typeof EN = {
  newer: (app, version) => `${app} 有新版本 ${version}`,
  latest: (app, version) => `${app} 已是最新版本 ${version}`,
  ahead: (app, version, newest) => `${app} ${version} 比来源提供的 ${newest} 还新`,
  installable: (app, version) => `${app} 尚未安装；最新版本是 ${version}`,
  empty: (app, channel) => `${app} 的来源在 ${channel} 渠道上没有任何版本`,
  runs: '运行版本',
  size: '大小',
  published: '发布于',
  source: '来源',
  skipped: '期间版本',
  blocked: (version) => `${version} 在这里失败过；--force 可以再试。`,
  update: '更新',
  next: (app) => `/update now ${app}`,
};
const TEXT = { en: EN, zh: ZH };

const NOTES_LINES = 8;

/** `/update check`: asks the source now. */
export const check = defineCommand({
  name: 'update check',
  phrases: ['检查更新', '有更新吗', '有新版本吗', 'check for updates'],
  role: 'viewer',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'whose source to ask', zh: '要检查的应用' } }),
  }),
  help: { en: 'Asks the source now and says what is new', zh: '立即询问来源，说明有什么新版本' },
  examples: [{ text: '/update check web', help: { en: 'is there a newer web?', zh: 'web 有新版本吗？' } }],
  async run(context, { app }) {
    const text = TEXT[context.language];
    const { services } = context;
    const setting = services.settings().apps.find(({ name }) => name === app);
    const [{ newest, offer }, devices] = await Promise.all([services.check(app, context.signal), services.devices()]);
    const reports = devices.flatMap((device) => device.apps.filter((report) => report.app === app));
    const running = reports.flatMap((report) => report.version ?? []).sort(compareVersions)[0];
    if (!newest) return { reply: { tone: 'info', title: text.empty(app, setting?.channel ?? '') } };

    const step = running === undefined ? 1 : compareVersions(newest.version, running);
    const between = running === undefined ? 0 : countBetween(offer.releases, running, newest);
    const fields: Field[] = [
      ...(running !== undefined && step !== 0 ? [{ name: text.runs, value: running }] : []),
      ...describeRelease(newest, context),
      ...(between > 0 ? [{ name: text.skipped, value: String(between) }] : []),
      ...(setting?.source ? [{ name: text.source, value: describeSource(setting.source) }] : []),
    ];
    if (step <= 0) {
      const title = step === 0 ? text.latest(app, newest.version) : text.ahead(app, running ?? '', newest.version);
      return { reply: { tone: 'good', title, fields } };
    }
    const blocked = reports.some((report) => report.blocked.includes(newest.version));
    const notes = newest.notes?.trim().split('\n').slice(0, NOTES_LINES);
    const reply: Reply = {
      tone: 'info',
      title: running === undefined ? text.installable(app, newest.version) : text.newer(app, newest.version),
      text: [...(notes ?? []), ...(blocked ? [text.blocked(newest.version)] : [])],
      fields,
      buttons: [{ label: text.update, command: `/update now ${app}`, style: 'primary' }],
      hints: [text.next(app)],
    };
    return { reply };
  },
});

function describeRelease(release: Release, { words, now, language }: CommandContext): Field[] {
  const text = TEXT[language];
  return [
    ...(release.size === undefined ? [] : [{ name: text.size, value: words.bytes(release.size) }]),
    ...(release.publishedAt === undefined
      ? []
      : [{ name: text.published, value: words.relative(release.publishedAt, now) }]),
  ];
}

/** Releases of the newest one's channel that an update jumps over. */
function countBetween(releases: readonly Release[], running: string, newest: Release): number {
  return releases.filter(
    ({ version, channel }) =>
      channel === newest.channel &&
      compareVersions(version, running) > 0 &&
      compareVersions(version, newest.version) < 0,
  ).length;
}
