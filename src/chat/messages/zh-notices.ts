import type { NoticeTexts } from './notices.ts';

/** Chinese. */
export const notices: NoticeTexts = {
  available: (app, version) => `${app} 有新版本 ${version}`,
  fieldVersion: '版本',
  fieldSize: '大小',
  fieldPublished: '发布于',
  fieldBetween: '期间版本',
  more: (count) => `还有 ${count} 个`,
  update: '更新',
  later: '稍后',
  skip: '跳过此版本',
  begins: (app, version, grace) =>
    grace === undefined ? `${app} 正在更新到 ${version}。` : `${app} 将在 ${grace}后自动更新到 ${version}。`,
  withdrawnTitle: (app, version) => `${app} 没有自动更新${version ? `到 ${version}` : ''}`,
  withdrawn: {
    'taken-over': '期间有人对它开始了其他操作。',
    off: '期间已关闭它的自动更新。',
    pinned: '期间它已被固定版本。',
    skipped: '期间此版本已被跳过。',
    blocked: '此版本在这里失败过。',
    left: '此版本由您决定。',
    quiet: '免打扰时段已开始，结束后会再次检查。',
    gone: '来源不再提供此版本。',
    superseded: '已有更新的版本。',
    changed: '它现在运行的是另一个版本。',
    expired: '来源的索引已过期。',
    rejected: '有人拒绝了它。今后只会自动安装更新的版本。',
    unapproved: '24 小时内没有人批准。今后只会自动安装更新的版本。',
  },
  declined: (version) => `已取消。版本${version ? ` ${version} ` : ''}由您决定；更新的版本仍会自动更新。`,
  digestTitle: (count) => `${count} 个应用有新版本`,
  columns: ['应用', '运行版本', '最新版本'],
  updateApp: (app, version) => `将 ${app} 更新到 ${version}`,
  expiresTitle: (app, past) => `${app} 的版本索引${past ? '已过期' : '即将过期'}`,
  expires: (source, when, past) =>
    past
      ? `${source} 的有效期到 ${when} 为止，现在不再从它自动更新。`
      : `${source} 的有效期到 ${when} 为止，之后不再从它自动更新。`,
  expiresNext: '需要由发布者重新发布。',
  crashesTitle: (app, version) => `${app}${version ? ` ${version}` : ''} 反复崩溃`,
  crashes: (app, times, when, device) =>
    `自 ${when} 起在 ${device} 上已自行退出 ${times} 次。每次都会重新启动，其间 ${app} 可能不可用。`,
  awayTitle: (platform) => `${platform} 未连接`,
  away: (when) => `自 ${when} 起收不到那里的消息，要发往那里的消息会等待。`,
  dumbTitle: (platform) => `${platform} 无法回复`,
  dumb: (when) => `自 ${when} 起，那里的命令仍会收到并执行，但回复会等待。`,
  awayTimes: (times) => `这是一小时内第 ${times} 次。`,
  backTitle: (platform) => `${platform} 已重新连接`,
  back: (away) => `中断了 ${away}，等待的消息现在会发出。`,
  lost: (who, platform, reason) =>
    `${who} 是在 ${platform} 的一个会话中发起的，但已无法向那里发送消息（${reason}），因此没有收到结果。`,
  lostNext: '请代为转告。把机器人重新拉进该会话后，那里的命令会照常得到回复。',
  status: '状态',
  rollBackTo: (version) => `回退到 ${version}`,
  logs: '日志',
  onDevice: (who, device) => `由 ${who} 在设备 ${device} 上操作。`,
  triesAgain: (wait) => `将在 ${wait}后重试。`,
  leftToYou: (tries) => `已尝试 ${tries} 次，此版本现在由您决定。`,
};
