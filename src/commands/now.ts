import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';
import { onArgument } from './device-words.ts';
import { startedOrForced } from './force.ts';
import { renderPlan } from './plan-card.ts';
import type { UpdateRequest } from './services.ts';

/** `/update now`: to the newest release, or a given one. */
export const now = defineCommand({
  name: 'update now',
  aliases: ['update to'],
  phrases: [
    '更新',
    '立即更新',
    '马上更新',
    '现在更新',
    '升级',
    '更新到最新',
    '升级到最新',
    '更新到最新版本',
    '更新并重启',
    '更新重启',
    '编译重启',
    '重新编译',
    'update',
    'upgrade',
    'update now',
    'upgrade now',
    'update to the latest',
    'update and restart',
    'rebuild and restart',
    { say: '更新自己', args: 'hub' },
    { say: '更新你自己', args: 'hub' },
    { say: '更新一下你自己', args: 'hub' },
    { say: '更新你', args: 'hub' },
    { say: '升级自己', args: 'hub' },
    { say: '升级你自己', args: 'hub' },
    { say: '自我更新', args: 'hub' },
    { say: 'update yourself', args: 'hub' },
    { say: 'upgrade yourself', args: 'hub' },
    { say: 'update fettle', args: 'hub' },
    { say: '更新 fettle', args: 'hub' },
  ],
  label: { en: 'Update', zh: '更新' },
  role: 'operator',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'what to update', zh: '要更新的应用' } }),
    version: argument(z.string().optional(), {
      kind: 'version',
      help: { en: 'to which version; without one, the newest', zh: '目标版本；省略则为最新' },
    }),
    on: onArgument(),
    dryRun: argument(z.boolean().default(false), {
      kind: 'flag',
      help: { en: 'only say each step that it would take', zh: '只说明将要执行的每一步' },
    }),
    force: argument(z.boolean().default(false), {
      kind: 'flag',
      help: {
        en: 'also where this release failed here before, another version is held, or the app says that it must not be stopped',
        zh: '即使该版本在这里失败过、应用已固定在其他版本，或应用表示现在不能停止',
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
    { text: '/update now web on robot-7', help: { en: 'on one of several devices', zh: '在多台设备中的一台上' } },
    { text: '/update now web --dry-run', help: { en: 'say what would be done', zh: '只说明将做什么' } },
  ],
  async run(context, { app, version, on, dryRun, force }) {
    const { services, who, route, eventId, language, signal } = context;
    const request: UpdateRequest = {
      kind: 'update',
      app,
      version,
      on,
      force,
      withData: false,
      who,
      route,
      eventId,
      language,
    };
    if (dryRun) {
      const command = `/update now ${app}${version ? `@${version}` : ''}${on ? ` on ${on}` : ''}${force ? ' --force' : ''}`;
      return { reply: renderPlan(await services.plan(request, signal), command, context) };
    }
    return startedOrForced(await services.request(request, signal), request, language);
  },
});
