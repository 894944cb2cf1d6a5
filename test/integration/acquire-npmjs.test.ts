import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createAcquirer } from '../../agent/acquire/index.ts';
import { AppSchema } from '../../config/agent-schema.ts';
import { newestEligible } from '../../src/domain/release.ts';
import { compareVersions } from '../../src/domain/version.ts';
import { createGitOrigin } from '../../src/origin/git.ts';
import { createRotationFile } from '../../src/origin/key-rotation.ts';
import { cleanNpmEnvironment, createNpmOrigin, writeNpmrc } from '../../src/origin/npm.ts';
import { createSeenFile } from '../../src/origin/seen.ts';
import { createNpmSource } from '../../src/releases/npm.ts';
import { npmCli } from '../support/registry.ts';

/** The only test that needs the internet: sirv-cli, a real package, from the registry that this user's npm names. */

const folder = mkdtempSync(join(tmpdir(), 'fettle-npmjs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const npm = {
  node: process.execPath,
  npmCli,
  cache: join(folder, 'cache'),
  npmrc: writeNpmrc({ file: join(folder, 'npmrc'), env: process.env }),
  env: cleanNpmEnvironment(process.env, process.execPath),
};
const origin = createNpmOrigin(npm);
const source = { kind: 'npm', package: 'sirv-cli' } as const;
const signal = AbortSignal.timeout(120_000);

const unreachable = await origin.versions('sirv-cli', { signal }).then(
  () => undefined,
  (error: Error) => error.message,
);

describe.skipIf(unreachable !== undefined)(
  `the real npm registry${unreachable ? ` (not run: ${unreachable})` : ''}`,
  () => {
    it('has a sirv-cli that is newer than 2.0.2', async () => {
      const answer = await createNpmSource({ origin }).read(source, { app: 'site', signal });
      if (answer === 'unchanged') throw new Error('unchanged');
      const newest = newestEligible(answer.offer, 'stable');
      expect(compareVersions(newest?.version ?? '0.0.0', '2.0.2')).toBeGreaterThan(0);
      expect(answer.offer.releases.find((r) => r.version === '2.0.2')).toMatchObject({ channel: 'stable' });
    });

    it('gives sirv-cli 2.0.2 into a slot, and it starts', async () => {
      const { integrity } = await origin.release('sirv-cli', '2.0.2', { signal });
      const slot = join(folder, 'slot');
      const acquirer = createAcquirer({
        npm: origin,
        git: createGitOrigin({ folder: join(folder, 'git'), env: npm.env }),
        package: { ...npm, clock },
        seen: createSeenFile(join(folder, 'seen.json')),
        rotations: createRotationFile(join(folder, 'rotations.json')),
        clock,
        fetch,
        platform: `${process.platform}-${process.arch}`,
      });
      await acquirer.acquire({
        app: 'site',
        config: AppSchema.parse({ source: 'npm sirv-cli', run: 'sirv .' }),
        release: { version: '2.0.2', channel: 'stable', digest: integrity },
        slot,
        tmp: join(folder, 'tmp'),
        cache: join(folder, 'cache'),
        buildLog: join(folder, 'build.log'),
        signal,
        progress: () => {},
      });
      const manifest = readFileSync(join(slot, 'node_modules/sirv-cli/package.json'), 'utf8');
      expect(JSON.parse(manifest)).toMatchObject({ version: '2.0.2' });
      const said = execFileSync(process.execPath, [join(slot, 'node_modules/.bin/sirv'), '--version'], {
        encoding: 'utf8',
      });
      expect(said).toContain('2.0.2');
    }, 120_000);
  },
);
