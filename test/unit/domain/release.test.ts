import { expect, test } from 'vitest';
import { newestEligible, type Offer } from '../../../src/domain/release.ts';
import { majorStep, sameVersion } from '../../../src/domain/version.ts';

const offer = (versions: readonly string[], channels: Record<string, string> = {}): Offer => ({
  releases: versions.map((version) => ({
    version,
    channel: version.includes('-') ? 'beta' : 'stable',
    digest: '',
    artifacts: [],
  })),
  channels,
});
const newest = (from: Offer, except?: readonly string[], channel = 'stable') =>
  newestEligible(from, channel, except && new Set(except))?.version;

test('the newest that counts: the pointer, else the highest, without those that are excepted', () => {
  const plain = offer(['1.0.0', '1.2.0', '1.1.0', '1.3.0-beta.1']);
  expect(newest(plain)).toBe('1.2.0');
  expect(newest(plain, ['1.2.0'])).toBe('1.1.0');
  expect(newest(plain, ['1.2.0', '1.1.0', '1.0.0'])).toBeUndefined();
  expect(newest(plain, [], 'beta')).toBe('1.3.0-beta.1');
  const pointed = offer(['1.0.0', '1.1.0', '1.2.0', '2.0.0'], { stable: '1.2.0' });
  expect(newest(pointed)).toBe('1.2.0');
  expect(newest(pointed, ['2.0.0'])).toBe('1.2.0');
  expect(newest(pointed, ['1.2.0'])).toBe('1.1.0');
  expect(newest(pointed, ['1.2.0', '1.1.0', '1.0.0'])).toBeUndefined();
  // A pointer at nothing says nothing.
  expect(newest(offer(['1.0.0', '1.1.0'], { stable: '9.9.9' }), ['1.1.0'])).toBe('1.0.0');
  expect(newest(offer([]))).toBeUndefined();
});

test('major steps', () => {
  expect(majorStep('1.2.3')).toEqual({ version: '2.0.0', zero: false });
  expect(majorStep('0.3.7')).toEqual({ version: '0.4.0', zero: true });
  expect(majorStep('0.0.7')).toEqual({ version: '0.1.0', zero: true });
  expect(majorStep('2.0.0-rc.1')).toEqual({ version: '3.0.0', zero: false });
  expect(majorStep('nightly')).toBeUndefined();
});

test('one version, however it is spelled', () => {
  expect(sameVersion('v1.2.3', '1.2.3')).toBe(true);
  expect(sameVersion('nightly', 'nightly')).toBe(true);
  expect(sameVersion('1.2.3', undefined)).toBe(false);
  expect(sameVersion('1.2.3', '1.2.4')).toBe(false);
});
