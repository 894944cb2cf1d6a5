import { describe, expect, test } from 'vitest';
import type { Offer, Release } from '../../../src/domain/release.ts';
import { sameMajor } from '../../../src/domain/version.ts';
import { candidatesOf, countBetween, type Situation } from '../../../src/rollout/candidates.ts';

const release = (version: string, channel = 'stable'): Release => ({
  version,
  channel,
  digest: 'sha512-x',
  artifacts: [],
});

function offer(versions: readonly string[], pointer?: string): Offer {
  return {
    releases: versions.map((text) => {
      const [version = '', channel] = text.split(' ');
      return release(version, channel);
    }),
    channels: pointer === undefined ? {} : { stable: pointer },
  };
}

const base: Situation = {
  auto: 'on',
  pinned: false,
  running: '1.0.0',
  offer: offer(['0.9.0', '1.0.0', '1.0.1', '1.1.0', '2.0.0']),
  channel: 'stable',
  expired: false,
  skipped: [],
  blocked: [],
  left: [],
};

describe('which release is announced, and which comes by itself', () => {
  test.each<[string, Partial<Situation>, { auto?: string; announce?: string }]>([
    ['off: the newest is for a person', { auto: 'off' }, { announce: '2.0.0' }],
    ['on: the newest comes', {}, { auto: '2.0.0' }],
    [
      'minor: the newest of the major version comes, the newer one is told',
      { auto: 'minor' },
      { auto: '1.1.0', announce: '2.0.0' },
    ],
    [
      'minor at the newest major: it comes, nothing else is told',
      { auto: 'minor', running: '2.0.0', offer: offer(['2.0.1']) },
      { auto: '2.0.1' },
    ],
    ['minor: only a major one', { auto: 'minor', running: '1.1.0' }, { announce: '2.0.0' }],
    ['pinned: nothing at all', { pinned: true }, {}],
    ['pinned and off: nothing at all', { pinned: true, auto: 'off' }, {}],
    ['skipped: the next best', { skipped: ['2.0.0'] }, { auto: '1.1.0' }],
    ['skipped, off', { auto: 'off', skipped: ['2.0.0', '1.1.0', '1.0.1'] }, {}],
    ['blocked here: the next best', { blocked: ['2.0.0'] }, { auto: '1.1.0' }],
    ['equal and older are nothing', { running: '2.0.0' }, {}],
    ['expired: told, never taken', { expired: true }, { announce: '2.0.0' }],
    ['expired, minor', { expired: true, auto: 'minor' }, { announce: '2.0.0' }],
    ['the pointer is the newest there is', { offer: offer(['1.0.1', '1.1.0', '2.0.0'], '1.1.0') }, { auto: '1.1.0' }],
    [
      'a pointer that went back below what runs',
      { running: '1.1.0', offer: offer(['1.0.1', '1.1.0', '2.0.0'], '1.0.1') },
      {},
    ],
    [
      'a skipped pointer: what is below it',
      { skipped: ['1.1.0'], offer: offer(['1.0.1', '1.1.0', '2.0.0'], '1.1.0') },
      { auto: '1.0.1' },
    ],
    ['prereleases are not for stable', { offer: offer(['2.0.0-rc.1']) }, {}],
    ['a prerelease that the pointer names is', { offer: offer(['2.0.0-rc.1'], '2.0.0-rc.1') }, { auto: '2.0.0-rc.1' }],
    ['another channel is not eligible', { offer: offer(['2.0.0 beta']) }, {}],
    ['its own channel is', { channel: 'beta', offer: offer(['2.0.0-b.1 beta', '3.0.0']) }, { auto: '2.0.0-b.1' }],
    ['left to people: not by itself, nor anything older', { left: ['2.0.0'] }, { announce: '2.0.0' }],
    ['left to people: a newer one comes', { left: ['1.1.0'] }, { auto: '2.0.0' }],
    [
      'minor: a major one that was left holds up no minor one',
      { auto: 'minor', left: ['2.0.0'] },
      { auto: '1.1.0', announce: '2.0.0' },
    ],
    [
      'minor before 1.0.0: the second number counts',
      { auto: 'minor', running: '0.4.1', offer: offer(['0.4.2', '0.5.0']) },
      { auto: '0.4.2', announce: '0.5.0' },
    ],
    [
      'minor from 0.x to 1.0.0 is a major step',
      { auto: 'minor', running: '0.4.1', offer: offer(['1.0.0']) },
      { announce: '1.0.0' },
    ],
    ['nothing offered', { offer: offer([]) }, {}],
  ])('%s', (_, change, expected) => {
    const found = candidatesOf({ ...base, ...change });
    expect({ auto: found.auto?.version, announce: found.announce?.version }).toEqual({
      auto: expected.auto,
      announce: expected.announce,
    });
  });

  test('versions between are those that the channel allows', () => {
    expect(
      countBetween(offer(['1.0.0', '1.0.1', '1.1.0', '1.1.1-rc.1', '1.2.0 beta', '2.0.0']), 'stable', '1.0.0', '2.0.0'),
    ).toBe(2);
  });

  test.each([
    ['1.2.3', '1.9.0', true],
    ['1.2.3', '2.0.0', false],
    ['0.4.1', '0.4.2', true],
    ['0.4.1', '0.5.0', false],
    ['v2.0.0-rc.1', '2.3.0', true],
    ['nonsense', '1.0.0', false],
    ['nonsense', 'nonsense', false],
  ])('%s and %s: of the same major version? %s', (a, b, same) => expect(sameMajor(a, b)).toBe(same));
});
