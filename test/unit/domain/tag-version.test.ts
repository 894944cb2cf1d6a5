import { expect, it } from 'vitest';
import { fitsPattern, tagsOfVersion, versionOfTag } from '../../../src/domain/tag-version.ts';

it.each([
  ['v1.2.3', undefined, '1.2.3'],
  ['1.2.3-beta.1', undefined, '1.2.3-beta.1'],
  ['web-v1.2.3', undefined, undefined],
  ['web-v1.2.3', 'web-*', '1.2.3'],
  ['web-1.2.3', 'web-v*', undefined],
  ['nightly', undefined, undefined],
  [`v1.2.3-${'a'.repeat(100)}`, undefined, undefined],
])('%s by %s is %s', (tag, pattern, version) => expect(versionOfTag(tag, pattern)).toBe(version));

it('names the tags that a version may have', () => {
  expect(tagsOfVersion('1.2.3', undefined)).toEqual(['v1.2.3', '1.2.3']);
  expect(tagsOfVersion('1.2.3', 'v*')).toEqual(['v1.2.3']);
  expect(tagsOfVersion('1.2.3', 'web-*')).toEqual(['web-1.2.3', 'web-v1.2.3']);
});

it('fits patterns in time that does not explode', () => {
  expect(fitsPattern('robot-1.2.0-x86_64.tar.gz', 'robot-*-x86_64.tar.gz')).toBe(true);
  expect(fitsPattern('robot', 'rob?t')).toBe(true);
  expect(fitsPattern('robot', 'rob')).toBe(false);
  expect(fitsPattern('a.c', 'a?c')).toBe(true);
  expect(fitsPattern('', '*')).toBe(true);
  expect(fitsPattern('a'.repeat(5_000), `${'*a'.repeat(100)}b`)).toBe(false);
});
