/** Times as a clock on the wall shows them, in a time zone. Pure. */

const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * What a clock on the wall shows: the day (`2026-11-21`) and the minute of the day. The default zone is looked at
 * without Intl, whose tables are 8 MB of a hub that is otherwise idle.
 */
export function wallClock(at: number, timezone: string): { readonly day: string; readonly minute: number } {
  if (timezone === 'UTC')
    return { day: new Date(at).toISOString().slice(0, 10), minute: Math.floor(at / 60_000) % (24 * 60) };
  let format = formats.get(timezone);
  if (!format) {
    const fields = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const;
    format = new Intl.DateTimeFormat('en-US', { ...fields, timeZone: timezone, hourCycle: 'h23' });
    formats.set(timezone, format);
  }
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const part = (name: Intl.DateTimeFormatPartTypes) => parts.get(name) ?? '';
  return {
    day: `${part('year')}-${part('month')}-${part('day')}`,
    minute: Number(part('hour')) * 60 + Number(part('minute')),
  };
}

/**
 * `14:02`; with the day where that is another one than that of `now`: `11-21 14:02`, `2025-11-21 14:02`. In UTC it says so,
 * because nobody's wall clock may show that.
 */
export function timeInWords(at: number, now: number, timezone: string): string {
  if (!Number.isFinite(at) || Math.abs(at) > 8.64e15) return '?';
  const there = wallClock(at, timezone);
  const today = wallClock(now, timezone).day;
  const two = (n: number) => String(n).padStart(2, '0');
  const time = `${two(Math.floor(there.minute / 60))}:${two(there.minute % 60)}`;
  const sameYear = there.day.slice(0, 5) === today.slice(0, 5);
  const day = there.day === today ? '' : `${sameYear ? there.day.slice(5) : there.day} `;
  return `${day}${time}${timezone === 'UTC' ? ' UTC' : ''}`;
}
