import type { ForgeSource } from '../domain/forge.ts';
import type { ForgeDeps } from '../origin/forge-api.ts';
import type { ReleaseSource } from './release-source.ts';

/** Releases on GitHub or Gitea, loaded where the first source of that kind is asked: a hub without one carries nothing of it. */
export function forgeSource<K extends ForgeSource['kind']>(kind: K, deps: ForgeDeps): ReleaseSource<K> {
  let made: Promise<Pick<ReleaseSource<K>, 'read' | 'resolve'>> | undefined;
  const source = () => {
    made ??= import('./forge.ts').then(({ createForgeSource }) => createForgeSource(kind, deps));
    return made;
  };
  return {
    kind,
    // Files may be exchanged under a tag: an order is for what is there when it is given.
    mutable: true,
    read: async (...all) => (await source()).read(...all),
    resolve: async (...all) => (await source()).resolve(...all),
  };
}
