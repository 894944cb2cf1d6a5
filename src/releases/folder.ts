import { describeSource } from '../domain/app.ts';
import { readFolder } from '../origin/folder.ts';
import { checkNumber, type SeenNumbers } from '../origin/seen.ts';
import { sourceKey } from '../origin/source-key.ts';
import type { ReleaseSource } from './release-source.ts';

/** A release feed in a folder of the hub's machine. */
export function createFolderSource(deps: { readonly seen: SeenNumbers }): ReleaseSource<'folder'> {
  return {
    kind: 'folder',
    read: async (source, { app, etag, signal }) => {
      const answer = await readFolder(source.path, { app, etag, signal });
      if (answer === 'unchanged') return answer;
      await checkNumber(deps.seen, sourceKey(source, app), describeSource(source), answer.index);
      return { offer: answer.offer, etag: answer.etag, expiresAt: Date.parse(answer.index.expires) };
    },
    resolve: async (_source, release) => release,
  };
}
