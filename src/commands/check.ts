import { z } from 'zod';
import { describeSource } from '../domain/app.ts';
import { shortNotes } from '../domain/notes.ts';
import type { Release } from '../domain/release.ts';
import type { Field, Reply } from '../domain/reply.ts';
import { compareVersions } from '../domain/version.ts';
import { argument, type CommandContext, defineCommand } from './contract.ts';
import { runningVersions, suggest } from './suggestion.ts';

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
  skippedOver: 'versions between',
  blocked: (version: string) => `${version} failed here before; --force tries it again.`,
  skipped: (app: string, version: string) =>
    `${version} is skipped. /update now ${app}@${version} takes it all the same.`,
  latestBut: (app: string, version: string, skipped: string) =>
    `${app} is at its latest version, ${version}, but for ${skipped}, which is skipped`,
  onlySkipped: (app: string, skipped: string) => `${app} is not installed; the newest, ${skipped}, is skipped`,
  pinned: (app: string, version: string) => `${app} is held at ${version}. /update unpin ${app} lets it go.`,
  update: 'Update',
  again: 'Try again',
  skip: 'Skip this version',
  unpin: 'Let it go',
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
  skippedOver: '期间版本',
  blocked: (version) => `${version} 在这里失败过；--force 可以再试。`,
  skipped: (app, version) => `${version} 已跳过；/update now ${app}@${version} 仍可更新到它。`,
  latestBut: (app, version, skipped) => `除了已跳过的 ${skipped}，${app} ${version} 已是最新版本`,
  onlySkipped: (app, skipped) => `${app} 尚未安装；最新的 ${skipped} 已跳过`,
  pinned: (app, version) => `${app} 已固定在 ${version}；/update unpin ${app} 解除固定。`,
  update: '更新',
  again: '再试一次',
  skip: '跳过此版本',
  unpin: '解除固定',
  next: (app) => `/update now ${app}`,
};
const TEXT = { en: EN, zh: ZH };

/** `/update check`: asks the source now. */
export const check = defineCommand({
  name: 'update check',
  phrases: [
    '检查更新',
    '检查新版本',
    '有更新吗',
    '有没有更新',
    '有新版本吗',
    '有没有新版本',
    '看看有没有更新',
    'check for updates',
    'check updates',
    'check update',
    'any updates',
    'any update',
    'is there an update',
    'are there updates',
    'whats new',
    '有什么新版本',
  ],
  label: { en: 'Check for updates', zh: '检查更新' },
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
    const channel = setting?.channel ?? '';
    const [checked, choice, devices] = await Promise.all([
      services.check(app, context.signal),
      services.choices.of(app),
      services.devices(),
    ]);
    const { newest, offer } = checked;
    if (!newest) return { reply: { tone: 'info', title: text.empty(app, channel) } };

    const found = suggest({ name: app, channel }, checked, choice, devices);
    const [running] = runningVersions(app, devices);
    // Shown where there is nothing else to show: the skipped one.
    const release = found.newer ? (found.release ?? newest) : newest;
    const step = running === undefined ? 1 : compareVersions(release.version, running);
    const between = running === undefined ? 0 : countBetween(offer.releases, running, release);
    const remarks = [
      ...(found.skipped === undefined ? [] : [text.skipped(app, found.skipped)]),
      ...(choice.pinned === undefined ? [] : [text.pinned(app, choice.pinned)]),
      ...(offer.warning ? inFull(context.words.problem(offer.warning.code, offer.warning.data)) : []),
    ];
    const fields: Field[] = [
      ...(running !== undefined && step !== 0 ? [{ name: text.runs, value: running }] : []),
      ...describeRelease(release, context),
      ...(between > 0 ? [{ name: text.skippedOver, value: String(between) }] : []),
      ...(setting?.source ? [{ name: text.source, value: describeSource(setting.source) }] : []),
    ];
    const said = { ...(remarks.length > 0 ? { text: remarks } : {}), fields };
    if (step <= 0) {
      const title = step === 0 ? text.latest(app, release.version) : text.ahead(app, running ?? '', release.version);
      return { reply: { tone: offer.warning ? 'warn' : 'good', title, ...said } };
    }
    if (!found.newer) {
      const skipped = newest.version;
      const title = running === undefined ? text.onlySkipped(app, skipped) : text.latestBut(app, running, skipped);
      return { reply: { tone: 'info', title, ...said } };
    }
    const { version } = release;
    const reply: Reply = {
      tone: offer.warning ? 'warn' : 'info',
      title: running === undefined ? text.installable(app, version) : text.newer(app, version),
      text: [...shortNotes(release.notes), ...(found.blocked ? [text.blocked(version)] : []), ...remarks],
      fields,
      ...waysOn(app, version, { blocked: found.blocked, pinned: choice.pinned !== undefined }, text),
    };
    return { reply };
  },
});

/** What can be done about a newer release: nothing that would be refused. */
function waysOn(
  app: string,
  version: string,
  { blocked, pinned }: { blocked: boolean; pinned: boolean },
  text: typeof EN,
): Pick<Reply, 'buttons' | 'hints'> {
  const skip = { label: text.skip, command: `/update skip ${app}@${version}`, style: 'plain' as const };
  if (pinned) return { buttons: [{ label: text.unpin, command: `/update unpin ${app}` }, skip] };
  if (blocked) {
    const again = `/update now ${app}@${version} --force`;
    return { buttons: [{ label: text.again, command: again, style: 'danger' }, skip], hints: [again] };
  }
  const next = text.next(app);
  return { buttons: [{ label: text.update, command: next, style: 'primary' }, skip], hints: [next] };
}

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

/** What it is, and what to do about it. */
const inFull = ({ text, next }: { readonly text: string; readonly next?: string | undefined }) =>
  next === undefined ? [text] : [text, next];
