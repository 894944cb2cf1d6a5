import { z } from 'zod';
import { ROLES } from '../domain/app.ts';
import type { Language, Reply } from '../domain/reply.ts';
import { argument, type CommandContext, defineCommand } from './contract.ts';
import type { AccountView, RoleChange } from './people-services.ts';

const TEXT = {
  en: {
    title: (people: number) => (people === 0 ? 'Nobody is here yet' : people === 1 ? '1 person' : `${people} people`),
    columns: ['name', 'role', 'accounts', 'last seen'],
    strangers: (names: string) => `Have written, and may do nothing: ${names}`,
    hints: ['/admin add PERSON operator · /admin role PERSON viewer · /admin remove PERSON'],
    claim: "`fettle claim` on the hub's machine makes the first admin.",
    is: (name: string, role: string) => `${name} is ${role} now`,
    same: (name: string, role: string) => `${name} is ${role} already`,
    changed: (name: string, before: string, after: string) => `${name}: ${before} → ${after}`,
    never: 'never',
    out: (name: string) => `${name} may do nothing here any more`,
    told: 'Every other admin is told.',
    since: 'May approve updates 24 h from now.',
  },
  zh: {
    title: (people: number) => (people === 0 ? '还没有人' : `${people} 人`),
    columns: ['名字', '角色', '账号', '上次出现'],
    strangers: (names: string) => `发过消息但没有权限：${names}`,
    hints: ['/admin add 人员 operator · /admin role 人员 viewer · /admin remove 人员'],
    claim: '在 hub 所在的机器上运行 `fettle claim`，即可产生第一位管理员。',
    is: (name: string, role: string) => `${name} 现在是 ${role}`,
    same: (name: string, role: string) => `${name} 已经是 ${role}`,
    changed: (name: string, before: string, after: string) => `${name}：${before} → ${after}`,
    never: '从未',
    out: (name: string) => `${name} 在这里已没有任何权限`,
    told: '已通知其他管理员。',
    since: '24 小时后可以批准更新。',
  },
};

/** So many accounts without a role are shown. */
const STRANGERS = 10;

const person = argument(z.string(), {
  kind: 'text',
  label: 'person',
  help: {
    en: 'feishu:ou_…, discord:123, telegram:123, or @name of somebody who has written to the bot',
    zh: 'feishu:ou_…、discord:123、telegram:123，或给机器人发过消息的人的 @名字',
  },
});
const role = argument(z.enum(ROLES), {
  kind: 'choice',
  help: {
    en: 'viewer looks, operator updates, admin decides about people and settings',
    zh: 'viewer 只能查看，operator 可以更新，admin 还可以管理人员和设置',
  },
});

/** `/admin list`: who may do what. */
export const adminList = defineCommand({
  name: 'admin list',
  phrases: ['有哪些管理员', '人员'],
  role: 'admin',
  args: z.object({}),
  help: { en: 'Lists people, their roles and accounts', zh: '列出人员、角色和账号' },
  examples: [{ text: '/admin list', help: { en: 'everybody', zh: '所有人' } }],
  async run({ services, language, words, now }) {
    const text = TEXT[language];
    const people = await services.people.list();
    const strangers = (await services.people.strangers()).slice(0, STRANGERS);
    const rows = people.map(({ id, name, role: has, accounts }) => [
      `${name} (${id})`,
      has,
      accounts.map((account) => account.id).join(', '),
      lastSeen(accounts) === 0 ? text.never : words.relative(lastSeen(accounts), now),
    ]);
    const names = strangers.map(({ id, name }) => (name === id.slice(id.indexOf(':') + 1) ? id : `${name} (${id})`));
    const reply: Reply = {
      tone: 'info',
      title: text.title(people.length),
      ...(rows.length > 0 ? { table: { columns: text.columns, rows } } : { text: [text.claim] }),
      ...(names.length > 0
        ? { text: [...(rows.length > 0 ? [] : [text.claim]), text.strangers(names.join(', '))] }
        : {}),
      hints: text.hints,
    };
    return { reply };
  },
});

/** `/admin add`: lets somebody in. */
export const adminAdd = defineCommand({
  name: 'admin add',
  role: 'admin',
  args: z.object({ person, role }),
  help: { en: 'Lets somebody in, with a role', zh: '添加一个人并指定角色' },
  examples: [
    { text: '/admin add telegram:123456 operator', help: { en: 'by the id', zh: '按标识' } },
    {
      text: '/admin add @bob viewer',
      help: { en: 'by the name, after a look at the id', zh: '按名字，确认标识后生效' },
    },
  ],
  async run(context, { person: who, role: wanted }) {
    const change = await context.services.people.setRole(who, wanted, context, false);
    return { reply: changeCard(change, context) };
  },
});

/** `/admin role`: another role for somebody who has one. */
export const adminRole = defineCommand({
  name: 'admin role',
  role: 'admin',
  args: z.object({ person, role }),
  help: { en: 'Gives somebody another role', zh: '修改一个人的角色' },
  examples: [{ text: '/admin role @bob admin', help: { en: 'one more admin', zh: '再增加一位管理员' } }],
  async run(context, { person: who, role: wanted }) {
    const change = await context.services.people.setRole(who, wanted, context, true);
    return { reply: changeCard(change, context) };
  },
});

/** `/admin remove`: takes somebody's role. */
export const adminRemove = defineCommand({
  name: 'admin remove',
  role: 'admin',
  args: z.object({ person }),
  help: { en: 'Takes everything from somebody, on all accounts', zh: '移除一个人的全部账号和权限' },
  examples: [{ text: '/admin remove @bob', help: { en: 'Bob may do nothing any more', zh: 'Bob 不再有任何权限' } }],
  async run(context, { person: who }) {
    const change = await context.services.people.remove(who, context);
    return { reply: changeCard(change, context) };
  },
});

const lastSeen = (accounts: readonly AccountView[]) => Math.max(0, ...accounts.map(({ seenAt }) => seenAt));

function changeCard({ name, accounts, before, after }: RoleChange, { language }: CommandContext): Reply {
  const text = TEXT[language];
  return {
    tone: 'good',
    title: titleOf({ name, before, after }, language),
    text: [
      accounts.join(', '),
      ...(before === after ? [] : [text.told]),
      ...((before === undefined || before === 'viewer') && (after === 'operator' || after === 'admin')
        ? [text.since]
        : []),
    ],
  };
}

function titleOf({ name, before, after }: Omit<RoleChange, 'accounts'>, language: Language): string {
  const text = TEXT[language];
  if (after === undefined) return text.out(name);
  if (before === after) return text.same(name, after);
  return before === undefined ? text.is(name, after) : text.changed(name, before, after);
}
