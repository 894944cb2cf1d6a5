/**
 * The version of a commit that has no tag: `2026.11.21-101530-abc1234`, its date (UTC) and the start of its id. It is a
 * semantic version, is in the order of the dates, and is newer than any `1.2.3` that a checkout may have said of itself.
 * Pure.
 */

const COMMIT_VERSION = /^\d{4,}\.\d{1,2}\.\d{1,2}-\d{6}-([0-9a-f]{7})$/;

/** @param seconds since 1970, as the commit says that it was committed */
export function commitVersion(commit: string, seconds: number): string {
  const date = new Date(seconds * 1_000);
  const two = (value: number) => String(value).padStart(2, '0');
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join('');
  const day = [String(date.getUTCFullYear()).padStart(4, '0'), date.getUTCMonth() + 1, date.getUTCDate()].join('.');
  return `${day}-${time}-${commit.slice(0, 7)}`;
}

/** The start of the commit's id, where a version is that of a commit. */
export function commitInVersion(version: string): string | undefined {
  return COMMIT_VERSION.exec(version)?.[1];
}

/** Did a person mean this version by a commit's id, short (7 characters at the least) or whole? */
export function namesCommit(typed: string, version: string): boolean {
  const commit = commitInVersion(version);
  return commit !== undefined && /^[0-9a-f]{7,64}$/i.test(typed) && typed.toLowerCase().startsWith(commit);
}
