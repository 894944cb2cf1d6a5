import type { ErrorData } from '../../domain/errors.ts';
import type { UpdateState } from '../../domain/update.ts';
import { durationParts, formatTime, momentOf, relativePart, text as t } from './format.ts';

/** Chinese words for states, times and the like: what problems and cards share. */

export const STATES: Record<UpdateState, string> = {
  requested: '已请求',
  announced: '即将自动开始',
  approving: '等待批准',
  queued: '等待设备',
  sent: '已交给设备',
  received: '准备中',
  fetching: '下载中',
  staged: '校验中',
  rehearsing: '试运行',
  waiting: '等待应用允许停止',
  stopping: '停止中',
  swapping: '切换中',
  starting: '启动中',
  probing: '检查中',
  committing: '收尾中',
  reverting: '回退中',
  restarting: '重启旧版本',
  reprobing: '检查旧版本',
  discarding: '清理中',
  succeeded: '成功',
  failed: '失败',
  cancelled: '已取消',
  'rolled-back': '已回滚',
  'rollback-failed': '回滚失败',
  'timed-out': '超时',
};

export const because = (data: ErrorData) => (data.reason ? `（${t(data.reason)}）` : '');

export function duration(ms: number): string {
  const names = { d: '天', h: '小时', min: '分', s: '秒' } as const;
  return durationParts(ms)
    .map((part) => `${part.value} ${names[part.unit]}`)
    .join(' ');
}

export function relative(at: number, now: number): string {
  const { value, unit, ahead } = relativePart(at, now);
  if (unit === 'now') return ahead ? '马上' : '刚刚';
  const name = { s: '秒', min: '分钟', h: '小时', d: '天', mo: '个月', y: '年' }[unit];
  return `${value} ${name}${ahead ? '后' : '前'}`;
}

export const when = (value: ErrorData[string], now: number | undefined) => {
  const at = momentOf(value);
  return at === undefined ? t(value) : now === undefined ? formatTime(at) : relative(at, now);
};
