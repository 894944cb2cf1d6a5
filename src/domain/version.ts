import semver from 'semver';

/** Semantic versions (semver.org 2.0.0), read leniently at the edge (`v1.2`), compared strictly. */

/** The canonical form of a version that a person or a source wrote; `undefined` where it is none. */
export function readVersion(text: string): string | undefined {
  const exact = semver.valid(text.trim(), { loose: true });
  return exact ?? undefined;
}

/** Negative where `a` is older, 0 where they are equal in precedence, positive where `a` is newer. */
export function compareVersions(a: string, b: string): number {
  return semver.compare(a, b, { loose: true });
}

/** Is this a prerelease (`1.0.0-beta.1`)? Those are eligible on their own channel only. */
export function isPrerelease(version: string): boolean {
  return semver.prerelease(version, { loose: true }) !== null;
}

/** Newest first. */
export function newestFirst(versions: readonly string[]): string[] {
  return [...versions].sort((a, b) => semver.rcompare(a, b, { loose: true }));
}

/**
 * What may break between versions, as npm's `^` counts it: the first number, and before 1.0.0 the second (`0.4`).
 * `undefined` where the text is no version.
 */
export function majorOf(version: string): string | undefined {
  const parsed = semver.parse(version, { loose: true });
  if (!parsed) return undefined;
  return parsed.major === 0 ? `0.${parsed.minor}` : String(parsed.major);
}
