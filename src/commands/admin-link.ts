import { z } from 'zod';
import { argument, defineCommand } from './contract.ts';

const TEXT = {
  en: {
    code: (code: string) => `Your code: ${code}`,
    how: (code: string, role: string) =>
      `Within 10 minutes, send me /admin link ${code} in a direct message from your other account. It becomes yours, with your role here (${role}).`,
    never: 'Give it to nobody: whoever sends it is you from then on.',
    gone: 'The code was for one reading and is not kept: /admin link gives another.',
    joined: (name: string, role: string) => `This account is ${name}'s now, ${role}`,
    before: (role: string) => `It was ${role} before; the role of whoever made the code counts.`,
    accounts: (accounts: string) => `One person now: ${accounts}. The admins are told.`,
    off: (account: string, name: string) => `${account} is not ${name}'s any more`,
    nothing: 'It may do nothing here any more. The admins are told.',
  },
  zh: {
    code: (code: string) => `您的关联码：${code}`,
    how: (code: string, role: string) =>
      `请在 10 分钟内，用您的另一个账号私聊发送 /admin link ${code}。该账号将归您所有，角色与您在这里的相同（${role}）。`,
    never: '不要给任何人：谁发送它，谁就成了您。',
    gone: '关联码只显示一次，不予保留：请用 /admin link 重新生成。',
    joined: (name: string, role: string) => `这个账号现在属于 ${name}，角色为 ${role}`,
    before: (role: string) => `它原来的角色是 ${role}；以生成关联码的人的角色为准。`,
    accounts: (accounts: string) => `现在是同一个人：${accounts}。已通知管理员。`,
    off: (account: string, name: string) => `${account} 不再属于 ${name}`,
    nothing: '它在这里已没有任何权限。已通知管理员。',
  },
};

/** `/admin link`: joins one person's accounts. */
export const adminLink = defineCommand({
  name: 'admin link',
  role: 'viewer',
  open: true,
  args: z.object({
    code: argument(z.string().optional(), {
      kind: 'text',
      label: 'code',
      help: {
        en: 'from /admin link on your other account; without one, you get a code',
        zh: '在另一个账号上用 /admin link 得到的码；省略则生成',
      },
    }),
  }),
  help: {
    en: 'Joins your accounts on several platforms; in direct messages only',
    zh: '关联您在多个平台上的账号；仅限私聊',
  },
  examples: [
    { text: '/admin link', help: { en: 'a code for your other account', zh: '为另一个账号生成关联码' } },
    { text: '/admin link 7k2m-9xwd', help: { en: 'this account is yours, too', zh: '把这个账号也归您所有' } },
  ],
  async run(context, { code }) {
    const { services, direct, language, role } = context;
    const text = TEXT[language];
    if (code === undefined) {
      const made = await services.people.newLink(context, direct);
      const once = { until: made.expiresAt, afterwards: text.gone };
      return {
        reply: { tone: 'info', title: text.code(made.code), text: [text.how(made.code, role), text.never], once },
      };
    }
    const joined = await services.people.link(code, context, direct);
    return {
      reply: {
        tone: 'good',
        title: text.joined(joined.name, joined.role),
        text: [
          ...(joined.before !== undefined && joined.before !== joined.role ? [text.before(joined.before)] : []),
          text.accounts(joined.accounts.join(', ')),
        ],
      },
    };
  },
});

/** `/admin unlink`: takes an account off its person. */
export const adminUnlink = defineCommand({
  name: 'admin unlink',
  role: 'viewer',
  args: z.object({
    account: argument(z.string(), {
      kind: 'text',
      label: 'account',
      help: {
        en: 'such as discord:123; an admin may take off anybody’s',
        zh: '例如 discord:123；管理员可以解除任何人的账号',
      },
    }),
  }),
  help: { en: 'Takes an account off its person, for instance a lost one', zh: '解除一个账号的关联，例如丢失的账号' },
  examples: [{ text: '/admin unlink discord:123', help: { en: 'that account is lost', zh: '那个账号丢了' } }],
  async run(context, { account }) {
    const taken = await context.services.people.unlink(account, context);
    const text = TEXT[context.language];
    return { reply: { tone: 'good', title: text.off(taken.account, taken.name), text: [text.nothing] } };
  },
});
