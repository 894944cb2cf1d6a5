import { join } from 'node:path';
import { createGitOrigin } from '../src/origin/git.ts';
import { createRotationFile } from '../src/origin/key-rotation.ts';
import { cleanNpmEnvironment, createNpmOrigin, writeNpmrc } from '../src/origin/npm.ts';
import { createReleaseChecker, createReleaseSources, createSeenInStore } from '../src/releases/index.ts';
import { openStore } from '../src/store/open.ts';
import { npmCli, startRegistry } from '../test/support/registry.ts';
import { temporaryFolder } from './fettle.ts';
import { type Benchmark, valueFigure } from './figure.ts';

const ASKERS = 20;

/** Requests that a source gets when many ask at once: one, and a conditional one the next time. */
export const upstream: Benchmark = {
  name: 'upstream',
  about: `requests to a source for a check of ${ASKERS} askers, and for the next`,
  async run(tools) {
    const folder = temporaryFolder(tools, 'upstream');
    const registry = await startRegistry();
    tools.cleanup(() => registry.close());
    const store = await openStore(join(folder, 'hub.db'));
    tools.cleanup(() => store.close());
    registry.publish({ name: 'tiny', version: '1.0.0' });
    const npm = createNpmOrigin({
      node: process.execPath,
      npmCli,
      cache: join(folder, 'npm-cache'),
      npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: { npm_config_registry: registry.url }, from: [] }),
      env: cleanNpmEnvironment(process.env),
    });
    const sources = createReleaseSources({
      npm,
      git: createGitOrigin({ folder: join(folder, 'git'), env: cleanNpmEnvironment(process.env) }),
      seen: createSeenInStore(store.db),
      rotations: createRotationFile(join(folder, 'rotations.json')),
      fetch,
    });
    const clock = { now: () => Date.now(), monotonic: () => performance.now() };
    const checker = createReleaseChecker({ db: store.db, sources, clock });
    const check = async () => {
      const before = registry.requests.length;
      const askers = Array.from({ length: ASKERS }, (_, i) =>
        checker.check(
          { name: `app-${i}`, channel: 'stable', source: { kind: 'npm', package: 'tiny' } },
          { signal: AbortSignal.timeout(60_000) },
        ),
      );
      for (const { newest } of await Promise.all(askers)) {
        if (newest?.version !== '1.0.0') throw new Error('a check found something else');
      }
      return registry.requests.slice(before);
    };
    tools.progress(`${ASKERS} checks at once`);
    const first = await check();
    tools.progress(`${ASKERS} more`);
    const next = await check();
    const conditional = next.filter((request) => request.ifNoneMatch !== undefined && request.status === 304);
    const figure = { unit: 'requests', bar: 1 };
    return [
      valueFigure('upstream', { ...figure, value: first.length, note: `for ${ASKERS} checks at once` }),
      {
        ...valueFigure('upstream-next', {
          ...figure,
          value: next.length,
          note: `${conditional.length} conditional (304)`,
        }),
        ok: next.length === 1 && conditional.length === 1,
      },
    ];
  },
};
