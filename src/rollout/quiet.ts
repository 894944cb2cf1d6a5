import type { HubSettings } from '../domain/settings.ts';
import { wallClock } from '../domain/wall-clock.ts';

/**
 * Quiet hours and the digest's time: minutes of the day in the setting's time zone, also on the days on which the
 * clocks change. What counts is what the clock on the wall shows: an hour that comes twice is quiet twice; a minute
 * that a day does not have is over when the first one after it comes. Pure.
 */

const MINUTE = 60_000;
const DAY = 24 * 60;
/** No time zone has ever changed its offset by more at once. */
const LARGEST_CHANGE = 180;

type Quiet = NonNullable<HubSettings['quiet']>;

/** Is it quiet at `at`? From equal to to: never. */
export function isQuiet(settings: Pick<HubSettings, 'quiet' | 'timezone'>, at: number): boolean {
  const { quiet, timezone } = settings;
  return quiet !== null && within(quiet, wallClock(at, timezone).minute);
}

/** When the quiet hours that `at` is in end, to the minute; `at` itself where it is not quiet. */
export function quietEnd(settings: Pick<HubSettings, 'quiet' | 'timezone'>, at: number): number {
  const { quiet, timezone } = settings;
  if (quiet === null || !isQuiet(settings, at)) return at;
  const left = (quiet.to - wallClock(at, timezone).minute + DAY) % DAY;
  const usual = (Math.floor(at / MINUTE) + left) * MINUTE;
  if (wallClock(usual, timezone).minute === quiet.to) return usual;
  // The clocks change on the way: the end is looked for from before the earliest that it can be.
  const start = Math.floor(at / MINUTE) + Math.max(1, left - LARGEST_CHANGE);
  for (let minute = start; minute < start + 2 * DAY; minute += 1) {
    if (!within(quiet, wallClock(minute * MINUTE, timezone).minute)) return minute * MINUTE;
  }
  return at + DAY * MINUTE;
}

function within({ from, to }: Quiet, minute: number): boolean {
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

/**
 * The first moment after `at` at which a day's clock shows `minute` or, for the first time that day, something later.
 */
export function nextTimeOfDay(minute: number, timezone: string, at: number): number {
  const now = wallClock(at, timezone);
  const ahead = (minute - now.minute + DAY) % DAY;
  const start = Math.floor(at / MINUTE) + 1;
  const usual = (start - 1 + (ahead === 0 ? DAY : ahead)) * MINUTE;
  if (wallClock(usual, timezone).minute === minute && !changes(usual, timezone)) return usual;
  for (let look = Math.max(start, start + ahead - 1 - LARGEST_CHANGE); look < start + 2 * DAY; look += 1) {
    const here = wallClock(look * MINUTE, timezone);
    const before = wallClock((look - 1) * MINUTE, timezone);
    if (here.minute < minute) continue;
    const first = before.day !== here.day || before.minute < minute;
    // An hour that comes twice holds the minute twice; the first one counts.
    if (first && !passedBefore(minute, timezone, look, here.day)) return look * MINUTE;
  }
  return at + DAY * MINUTE;
}

/** Have the clocks changed in the hours before? */
function changes(at: number, timezone: string): boolean {
  const before = wallClock(at - LARGEST_CHANGE * MINUTE, timezone).minute;
  return (before + LARGEST_CHANGE) % DAY !== wallClock(at, timezone).minute;
}

function passedBefore(minute: number, timezone: string, look: number, day: string): boolean {
  for (let back = 1; back <= LARGEST_CHANGE; back += 1) {
    const then = wallClock((look - back) * MINUTE, timezone);
    if (then.day !== day) return false;
    if (then.minute >= minute) return true;
  }
  return false;
}
