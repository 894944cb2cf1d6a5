import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';

const TEXT = {
  en: {
    title: (id: string, app: string, to: string | undefined) =>
      `Rejected: ${app}${to ? ` does not go to ${to}` : ''} (${id})`,
    told: (who: string) => `${who} asked for it and is told.`,
  },
  zh: {
    title: (id: string, app: string, to: string | undefined) =>
      `已拒绝：${app}${to ? ` 不会更新到 ${to}` : ''}（${id}）`,
    told: (who: string) => `已告知提出请求的 ${who}。`,
  },
};

/** `/update reject`: an update that waits for approval does not begin. */
export const reject = defineCommand({
  name: 'update reject',
  phrases: ['拒绝', '拒绝更新', 'reject'],
  role: 'operator',
  args: z.object({
    id: argument(z.string().optional(), {
      kind: 'update',
      help: { en: 'which update; may be left out where only one waits', zh: '哪次更新；只有一个在等待时可省略' },
    }),
  }),
  help: { en: 'Ends an update that waits for a second person', zh: '拒绝一个等待第二个人同意的更新' },
  examples: [{ text: '/update reject u-7k2m', help: { en: 'it does not begin', zh: '不让它开始' } }],
  async run(context, { id }) {
    const done = await context.services.approvals.reject(id, context);
    const text = TEXT[context.language];
    return {
      reply: {
        tone: 'good',
        title: text.title(done.id, done.app, done.to),
        ...(done.own ? {} : { text: [text.told(done.requestedByName)] }),
      },
    };
  },
});
