import { z } from 'zod';
import type { ErrorData } from '../domain/errors.ts';
import type { Language, Reply } from '../domain/reply.ts';
import { argument, type CommandContext, defineCommand, type Words } from './contract.ts';
import type { Plan, PlanStepCode, UpdateRequest } from './services.ts';

type StepText = (data: ErrorData, words: Words) => string;

const string = (value: ErrorData[string]) => (Array.isArray(value) ? value.join(', ') : String(value ?? ''));
const ms = (value: ErrorData[string], words: Words) => (typeof value === 'number' ? words.duration(value) : undefined);
const size = (value: ErrorData[string], words: Words) => (typeof value === 'number' ? words.bytes(value) : undefined);

/** A text for each step of a plan, in each language: what is missing does not compile. */
const STEPS: Record<Language, Record<PlanStepCode, StepText>> = {
  en: {
    wait_for_device: (d) => `wait for ${string(d.device) || 'the device'}, which is offline`,
    fetch: (d, words) => `fetch it from ${string(d.source)}${paren(size(d.size, words))}`,
    verify: () => 'verify that it is what the source promised',
    back_up: (d) => (string(d.paths) ? `back up ${string(d.paths)}` : 'back up nothing: no data is kept'),
    stop: (d, words) =>
      `stop ${string(d.app)}${d.grace === undefined ? '' : ` (it gets ${ms(d.grace, words)} to end)`}`,
    switch: (d) => `switch over${d.from ? ` from ${string(d.from)}` : ''} to ${string(d.to)}`,
    restore_data: (d) => `put back the data of the backup${paren(string(d.paths))}`,
    start: (d) => `start ${string(d.app)} ${string(d.version)}`.trim(),
    probe: (d, words) =>
      `check that it works${d.address ? ` at ${string(d.address)}` : ''}${d.checks ? `: ${string(d.checks)} good answers in a row` : ''}${d.for ? ` over ${ms(d.for, words)}` : ''}`,
    commit: (d) => `keep it${d.version ? `; ${string(d.version)} stays as the version to go back to` : ''}`,
    go_back: (d) => `if anything fails: go back${d.version ? ` to ${string(d.version)}` : ''}, with its data`,
  },
  zh: {
    wait_for_device: (d) => `等待离线的 ${string(d.device) || '设备'} 上线`,
    fetch: (d, words) => `从 ${string(d.source)} 下载${paren(size(d.size, words))}`,
    verify: () => '校验与来源所承诺的一致',
    back_up: (d) => (string(d.paths) ? `备份 ${string(d.paths)}` : '没有需要备份的数据'),
    stop: (d, words) => `停止 ${string(d.app)}${d.grace === undefined ? '' : `（最多等 ${ms(d.grace, words)}）`}`,
    switch: (d) => `${d.from ? `从 ${string(d.from)} ` : ''}切换到 ${string(d.to)}`,
    restore_data: (d) => `恢复备份中的数据${paren(string(d.paths))}`,
    start: (d) => `启动 ${string(d.app)} ${string(d.version)}`.trim(),
    probe: (d, words) =>
      `检查是否正常${d.address ? `：${string(d.address)}` : ''}${d.checks ? `，连续 ${string(d.checks)} 次正常应答` : ''}${d.for ? `，持续 ${ms(d.for, words)}` : ''}`,
    commit: (d) => `保留新版本${d.version ? `；${string(d.version)} 留作可回退的版本` : ''}`,
    go_back: (d) => `若有任何失败：${d.version ? `回到 ${string(d.version)}` : '回退'}，数据一并恢复`,
  },
};

const TEXT = {
  en: {
    title: (plan: Plan) => `${what(plan)}: what would be done`,
    size: 'download',
    source: 'source',
    nothing: 'Nothing has been changed.',
    next: 'Do it',
  },
  zh: {
    title: (plan: Plan) => `${what(plan)}：将要执行的步骤`,
    size: '下载',
    source: '来源',
    nothing: '没有做任何改动。',
    next: '执行',
  },
};

/** `/update now`: to the newest release, or a given one. */
export const now = defineCommand({
  name: 'update now',
  aliases: ['update to'],
  phrases: ['更新', '立即更新', '马上更新', '升级', 'update now'],
  role: 'operator',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'what to update', zh: '要更新的应用' } }),
    version: argument(z.string().optional(), {
      kind: 'version',
      help: { en: 'to which version; without one, the newest', zh: '目标版本；省略则为最新' },
    }),
    dryRun: argument(z.boolean().default(false), {
      kind: 'flag',
      help: { en: 'only say each step that it would take', zh: '只说明将要执行的每一步' },
    }),
    force: argument(z.boolean().default(false), {
      kind: 'flag',
      help: {
        en: 'also where this release failed here before, or another version is held',
        zh: '即使该版本在这里失败过，或应用已固定在其他版本',
      },
    }),
  }),
  help: {
    en: 'Updates, and goes back by itself if the new version does not work',
    zh: '更新；新版本若不正常，会自动回退',
  },
  examples: [
    { text: '/update now web', help: { en: 'to the newest version', zh: '更新到最新版本' } },
    { text: '/update now web@2.0.1', help: { en: 'to a given version', zh: '更新到指定版本' } },
    { text: '/update now web --dry-run', help: { en: 'say what would be done', zh: '只说明将做什么' } },
  ],
  async run(context, { app, version, dryRun, force }) {
    const { services, who, route, eventId, language, signal } = context;
    const request: UpdateRequest = {
      kind: 'update',
      app,
      version,
      force,
      withData: false,
      who,
      route,
      eventId,
      language,
    };
    if (dryRun) return { reply: renderPlan(await services.plan(request, signal), request, context) };
    const { id } = await services.request(request, signal);
    return { deferred: id };
  },
});

function renderPlan(plan: Plan, request: UpdateRequest, { words, language }: CommandContext): Reply {
  const text = TEXT[language];
  const command = `/update now ${plan.app}${request.version ? `@${request.version}` : ''}${request.force ? ' --force' : ''}`;
  return {
    tone: 'info',
    title: text.title(plan),
    text: [...plan.steps.map(({ code, data }, i) => `${i + 1}. ${STEPS[language][code](data, words)}`), text.nothing],
    fields: [
      ...(plan.source ? [{ name: text.source, value: plan.source }] : []),
      ...(plan.size === undefined ? [] : [{ name: text.size, value: words.bytes(plan.size) }]),
    ],
    buttons: [{ label: text.next, command, style: 'primary' }],
    hints: [command],
  };
}

function what(plan: Plan): string {
  return [plan.app, plan.from, plan.from && plan.to ? '→' : '', plan.to].filter((part) => part).join(' ');
}

function paren(value: string | undefined): string {
  return value ? ` (${value})` : '';
}
