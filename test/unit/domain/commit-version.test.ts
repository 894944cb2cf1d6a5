import { expect, it } from 'vitest';
import { commitInVersion, commitVersion, namesCommit } from '../../../src/domain/commit-version.ts';
import { compareVersions, majorStep, readVersion, sameMajor } from '../../../src/domain/version.ts';

const at = (time: string, commit = '0123456789abcdef0123456789abcdef01234567') =>
  commitVersion(commit, Date.parse(time) / 1_000);

it('is a semantic version whatever the date and the id, in the order of the dates', () => {
  const times = ['1970-01-01T00:00:00Z', '2026-01-02T03:04:05Z', '2026-01-02T03:04:06Z', '2026-11-21T00:00:00Z'];
  const versions = times.map((time) => at(time));
  expect(versions[1]).toBe('2026.1.2-030405-0123456');
  for (const version of versions) expect(readVersion(version)).toBe(version);
  expect([...versions].sort(compareVersions)).toEqual(versions);
});

it('is newer than what a checkout says of itself, and no commit is a major step', () => {
  const version = at('2026-11-21T10:00:00Z');
  expect(compareVersions(version, '19.0.0')).toBeGreaterThan(0);
  expect(sameMajor(version, at('2027-01-01T00:00:00Z'))).toBe(true);
  expect(majorStep(version)).toBeUndefined();
  expect(sameMajor(version, '3000.0.0')).toBe(false);
});

it('is understood by the id, short or whole', () => {
  const version = at('2026-11-21T10:00:00Z');
  for (const typed of ['0123456', '0123456789AB', '0123456789abcdef0123456789abcdef01234567']) {
    expect(namesCommit(typed, version)).toBe(true);
  }
  for (const typed of ['012345', '1123456', '0123456x', '']) expect(namesCommit(typed, version)).toBe(false);
  expect(namesCommit('0123456', '1.2.3')).toBe(false);
  expect(commitInVersion('1.2.3-030405-0123456')).toBeUndefined();
});
