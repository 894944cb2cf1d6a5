import { describeSource } from '../domain/app.ts';
import { readFeed } from '../origin/feed.ts';
import { checkNumber, type SeenNumbers } from '../origin/seen.ts';
import { sourceKey } from '../origin/source-key.ts';
import type { ReleaseSource } from './release-source.ts';

/** A release feed behind an address. */
export function createFeedSource(deps: {
  readonly seen: SeenNumbers;
  readonly fetch: typeof fetch;
}): ReleaseSource<'feed'> {
  return {
    kind: 'feed',
    read: async (source, { app, etag, signal }) => {
      const answer = await readFeed(source.url, { app, etag, signal, fetch: deps.fetch });
      if (answer === 'unchanged') return answer;
      await checkNumber(deps.seen, sourceKey(source, app), describeSource(source), answer.index);
      return { offer: answer.offer, etag: answer.etag, expiresAt: Date.parse(answer.index.expires) };
    },
    resolve: async (_source, release) => release,
  };
}
