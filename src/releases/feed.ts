import { readFeed } from '../origin/feed.ts';
import { type FeedDeps, feedAnswer } from './feed-answer.ts';
import type { ReleaseSource } from './release-source.ts';

/** A release feed behind an address. */
export function createFeedSource(deps: FeedDeps & { readonly fetch: typeof fetch }): ReleaseSource<'feed'> {
  return {
    kind: 'feed',
    read: async (source, { app, keys, etag, signal }) => {
      const answer = await readFeed(source.url, { app, etag, signal, fetch: deps.fetch });
      return answer === 'unchanged' ? answer : feedAnswer(deps, answer, { source, app, keys });
    },
    resolve: async (_source, release) => release,
  };
}
