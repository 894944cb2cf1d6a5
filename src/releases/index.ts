import type { Kysely } from 'kysely';
import type { GitOrigin } from '../origin/git.ts';
import type { RotationStore } from '../origin/key-rotation.ts';
import type { NpmOrigin } from '../origin/npm.ts';
import type { SeenNumbers } from '../origin/seen.ts';
import { readNumber, saveNumber } from '../store/releases.ts';
import type { Database } from '../store/schema.ts';
import { createFeedSource } from './feed.ts';
import { createFolderSource } from './folder.ts';
import { createGitSource } from './git.ts';
import { createNpmSource } from './npm.ts';
import type { ReleaseSources } from './release-source.ts';

export { sourceKey } from '../origin/source-key.ts';
export { type CheckedApp, createReleaseChecker, type ReleaseChecker } from './checker.ts';
export type { ReleaseSource, ReleaseSources } from './release-source.ts';

export interface SourceDeps {
  readonly npm: NpmOrigin;
  readonly git: GitOrigin;
  readonly seen: SeenNumbers;
  /** Which keys took over from those of the file. */
  readonly rotations: RotationStore;
  readonly fetch: typeof fetch;
}

/** Every kind of source. A new one is a file and a line here. */
export function createReleaseSources(deps: SourceDeps): ReleaseSources {
  return {
    npm: createNpmSource({ origin: deps.npm }),
    folder: createFolderSource(deps),
    feed: createFeedSource(deps),
    git: createGitSource({ origin: deps.git }),
  };
}

/** Index numbers in the hub's database. */
export function createSeenInStore(db: Kysely<Database>): SeenNumbers {
  return { highest: (key) => readNumber(db, key), saw: (key, number) => saveNumber(db, key, number) };
}
