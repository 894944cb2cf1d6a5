import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';
import { onArgument } from './device-words.ts';
import { startedOrForced } from './force.ts';
import { renderPlan } from './plan-card.ts';
import type { UpdateRequest } from './services.ts';

/** `/update restore web/3`: the data of a backup in place of today's; the release stays. */
export const restore = defineCommand({
  name: 'update restore',
  phrases: ['恢复备份', '恢复数据', 'restore'],
  role: 'admin',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'whose data', zh: '哪个应用的数据' } }),
    // Optional here, so that who names none is shown what there is.
    backup: argument(z.coerce.number().int().positive().optional(), {
      kind: 'backup',
      label: 'n',
      help: { en: 'which backup; `/update backups` lists them', zh: '哪个备份；`/update backups` 可列出' },
    }),
    on: onArgument(),
    dryRun: argument(z.boolean().default(false), {
      kind: 'flag',
      help: { en: 'only say each step that it would take', zh: '只说明将要执行的每一步' },
    }),
    force: argument(z.boolean().default(false), {
      kind: 'flag',
      help: { en: 'also where the app says that it must not be stopped now', zh: '即使应用表示现在不能停止' },
    }),
  }),
  help: {
    en: "Puts a backup's data back; today's data is backed up first",
    zh: '恢复某个备份的数据；当前数据会先备份',
  },
  examples: [
    { text: '/update restore web/3', help: { en: 'the data of backup 3 of web', zh: 'web 的 3 号备份' } },
    { text: '/update restore web/3 --dry-run', help: { en: 'say what would be done', zh: '只说明将做什么' } },
  ],
  async run(context, { app, backup, on, dryRun, force }) {
    const { services, who, route, eventId, language, signal } = context;
    const request: UpdateRequest = {
      kind: 'restore',
      app,
      backup,
      on,
      force,
      withData: false,
      who,
      route,
      eventId,
      language,
    };
    if (dryRun) {
      const plan = await services.plan(request, signal);
      return { reply: renderPlan(plan, `/update restore ${app}/${backup}${on ? ` on ${on}` : ''}`, context) };
    }
    return startedOrForced(await services.request(request, signal), request, language);
  },
});
