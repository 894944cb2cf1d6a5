import type { ErrorData } from '../../domain/errors.ts';
import type { ProblemWriter } from './contract.ts';
import { list, number, text as t } from './format.ts';
import type { PeopleCode, PeopleTexts } from './people.ts';
import { because, when } from './zh-words.ts';

/** 中文：人员、账号与角色，审批。 */

const CODE_TROUBLE: Readonly<Record<string, (what: string) => string>> = {
  missing: (what) => `缺少${what}：/admin claim ${what}`,
  none: (what) => `目前没有可用的${what}。`,
  late: (what) => `这个${what}已过期：有效期为 10 分钟。`,
  tries: (what) => `错误次数过多：${what}已失效。`,
  used: (what) => `这个${what}已被使用。`,
  burnt: (what) => `这个${what}曾在别人能看到的地方出现，已失效。`,
  group: (what) => `${what}只能在私聊中使用。别人已经看到了它，所以已失效。`,
  direct: (what) => `${what}只在私聊中发放和使用。`,
};

const codeTrouble = (d: ErrorData, what: string) => {
  const why = CODE_TROUBLE[t(d.why)];
  if (why) return why(what);
  const left = number(d.left) ?? 0;
  return left > 0 ? `${what}不对，还可以再试 ${left} 次。` : `${what}不对，这是最后一次机会。`;
};

const ROLES = { viewer: '访客（viewer）', operator: '操作员（operator）', admin: '管理员（admin）' } as const;
const roleName = (role: string) => (Object.hasOwn(ROLES, role) ? ROLES[role as keyof typeof ROLES] : role);

const VOID: Readonly<Record<string, string>> = {
  digest: '来源在这个版本号下提供的内容已经不同',
  release: '来源已不再提供这个版本',
  device: '目标设备已经不同',
  version: '设备上运行的版本已经不同',
  asker: '提出请求的人已没有权限',
};

export const peopleProblems: Record<PeopleCode, ProblemWriter> = {
  claim_refused: (d) => ({
    text: codeTrouble(d, '认领码'),
    next:
      d.why === 'wrong' && (number(d.left) ?? 0) > 0
        ? '请检查是否缺字：/admin claim 认领码'
        : d.why === 'missing'
          ? '请在 hub 所在的机器上运行 `fettle claim` 获取认领码，10 分钟内有效。'
          : '请在 hub 所在的机器上运行 `fettle claim` 获取新的认领码，然后私聊发送：/admin claim 认领码',
  }),
  link_refused: (d) =>
    d.why === 'lower'
      ? {
          text: `您在这里是${roleName(t(d.has))}，而生成关联码的人是${roleName(t(d.role))}：关联后您会变成${roleName(t(d.role))}。`,
          next: '请在这里生成关联码（/admin link），再到另一边输入；或先请管理员修改角色。',
        }
      : d.why === 'same'
        ? { text: '这就是生成关联码的账号，或者已经关联过了。' }
        : d.why === 'terminal'
          ? { text: '终端属于 hub 所在的机器，不属于某个人，无法关联。' }
          : d.why === 'stranger'
            ? {
                text: '您在这里没有角色，没有可以关联的对象。',
                next: '请在您已有角色的地方输入 /admin link，再把得到的关联码发到这里。',
              }
            : {
                text: codeTrouble(d, '关联码'),
                next: '请在您已有角色的地方私聊输入 /admin link，获取新的关联码。',
              },
  unknown_person: (d) => ({
    text:
      list(d.several).length > 0
        ? `有好几个人叫 ${t(d.typed)}。`
        : d.account
          ? `${t(d.account)} 使用了 ${t(d.typed)} 这个名字，而名字是可以随意取的。`
          : `我不认识 ${t(d.typed)}。`,
    next:
      list(d.several).length > 0
        ? `是哪一位：${list(d.several).join('、')}？`
        : d.account
          ? '确认是这个账号后，请按按钮。'
          : '请对方先给我发一条消息，之后 /admin list 会显示；或直接给出标识，例如 telegram:123456。',
  }),
  bad_person: (d) => ({
    text: `${t(d.typed)} 不是有效的人员标识${because(d)}。`,
    next: '写法：feishu:ou_…、discord:123、telegram:123，或给我发过消息的人的 @名字。',
  }),
  shared_account: (d) => ({
    text: `${t(d.account)} 是一个群，它的任何管理员都可以用它的名义发言：无法知道是谁，所以它只能是 viewer。`,
    next: '请添加本人：对方先用自己的名字给我发一条消息，之后 /admin list 会显示。',
  }),
  last_admin: (d) => ({
    text: `${t(d.name)} 是聊天中的最后一位管理员；hub 所在机器的终端仍是管理员，但未必有人在那里。`,
    next: '请先让另一个人成为管理员：/admin role 人员 admin',
  }),
  not_your_account: (d) => ({ text: `${t(d.account)} 不是您的账号。`, next: '管理员可以解除它。' }),
  only_account: (d) => ({
    text: `${t(d.account)} 是 ${t(d.name)} 唯一的账号。`,
    next: `/admin remove ${t(d.account)} 会移除此人。`,
  }),
  approval_impossible: (d) => ({
    text: `${t(d.app)} 的更新必须由第二个人批准，而目前没有可以批准的人。`,
    next: '需要另一位担任操作员或管理员满 24 小时的人：/admin add 人员 operator',
  }),
  approval_refused: (d, now) =>
    d.why === 'own'
      ? { text: '这是您自己提出的请求（用这个账号或您的其他账号）：必须由另一个人批准。' }
      : {
          text: `担任操作员或管理员满 24 小时才能批准${d.since === undefined ? '' : `；您从${when(d.since, now)}开始担任`}。`,
        },
  approval_void: (d) => ({
    text: `${t(d.id) || '该请求'} 已不能批准：${VOID[t(d.why)] ?? '情况已发生变化'}。`,
    next: `请重新提出：/update now ${t(d.app)}`,
  }),
  approval_rejected: (d) => ({ text: `${t(d.who) || '有人'} 拒绝了它。` }),
  approval_expired: (d) => ({
    text: '24 小时内没有人批准。',
    next: `有人在时请重新提出：/update now ${t(d.app)}`,
  }),
  asker_gone: (d) => ({
    text: `${t(d.who) || '提出请求的人'} 已没有权限。更新尚未开始，也不会再开始。`,
    next: `可由其他人重新提出：/update now ${t(d.app)}`,
  }),
  nothing_to_approve: () => ({ text: '没有等待批准的更新。' }),
  not_approving: (d) => ({
    text: d.who
      ? `${t(d.who)} 已经${d.decision === 'rejected' ? '拒绝' : '批准'}了 ${t(d.id)}。`
      : `${t(d.id)} 没有在等待批准${d.state ? `（当前状态：${t(d.state)}）` : ''}。`,
  }),
};

export const people: PeopleTexts = {
  role: (role) => ROLES[role],
  news(news) {
    switch (news.what) {
      case 'claimed':
        return {
          title: `${news.name} 现在是这个 hub 的管理员`,
          text: `${news.first ? '聊天中的第一位：' : ''}${news.account} 用 hub 机器上的认领码认领了它。`,
        };
      case 'burnt':
        return {
          title: `${news.name} 在群里泄露了一个有效的码`,
          text: `${news.account} 在别人能看到的地方输入了它，已失效。`,
        };
      case 'role': {
        const who = `${news.accounts.join('、')} · 操作人：${news.by}`;
        if (news.after === undefined)
          return { title: `已移除 ${news.name}（原为${news.before ? ROLES[news.before] : '无角色'}）`, text: who };
        if (news.before === undefined) return { title: `${news.name} 现在是${ROLES[news.after]}`, text: who };
        return { title: `${news.name}：${ROLES[news.before]} → ${ROLES[news.after]}`, text: who };
      }
      case 'linked':
        return {
          title: `${news.name} 关联了账号`,
          text: `${news.accounts.join(' 和 ')} 现在是同一个人，角色为${ROLES[news.role]}。${news.before && news.before !== news.role ? `被关联的账号原为${ROLES[news.before]}。` : ''}`,
        };
      case 'unlinked':
        return { title: `${news.account} 不再属于 ${news.name}`, text: `它在这里已没有任何权限。· 操作人：${news.by}` };
    }
  },
  letMeIn: (account, role) => `管理员可以这样添加您：/admin add ${account} ${role}`,
  unclaimed: '这个 hub 还没有管理员。它是您的吗？请在它所在的机器上运行 `fettle claim`，并把显示的内容私聊发给我。',

  approvalTitle: (app, to) => `是否允许 ${app}${to ? ` 更新到 ${to}` : ' 更新'}？`,
  forced: '带 --force：即使该版本在这里失败过、已固定其他版本，或应用表示不能停止，也会执行。',
  automatic: 'Fettle（自动更新）',
  fieldAsks: '申请人',
  fieldVersion: '版本',
  fieldDigest: '摘要',
  fieldDevice: '设备',
  fieldUntil: '截止',
  approve: '批准',
  confirm: '确认',
  reject: '拒绝',
  bySecond: '需要另一个人批准。',
  byYourself: '没有其他人可以批准：请您自己再确认一次。',
  byTerminal: (id) =>
    `需要另一个人批准，而聊天中没有可以批准的人。在 hub 所在的机器上运行：fettle say /update approve ${id}`,
  byAnyone: '有人批准后才会开始。',
  approved: (by) => `${by} 已批准。`,
  rejected: (by) => `${by} 已拒绝。`,
  lapsed: '24 小时内没有人批准。',
  takenBack: '请求已撤回。',
};
