import { readFolder } from '../origin/folder.ts';
import { type FeedDeps, feedAnswer } from './feed-answer.ts';
import type { ReleaseSource } from './release-source.ts';

/** A release feed in a folder of the hub's machine. */
export function createFolderSource(deps: FeedDeps): ReleaseSource<'folder'> {
  return {
    kind: 'folder',
    read: async (source, { app, keys, etag, signal }) => {
      const answer = await readFolder(source.path, { app, etag, signal });
      return answer === 'unchanged' ? answer : feedAnswer(deps, answer, { source, app, keys });
    },
    resolve: async (_source, release) => release,
  };
}
