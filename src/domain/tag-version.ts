import { readVersion } from './version.ts';

/** Which tags are releases, and of which version. Pure. */

/**
 * The version that a tag stands for; `undefined` where it does not fit the pattern, or is none.
 * What stands before the pattern's first `*` or `?` is not of the version: `web-v1.2.3` by `web-*`.
 */
export function versionOfTag(tag: string, pattern: string | undefined): string | undefined {
  if (pattern !== undefined && !fitsPattern(tag, pattern)) return undefined;
  const version = readVersion(tag) ?? readVersion(tag.slice(literal(pattern).length));
  return version === undefined || version.length > 100 ? undefined : version;
}

/** The tags that a version may have by the usual ways to write it, the likeliest first. */
export function tagsOfVersion(version: string, pattern: string | undefined): readonly string[] {
  const own = literal(pattern);
  const starts = own === '' ? ['v', ''] : own.endsWith('v') ? [own] : [own, `${own}v`];
  const tags = starts.map((start) => start + version);
  return tags.filter((tag) => versionOfTag(tag, pattern) === version);
}

/** Does a name fit a pattern with `*` (anything) and `?` (one character)? */
export function fitsPattern(name: string, pattern: string): boolean {
  // Not a regular expression: one with many `*` takes for ever on a name that somebody else chose.
  let [n, p, star, after] = [0, 0, -1, 0];
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p;
      after = n;
      p += 1;
    } else if (pattern[p] === '?' || pattern[p] === name[n]) {
      n += 1;
      p += 1;
    } else if (star >= 0) {
      p = star + 1;
      after += 1;
      n = after;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}

function literal(pattern: string | undefined): string {
  return (pattern ?? '').split(/[*?]/)[0] ?? '';
}
