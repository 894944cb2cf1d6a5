import type { ErrorData } from '../../domain/errors.ts';
import { nameOfPlatform } from '../../domain/platform-name.ts';
import type { Language } from '../../domain/reply.ts';
import type { UpdateLike } from './contract.ts';

/** Numbers for people: decimal units, one digit where it says something. Shared by the languages. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `812 B`, `8.1 kB`, `3.1 MB`, `24 MB`. Decimal units, as disks and networks count. */
export function formatBytes(bytes: number): string {
  let value = Number.isFinite(bytes) ? Math.max(0, bytes) : 0;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : digits(value)} ${UNITS[unit]}`;
}

/** One digit after the point; a whole number stays whole past ten. */
function digits(value: number): string {
  const text = value.toFixed(1);
  return value >= 10 ? text.replace(/\.0$/, '') : text;
}

/** The parts of a duration, largest first, at most two; seconds keep one digit below ten (two below 0.1). */
export function durationParts(
  ms: number,
): readonly { readonly value: string; readonly unit: 'd' | 'h' | 'min' | 's' }[] {
  const seconds = Math.max(0, Number.isFinite(ms) ? ms : 0) / 1_000;
  if (seconds < 0.095) return [{ value: seconds === 0 ? '0' : Math.max(0.01, seconds).toFixed(2), unit: 's' }];
  if (seconds < 9.95) return [{ value: seconds.toFixed(1), unit: 's' }];
  const whole = Math.round(seconds);
  if (whole < 60) return [{ value: String(whole), unit: 's' }];
  const parts = [
    { value: Math.floor(whole / 86_400), unit: 'd' as const },
    { value: Math.floor(whole / 3_600) % 24, unit: 'h' as const },
    { value: Math.floor(whole / 60) % 60, unit: 'min' as const },
    { value: whole % 60, unit: 's' as const },
  ];
  const first = parts.findIndex((part) => part.value > 0);
  return parts
    .slice(first, first + 2)
    .filter((part) => part.value > 0)
    .map((part) => ({ value: String(part.value), unit: part.unit }));
}

/** How long ago (or ahead) in its largest unit. Under 10 s: `now`. */
export function relativePart(
  at: number,
  now: number,
): { readonly value: number; readonly unit: 's' | 'min' | 'h' | 'd' | 'mo' | 'y' | 'now'; readonly ahead: boolean } {
  const ahead = at > now;
  const seconds = Math.round(Math.abs(at - now) / 1_000);
  if (seconds < 10) return { value: 0, unit: 'now', ahead };
  if (seconds < 60) return { value: seconds, unit: 's', ahead };
  if (seconds < 3_600) return { value: Math.round(seconds / 60), unit: 'min', ahead };
  if (seconds < 86_400) return { value: Math.round(seconds / 3_600), unit: 'h', ahead };
  const days = Math.round(seconds / 86_400);
  if (days < 60) return { value: days, unit: 'd', ahead };
  if (days < 730) return { value: Math.round(days / 30.44), unit: 'mo', ahead };
  return { value: Math.round(days / 365.25), unit: 'y', ahead };
}

/** `2026-07-03 14:02`, in the hub's time zone. */
export function formatTime(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '?';
  const two = (n: number) => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

type Value = string | number | boolean | readonly string[] | undefined;

/** A value of an error as text; empty where it is absent. */
export function text(value: Value): string {
  if (value === undefined) return '';
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** A value of an error as a list. */
export function list(value: Value): readonly string[] {
  if (value === undefined || value === '') return [];
  return Array.isArray(value) ? value : [String(value)];
}

/** A value of an error as a number. */
export function number(value: Value): number | undefined {
  const result =
    typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? Number(value) : Number.NaN;
  return Number.isFinite(result) ? result : undefined;
}

/** A moment in an error's data: milliseconds since 1970, or ISO 8601 with a zone; `undefined` where it is neither. */
export function momentOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)$/.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}

/** A problem's values with what its update says: the app, and the version that was tried. */
export function about(update: UpdateLike, data: ErrorData): ErrorData {
  const version = update.outcome?.to ?? update.to;
  return { app: update.app, ...(version === undefined ? {} : { version }), ...data };
}

/** A platform as people call it. */
export function platformName(value: Parameters<typeof text>[0], language: Language = 'en'): string {
  return nameOfPlatform(text(value), language);
}
