import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';
import { onArgument } from './device-words.ts';
import { startedOrForced } from './force.ts';

/** `/update rollback`: back to the previous good release. */
export const rollback = defineCommand({
  name: 'update rollback',
  phrases: [
    '回滚',
    '回退',
    '退回',
    '退回上一个版本',
    '回到上一个版本',
    '回滚到上一个版本',
    '恢复上一个版本',
    'rollback',
    'roll back',
    'go back',
    'back to the previous version',
  ],
  label: { en: 'Roll back', zh: '回滚' },
  role: 'operator',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'what to bring back', zh: '要回退的应用' } }),
    on: onArgument(),
    withData: argument(z.boolean().default(false), {
      kind: 'flag',
      help: { en: 'its data too, from the backup of that switch', zh: '数据也恢复到那次切换前的备份' },
    }),
    force: argument(z.boolean().default(false), {
      kind: 'flag',
      help: { en: 'also where the app says that it must not be stopped now', zh: '即使应用表示现在不能停止' },
    }),
  }),
  help: { en: 'Goes back to the previous good release', zh: '回到上一个正常的版本' },
  examples: [
    { text: '/update rollback web', help: { en: 'the code; the data stays', zh: '只回退程序，数据不变' } },
    { text: '/update rollback web --with-data', help: { en: 'the data too', zh: '数据也一并恢复' } },
  ],
  async run({ services, who, route, eventId, language, signal }, { app, on, withData, force }) {
    const request = { kind: 'rollback', app, on, force, withData, who, route, eventId, language } as const;
    return startedOrForced(await services.request(request, signal), request, language);
  },
});
