import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';

const TEXT = {
  en: {
    title: (id: string, app: string, to: string | undefined) =>
      `Approved: ${app}${to ? ` goes to ${to}` : ' is updated'} (${id})`,
    confirmed: (id: string, app: string, to: string | undefined) =>
      `Confirmed: ${app}${to ? ` goes to ${to}` : ' is updated'} (${id})`,
    told: (who: string) => `${who} asked for it and is told how it ends.`,
  },
  zh: {
    title: (id: string, app: string, to: string | undefined) =>
      `已批准：${app}${to ? ` 更新到 ${to}` : ' 开始更新'}（${id}）`,
    confirmed: (id: string, app: string, to: string | undefined) =>
      `已确认：${app}${to ? ` 更新到 ${to}` : ' 开始更新'}（${id}）`,
    told: (who: string) => `${who} 提出了请求，结束时会收到通知。`,
  },
};

/** `/update approve`: another person's yes. */
export const approve = defineCommand({
  name: 'update approve',
  phrases: ['批准', '批准更新', 'approve'],
  role: 'operator',
  args: z.object({
    id: argument(z.string().optional(), {
      kind: 'update',
      help: { en: 'which update; may be left out where only one waits', zh: '哪次更新；只有一个在等待时可省略' },
    }),
  }),
  help: {
    en: 'Lets an update begin that waits for a second person',
    zh: '批准一个等待第二个人同意的更新',
  },
  examples: [{ text: '/update approve u-7k2m', help: { en: 'let it begin', zh: '让它开始' } }],
  async run(context, { id }) {
    const done = await context.services.approvals.approve(id, context, context.signal);
    const text = TEXT[context.language];
    return {
      reply: {
        tone: 'good',
        title: (done.own ? text.confirmed : text.title)(done.id, done.app, done.to),
        ...(done.own ? {} : { text: [text.told(done.requestedByName)] }),
      },
    };
  },
});
