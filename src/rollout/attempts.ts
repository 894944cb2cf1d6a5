import type { UpdateRow } from '../store/updates.ts';
import { viewOf } from './update-view.ts';

/** How automatic updates to one release have gone, and when the next try is due. Pure. */

const MINUTE = 60_000;
const FIRST_RETRY_MS = 10 * MINUTE;
const LAST_RETRY_MS = 24 * 60 * MINUTE;
/** Tries after the first. */
const RETRIES = 5;

/**
 * `fresh` never tried. `retry` failed for a reason that may pass; due at `at`. `left` for people: it failed for
 * another reason, or too often.
 */
export type Attempts =
  | { readonly state: 'fresh' }
  | { readonly state: 'retry'; readonly at: number; readonly tries: number }
  | { readonly state: 'left'; readonly tries: number };

/** @param ended automatic updates of one app on one device, newest first */
export function attemptsOf(ended: readonly UpdateRow[], version: string): Attempts {
  const counted = ended.filter((row) => row.to_version === version && row.final_state !== 'cancelled');
  const [last] = counted;
  if (!last || last.final_state === 'succeeded') return { state: 'fresh' };
  const tries = counted.length;
  if (!mayPass(last) || tries > RETRIES) return { state: 'left', tries };
  return { state: 'retry', at: (last.ended_at ?? 0) + waitAfter(tries), tries };
}

/** Releases that failed too often, or for a reason that does not pass. */
export function givenUp(ended: readonly UpdateRow[]): readonly string[] {
  const versions = [...new Set(ended.flatMap((row) => row.to_version ?? []))];
  return versions.filter((version) => attemptsOf(ended, version).state === 'left');
}

/** Milliseconds until the next try: 10, 20, 40 minutes … a day. */
export function waitAfter(tries: number): number {
  return Math.min(FIRST_RETRY_MS * 2 ** (tries - 1), LAST_RETRY_MS);
}

/** Could the same update succeed later, with nobody changing anything? */
function mayPass(row: UpdateRow): boolean {
  if (row.final_state === 'timed-out') return true;
  if (row.final_state === 'rollback-failed') return false;
  return viewOf(row, { name: row.device }).outcome?.problem?.retryable ?? false;
}
