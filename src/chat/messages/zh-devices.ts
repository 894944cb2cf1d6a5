import type { ErrorData } from '../../domain/errors.ts';
import type { DeviceCode, ProblemWriter } from './contract.ts';
import { text as t } from './format.ts';
import { because, when } from './zh-words.ts';

/** Chinese: devices and orders. */

const device = (data: ErrorData) => t(data.name ?? data.device) || '设备';

export const deviceProblems: Record<DeviceCode, ProblemWriter> = {
  device_offline: (d, now) => ({
    text: `${device(d)} 离线${d.lastSeenAt ? `（上次在线：${when(d.lastSeenAt, now)}）` : ''}。`,
    next: `更新会等它上线${d.until ? `，直到 ${when(d.until, undefined)}` : ''}；也可以取消。`,
  }),
  device_lost: (d) => ({
    text: `更新开始后就没有收到 ${device(d)} 的消息。`,
    next: '请检查设备；它恢复后会报告做了什么。',
  }),
  capability_denied: (d) => ({
    text: `设备自己的策略不允许这样做${d.what ? `：${t(d.what)}` : because(d)}。`,
    next: '若应当允许，请修改设备上的文件。',
  }),
  order_expired: () => ({ text: '指令到达设备时已过期。', next: '请重试；若经常发生，请检查网络连接。' }),
  order_replayed: () => ({ text: '设备收到过这条指令，已拒绝。', next: '请重新发起。' }),
  bad_signature: () => ({
    text: '指令的签名不属于该设备信任的中心。',
    next: '若中心被迁移或更换，请重新登记设备。',
  }),
  tool_refused: (d) => ({
    text: `${t(d.tool)} 不接受这个参数${d.what ? `：${t(d.what)}` : ''}。`,
    next: d.expected ? `应为：${t(d.expected)}。` : undefined,
  }),
  tool_end_unknown: (d) => ({
    text: `${t(d.tool)} 已经开始运行，但结果未知：设备上的代理在此期间停止了。`,
    next: '它不会自动再次运行。请检查设备，然后重新发起。',
  }),
  policy_refused: (d) => ({
    text: `设备没有接受该策略${because(d)}。`,
    next: '设备上的文件没有改变。请修正策略，使用更大的编号并重新签名。',
  }),
};
