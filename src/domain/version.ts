import semver from 'semver';
import { commitInVersion } from './commit-version.ts';

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

/** Are these one version, however they are spelled (`v1.2.3`)? Nothing is the same as nothing. */
export function sameVersion(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (readVersion(a) ?? a) === (readVersion(b) ?? b);
}

/** Is this a prerelease (`1.0.0-beta.1`)? Those are eligible on their own channel only. */
export function isPrerelease(version: string): boolean {
  return semver.prerelease(version, { loose: true }) !== null;
}

/** Newest first. */
export function newestFirst(versions: readonly string[]): string[] {
  return [...versions].sort((a, b) => semver.rcompare(a, b, { loose: true }));
}

/** Is a version in a range, as package.json's `engines` has it? An unreadable range holds nothing. */
export function satisfies(version: string, range: string): boolean {
  return semver.satisfies(version, range, { loose: true, includePrerelease: true });
}

/**
 * The least version that counts as a major step from `version`. Before 1.0.0 (`zero`) the second number is the major
 * one. `undefined` where `version` is none.
 */
export function majorStep(version: string): { readonly version: string; readonly zero: boolean } | undefined {
  const parsed = semver.parse(version, { loose: true });
  // A new year is no step at all: commits say nothing of how much they change.
  if (!parsed || commitInVersion(version) !== undefined) return undefined;
  const { major, minor } = parsed;
  return major > 0 ? { version: `${major + 1}.0.0`, zero: false } : { version: `0.${minor + 1}.0`, zero: true };
}

/** Does nothing lie between two versions that may break what relies on them? */
export function sameMajor(a: string, b: string): boolean {
  if (commitInVersion(a) !== undefined && commitInVersion(b) !== undefined) return true;
  const step = majorStep(a)?.version;
  return step !== undefined && step === majorStep(b)?.version;
}
