import type { ErrorData } from '../../domain/errors.ts';
import type { DeviceCode, ProblemWriter } from './contract.ts';
import { list, text as t } from './format.ts';
import { because, when } from './zh-words.ts';

/** Chinese: devices and orders. */

const app = (data: ErrorData) => t(data.app) || '该应用';
const device = (data: ErrorData) => t(data.name ?? data.device) || '设备';

/** A device says in English what its tools take. */
function expectedIn(text: string): string {
  return text
    .replace(
      /^a (whole )?number from (\S+) to (\S+)$/,
      (_, whole, min, max) => `${min} 到 ${max} 的${whole ? '整数' : '数'}`,
    )
    .replace(/^something in (.+)$/, (_, folders) => `${folders.replaceAll(' or ', ' 或 ')} 中的文件`)
    .replace(/^a word like (.+)$/, '符合 $1 的词')
    .replace(/^a word$/, '一个词');
}

const ENROLL = {
  direct: ['这条命令里有进入本 hub 的凭据，而这里有其他人能看到。', '请私聊我，或在 `fettle chat` 中再试。'],
  wrong: ['这个令牌不属于本 hub。', '请重新复制整行命令，或用 /device enroll 生成新的。'],
  late: ['这个令牌已过期。', '用 /device enroll 生成新的命令；加 --for 24h 可延长有效期。'],
  used: ['这个令牌已被使用。', '用 /device enroll 生成新的命令；加 --count 10 可供十台设备使用。'],
  rate: ['错误的令牌太多。', '请等待十分钟。'],
  key: ['设备的密钥不是 Fettle 生成的。', '请在设备上重新执行该命令，并在末尾加上 --new-key。'],
} as const;

export const deviceProblems: Record<DeviceCode, ProblemWriter> = {
  device_offline: (d, now) => ({
    text: `${device(d)} 离线${d.lastSeenAt ? `（上次在线：${when(d.lastSeenAt, now)}）` : ''}。`,
    next: d.tool
      ? '没有运行任何东西。请在它上线后重试。'
      : `更新会等它上线${d.until ? `，直到 ${when(d.until, undefined)}` : ''}；/update cancel 可以取消。`,
  }),
  device_lost: (d) =>
    d.why === 'revoked'
      ? { text: `${device(d)} 已被吊销：不再有人得知那里的结果。` }
      : { text: `更新开始后就没有收到 ${device(d)} 的消息。`, next: '请检查设备；它恢复后会报告做了什么。' },
  capability_denied: (d) => ({
    text: `设备自己的策略不允许这样做${d.what ? `：${t(d.what).replace(/^the tool /, '工具 ')}` : because(d)}。`,
    next: '若应当允许，请修改设备上的文件。',
  }),
  order_expired: () => ({ text: '指令到达设备时已过期。', next: '请重试；若经常发生，请检查网络连接。' }),
  order_replayed: () => ({ text: '设备收到过这条指令，已拒绝。', next: '请重新发起。' }),
  bad_signature: () => ({
    text: '指令的签名不属于该设备信任的 hub。',
    next: '若 hub 被迁移或更换，请用 /device enroll 重新登记设备；否则说明有人冒充 hub 下达指令。',
  }),
  hub_identity_invalid: (d) => ({
    text: `设备不知道自己的 hub：无法使用 ${t(d.file)}${because(d)}。`,
    next: '请重新登记设备，或修正该文件。',
  }),
  hub_not_proven: (d) => ({
    text: `${t(d.hub) || 'hub 地址'} 处应答的不是这条命令所属的 hub：证书不同。`,
    next: '请用 /device enroll 生成新的命令；若仍如此，说明中间有人冒充。',
  }),
  unknown_device: (d) => ({
    text: t(d.typed).includes('=')
      ? `没有设备带有标签 ${t(d.typed)}。`
      : `没有${t(d.typed) ? `名为 ${t(d.typed)} 的` : '这台'}设备。`,
    next: list(d.known).length > 0 ? `现有：${list(d.known).join('、')}。` : '/device list 列出全部。',
  }),
  device_needed: (d) => ({
    text: d.selector
      ? `${t(d.selector)} 对应 ${list(d.devices).length} 台装有 ${app(d)} 的设备。`
      : `${app(d)} 在 ${list(d.devices).length} 台设备上。`,
    next: `目前一次只能指定一台设备：on ${list(d.devices).slice(0, 10).join('、on ')}。`,
  }),
  device_name_taken: (d) => ({
    text: `已有另一台设备叫 ${t(d.name)}。`,
    next: `请换个名字；若那台设备已不在，可先 /device revoke ${t(d.name)}。`,
  }),
  bad_device_name: (d) => ({
    text: `${t(d.name) || '它'}不能作为设备名。`,
    next: '可用字母、数字、-、_ 和 .，最多 60 个；不能是 on 或 all。',
  }),
  device_cloned: (d) => ({
    text: `${device(d)} 的密钥在两台机器上使用：两台都已暂停。`,
    next: '为每台各用 /device enroll 生成一条新命令，在末尾加上 ` --new-key` 后粘贴执行，然后 /device revoke 旧的那台。',
  }),
  device_revoked: (d) => ({
    text: `${device(d)} 已被吊销，它的密钥已作废。`,
    next: '要重新加入：用 /device enroll 生成新命令，在末尾加上 ` --new-key` 后粘贴到设备上执行。',
  }),
  device_is_local: (d) => ({
    text: `${device(d)} 是 hub 所在的机器，不能吊销。`,
    next: '在那里运行 `fettle down` 会停止一切。',
  }),
  not_on_device: (d) => ({
    text: d.device ? `${app(d)} 不在 ${device(d)} 上。` : `没有设备装有 ${app(d)}。`,
    next: list(d.devices).length > 0 ? `它在：${list(d.devices).join('、')}。` : undefined,
  }),
  enroll_refused: (d) => {
    const why = ENROLL[t(d.why) as keyof typeof ENROLL] ?? ENROLL.wrong;
    return { text: why[0], next: why[1] };
  },
  bundle_unavailable: (d) => ({
    text: `hub 没有可安装到 ${t(d.platform) || '该平台'} 的程序${because(d)}。`,
    next: 'Fettle 支持 linux-x64 和 linux-arm64。后者需要 hub 能访问一次 npm；或在设备上自行安装 Fettle 后使用 `fettle enroll`。',
  }),
  tls_unusable: (d) => ({
    text: `无法使用证书 ${t(d.file)}${because(d)}。`,
    next: '请检查 fettle.yaml 中的 `hub.tls`：`self-signed`（用 openssl 生成），或证书文件及其私钥文件（PEM）。',
  }),
  tool_refused: (d) => ({
    text: `${t(d.tool)} 不接受这个参数${d.what ? `：${t(d.what)}` : ''}。`,
    next: d.expected ? `应为：${expectedIn(t(d.expected))}。` : undefined,
  }),
  tool_end_unknown: (d) => ({
    text: `${t(d.tool)} 已经开始运行，但结果未知：设备上的 agent 在此期间停止了。`,
    next: '它不会自动再次运行。请检查设备，然后重新发起。',
  }),
  tools_unknown: (d) => ({
    text: `还不知道 ${t(d.devices)} 有哪些工具：它尚未连接过。其他设备都没有 ${t(d.tool)}。`,
    next: '等它连接后再试；/device list 会显示它的状态。',
  }),
  policy_refused: (d) => ({
    text: `设备没有接受该策略${because(d)}。`,
    next: '设备上的文件没有改变。请修正策略，使用更大的编号并重新签名。',
  }),
};
