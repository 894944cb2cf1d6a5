import type { ErrorData } from '../../domain/errors.ts';
import { isErrorCode } from '../../domain/errors.ts';
import type { CardTexts, Messages, UpdateLike } from './contract.ts';
import { about, formatBytes } from './format.ts';
import { withdrawnFor } from './notices.ts';
import { notices } from './zh-notices.ts';
import { people } from './zh-people.ts';
import { problems } from './zh-problems.ts';
import { because, duration, relative, STATES } from './zh-words.ts';

/** Chinese. */

const HEALTH = { healthy: '健康', ill: '异常', stopped: '已停止', unknown: '未知' } as const;

const outageOf = (outage: string | undefined) => (outage ? `，中断 ${outage}` : '');

const NOUN = { install: '安装', update: '更新', rollback: '回滚', restart: '重启', restore: '数据恢复' } as const;

const cards: CardTexts = {
  cancel: '取消',
  force: '强制',
  hold: '继续等待',
  tryAgain: '重试',
  rollBack: '回滚',
  showLog: '日志',
  restart: '重启',
  savedAs: (backup) => `数据，${backup}`,
  restartTitle: (name) => `${name}：重启`,
  rollbackTitle: (name, to) => `${name}：回到 ${to ?? '上一个正常版本'}`,
  doing: {
    requested: '开始',
    announced: '即将自动开始',
    approving: '等待批准',
    queued: '等待设备',
    sent: '交给设备',
    received: '准备',
    fetching: '下载新版本',
    staged: '校验下载内容',
    rehearsing: '试运行',
    waiting: '等待应用允许停止',
    stopping: '停止应用',
    swapping: '备份并切换',
    starting: '启动应用',
    probing: '检查是否正常',
    committing: '收尾',
    reverting: '出现问题，正在回退',
    restarting: '启动旧版本',
    reprobing: '检查旧版本',
    discarding: '清理',
    succeeded: '成功',
    failed: '失败',
    cancelled: '已取消',
    'rolled-back': '已回滚',
    'rollback-failed': '回滚失败',
    'timed-out': '超时',
  },
  doingRestore: {
    received: '检查备份',
    staged: '复制当前数据',
    swapping: '备份当前数据',
    starting: '放入备份的数据',
    restarting: '用原来的数据启动',
    reprobing: '检查是否和原来一样正常',
  },
  cancelling: '正在取消',
  of: (done, total) => `${done} / ${total}`,
  files: (done, total) => (total === undefined ? `${done} 个文件` : `${done} / ${total} 个文件`),
  checks: (done, total) => (total === undefined ? `${done} 次正常应答` : `${done} / ${total} 次正常应答`),
  left: (seconds) => `剩余 ${duration(Math.max(1, Math.round(seconds)) * 1_000).replace('.0', '')}`,

  backOnline: (name, to, outage) => `${name} 已恢复在线${to ? `，版本 ${to}` : ''}${outageOf(outage)}`,
  installed: (name, to) => `${name}${to ? ` ${to}` : ''} 已安装并在线`,
  restarted: (name, to, outage) => `${name} 已重启并恢复在线${to ? `，版本 ${to}` : ''}${outageOf(outage)}`,
  wentBack: (name, to, outage) => `${name} 已回到先前的版本并恢复在线${to ? `，版本 ${to}` : ''}${outageOf(outage)}`,
  rolledBack: (name, tried) => (tried ? `${name} ${tried} 失败，已回滚` : `${name} 已回滚`),
  serving: (name, running) => `${name}${running ? ` ${running}` : ''} 已重新提供服务。`,
  outage: (outage) => `中断 ${outage}。`,
  dataRestored: '数据已恢复到更新之前的样子。',
  dataKept: '数据没有被改动。',
  databaseKept: '它沿用原来的数据库，没有丢失任何记录。',
  dataLeft: '数据停留在失败的版本留下的样子：切换前没有备份。',
  noBackup: (why) => `按配置，没有备份也继续了。${why}`,
  dataNotBack: (why) => `部分数据未能恢复。${why}`,
  setAside: (where) => `失败的版本所写的数据已另存到 ${where}。`,
  restoreTitle: (name, backup) => `${name}：恢复备份 ${backup}`,
  restored: (name, backup, made, outage) =>
    `${name} 现在使用备份 ${backup} 的数据${made ? `（${made}）` : ''}${outageOf(outage)}`,
  backupMade: ({ from, to, restores }, name, made) =>
    `${made}备份${restores !== undefined ? `，恢复 ${name}/${restores} 之前` : to ? `，${from ? `${from} → ` : ''}${to} 之前` : ''}`,
  restoreUndone: (name, backup) => `${name} 用备份 ${backup} 的数据不能正常运行`,
  dataFromBefore: '数据已回到恢复之前的样子。',
  wrongDataAside: (where) => `不能正常运行的那份数据在 ${where}。`,
  beforeIsBackup: (backup) => `原来的数据是备份 ${backup}。`,
  beforeIsAside: (where) => `原来的数据在 ${where}；没有为它做备份。`,
  notInBackup: (paths) => `该备份中没有、因此保持不变：${paths.join('、')}。`,
  notKeptNow: (paths) => `该备份中有、但已不再备份，因此没有恢复：${paths.join('、')}。`,
  notUpdated: (name, to, kind) =>
    kind === 'restore'
      ? `${name} 的数据没有恢复`
      : `${name} 没有${NOUN[kind]}${to && kind !== 'restart' ? `到 ${to}` : ''}`,
  notInstalled: (name, to) => `${name}${to ? ` ${to}` : ''} 没有安装`,
  untouched: (name, running) => `${name}${running ? ` ${running}` : ''} 未受影响，继续运行。`,
  cancelled: (name, to, kind) =>
    `${name}${to && kind !== 'restart' && kind !== 'restore' ? ` ${to}` : ''} 的${NOUN[kind]}已取消`,
  timedOut: (name, to, kind) =>
    `${name}${to && kind !== 'restart' && kind !== 'restore' ? ` ${to}` : ''} 的${NOUN[kind]}超时`,
  timedOutWhy: '设备没有按时接手。它恢复后会报告做了什么。',
  rollbackFailed: (name) => `${name} 无法恢复`,
  notServing: (name) => `${name} 可能没有提供服务。Fettle 会继续尝试启动它。`,
  rescue: (name) =>
    `Fettle 会继续尝试启动它。日志：/update logs ${name}；然后：/update restart ${name}，或在设备上运行：fettle rescue ${name}`,
  fieldWhat: '版本',
  fieldProof: '证明',
  fieldTrust: '版本来源',
  fieldTook: '用时',
  fieldBackup: '备份',
  proofReported: '自己报告了版本',
  proofSlot: '确认从新目录运行',
  logOf: (name) => `${name} 日志的末尾：`,
};

function outcome(update: UpdateLike): string {
  const result = update.outcome;
  const outage = result?.outageMs === undefined ? undefined : duration(result.outageMs);
  const why = result?.problem
    ? `：${problem(result.problem.code, about(update, result.problem.data)).text.replace(/。$/, '')}`
    : '';
  switch (update.state) {
    case 'succeeded':
      return `${update.kind === 'restore' ? '已恢复数据' : `已${NOUN[update.kind]}`}${outageOf(outage)}`;
    case 'failed':
    case 'rolled-back':
    case 'rollback-failed':
      return `${STATES[update.state]}${why}`;
    case 'cancelled': {
      const reason = withdrawnFor(update);
      return reason ? `${STATES.cancelled}：${notices.withdrawn[reason].replace(/。$/, '')}` : STATES.cancelled;
    }
    default:
      return STATES[update.state];
  }
}

function problem(code: string, data: ErrorData, now?: number) {
  if (isErrorCode(code)) return problems[code](data, now);
  return { text: `失败：“${code}”${because(data)}。`, next: '详情见日志。' };
}

export const zh: Messages = {
  language: 'zh',
  bytes: formatBytes,
  rate: (bytes) => `${formatBytes(bytes)}/s`,
  duration,
  relative,
  state: (state) => STATES[state],
  health: (health) => HEALTH[health],
  outcome,
  problem,
  problems,
  cards,
  notices,
  people,
  router: {
    strangerTitle: '您好',
    stranger: '我还不认识您，所以在这里不能为您做什么。',
  },
};
