import { describe, expect, it } from 'vitest';
import { newestEligible } from '../../../src/domain/release.ts';
import type { NpmOrigin, NpmVersions } from '../../../src/origin/npm.ts';
import { createNpmSource } from '../../../src/releases/npm.ts';

const { signal } = new AbortController();

async function offerOf(answer: Partial<NpmVersions>) {
  const origin: NpmOrigin = {
    versions: async () => ({ tags: {}, versions: [], times: {}, ...answer }),
    release: async () => Promise.reject(new Error('not asked')),
  };
  const read = await createNpmSource({ origin }).read({ kind: 'npm', package: 'x' }, { app: 'x', signal });
  if (read === 'unchanged') throw new Error('unchanged');
  return read.offer;
}

describe('npm offers', () => {
  it('calls latest stable, other tags by their name, and keeps untagged prereleases apart', async () => {
    const offer = await offerOf({
      tags: { latest: '1.0.0', next: '2.0.0', beta: '2.1.0-beta.1', gone: '0.0.9' },
      versions: ['0.9.0', '1.0.0', '1.1.0', '2.0.0', '2.1.0-beta.1', '2.1.0-alpha.1', 'nonsense'],
      times: { '1.0.0': '2026-01-02T03:04:05Z', '1.1.0': 'nonsense' },
    });
    expect(offer.channels).toEqual({ stable: '1.0.0', next: '2.0.0', beta: '2.1.0-beta.1' });
    expect(offer.releases.map((r) => [r.version, r.channel])).toEqual([
      ['2.1.0-beta.1', 'beta'],
      ['2.1.0-alpha.1', 'prerelease'],
      ['2.0.0', 'next'],
      ['1.1.0', 'stable'],
      ['1.0.0', 'stable'],
      ['0.9.0', 'stable'],
    ]);
    expect(offer.releases.at(-2)?.publishedAt).toBe(Date.parse('2026-01-02T03:04:05Z'));
    expect(offer.releases.at(-3)?.publishedAt).toBeUndefined();
    expect(newestEligible(offer, 'stable')?.version).toBe('1.0.0');
    expect(newestEligible(offer, 'beta')?.version).toBe('2.1.0-beta.1');
  });

  it('takes latest for stable where a tag is called stable too', async () => {
    const offer = await offerOf({ tags: { stable: '1.0.0', latest: '2.0.0' }, versions: ['1.0.0', '2.0.0'] });
    expect(offer.channels).toEqual({ stable: '2.0.0' });
  });

  it('lets a version that is latest and beta be stable', async () => {
    const offer = await offerOf({ tags: { beta: '2.0.0', latest: '2.0.0' }, versions: ['2.0.0'] });
    expect(offer.releases[0]?.channel).toBe('stable');
  });
});
