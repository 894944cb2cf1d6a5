import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';
import { onArgument } from './device-words.ts';
import { startedOrForced } from './force.ts';

/** `/update restart`: the same version again, proven as after an update. */
export const restart = defineCommand({
  name: 'update restart',
  phrases: [
    '重启',
    '重启一下',
    '重新启动',
    '编译重启',
    'restart',
    'reboot',
    'rebuild and restart',
    { say: '重启自己', args: 'hub' },
    { say: '重启你自己', args: 'hub' },
    { say: 'restart yourself', args: 'hub' },
    { say: 'reboot yourself', args: 'hub' },
  ],
  label: { en: 'Restart', zh: '重启' },
  role: 'operator',
  args: z.object({
    app: argument(z.string(), { kind: 'app', help: { en: 'what to restart', zh: '要重启的应用' } }),
    on: onArgument(),
    force: argument(z.boolean().default(false), {
      kind: 'flag',
      help: { en: 'also where the app says that it must not be stopped now', zh: '即使应用表示现在不能停止' },
    }),
  }),
  help: { en: 'Stops, starts and checks that it works', zh: '停止、启动并检查是否正常' },
  examples: [{ text: '/update restart web', help: { en: 'restart web', zh: '重启 web' } }],
  async run({ services, who, route, eventId, language, signal }, { app, on, force }) {
    const request = { kind: 'restart', app, on, force, withData: false, who, route, eventId, language } as const;
    return startedOrForced(await services.request(request, signal), request, language);
  },
});
