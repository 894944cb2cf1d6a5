import { z } from 'zod';
import { FettleError } from '../domain/errors.ts';
import { argument, defineCommand } from './contract.ts';

const TEXT = {
  en: {
    title: 'You are an admin of this hub now',
    first: 'The first one. Next: /update shows what there is, /admin add lets others in, /help lists everything.',
    more: 'Every other admin is told.',
    already: 'You are an admin already; no code was used up.',
  },
  zh: {
    title: '您现在是这个 hub 的管理员',
    first: '您是第一位。接下来：/update 查看有什么，/admin add 添加其他人，/help 列出全部命令。',
    more: '已通知其他管理员。',
    already: '您已经是管理员；没有消耗认领码。',
  },
};

/** `/admin claim`: whoever has a code from the hub's machine becomes an admin. */
export const adminClaim = defineCommand({
  name: 'admin claim',
  role: 'viewer',
  open: true,
  args: z.object({
    code: argument(z.string().optional(), {
      kind: 'text',
      label: 'code',
      help: {
        en: "what `fettle claim` printed on the hub's machine",
        zh: '在 hub 所在机器上运行 `fettle claim` 得到的码',
      },
    }),
  }),
  help: {
    en: 'Makes you an admin, with a code from `fettle claim`; in a direct message only',
    zh: '凭 `fettle claim` 的认领码成为管理员；仅限私聊',
  },
  examples: [{ text: '/admin claim 7k2m-9xwd', help: { en: 'claim this hub', zh: '认领这个 hub' } }],
  async run(context, { code }) {
    const { services, direct, language } = context;
    if (code === undefined) throw new FettleError('claim_refused', { data: { why: direct ? 'missing' : 'direct' } });
    const { already, first } = await services.people.claim(code, context, direct);
    const text = TEXT[language];
    if (already) return { reply: { tone: 'info', title: text.already } };
    return {
      reply: {
        tone: 'good',
        title: text.title,
        text: [first ? text.first : text.more],
        buttons: [{ label: '/update', command: '/update' }],
      },
    };
  },
});
