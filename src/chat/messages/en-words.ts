import type { ErrorData } from '../../domain/errors.ts';
import type { UpdateState } from '../../domain/update.ts';
import { durationParts, formatTime, momentOf, relativePart, text as t } from './format.ts';

/** English words for states, times and the like: what problems and cards share. */

export const STATES: Record<UpdateState, string> = {
  requested: 'asked for',
  announced: 'about to begin by itself',
  approving: 'waiting for approval',
  queued: 'waiting for the device',
  sent: 'handed to the device',
  received: 'preparing',
  fetching: 'fetching',
  staged: 'verifying',
  rehearsing: 'rehearsing',
  waiting: 'waiting for the app',
  stopping: 'stopping',
  swapping: 'switching',
  starting: 'starting',
  probing: 'checking',
  committing: 'finishing',
  reverting: 'going back',
  restarting: 'restarting the old version',
  reprobing: 'checking the old version',
  discarding: 'cleaning up',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
  'rolled-back': 'rolled back',
  'rollback-failed': 'rollback failed',
  'timed-out': 'timed out',
};

/** ` (reason)`, or nothing. */
export const because = (data: ErrorData) => (data.reason ? ` (${t(data.reason)})` : '');

export const app = (data: ErrorData) => t(data.app) || 'the app';

export const device = (data: ErrorData) => t(data.name ?? data.device) || 'The device';

export const when = (value: ErrorData[string], now: number | undefined) => {
  const at = momentOf(value);
  return at === undefined ? t(value) : now === undefined ? formatTime(at) : relative(at, now);
};

export function or(items: readonly string[]): string {
  if (items.length < 2) return items[0] ?? '';
  return `${items.slice(0, -1).join(', ')} or ${items.at(-1)}`;
}

export function version(d: ErrorData): string {
  const number_ = t(d.version);
  return number_ ? `${d.app ? `${t(d.app)} ` : 'Version '}${number_}` : d.app ? `The new version of ${t(d.app)}` : 'It';
}

export function duration(ms: number): string {
  const names = { d: (v: string) => (v === '1' ? 'day' : 'days'), h: () => 'h', min: () => 'min', s: () => 's' };
  return durationParts(ms)
    .map((part) => `${part.value} ${names[part.unit](part.value)}`)
    .join(' ');
}

export const LONG = { d: 'day', mo: 'month', y: 'year' } as const;

export function relative(at: number, now: number): string {
  const { value, unit, ahead } = relativePart(at, now);
  if (unit === 'now') return ahead ? 'in a few seconds' : 'just now';
  const name = unit in LONG ? `${LONG[unit as keyof typeof LONG]}${value === 1 ? '' : 's'}` : unit;
  return ahead ? `in ${value} ${name}` : `${value} ${name} ago`;
}

export const v = (version_: string | undefined) => (version_ ? ` ${version_}` : '');
