import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Environment } from '../../config/environment.ts';
import { cleanNpmEnvironment, createNpmOrigin, type NpmOrigin, writeNpmrc } from '../origin/npm.ts';
import type { NpmSignatures } from '../origin/npm-signatures.ts';

/** Fettle's own npm, ready to be asked. */
export interface NpmTools {
  readonly npmCli: string;
  readonly npmrc: string;
  readonly cache: string;
  readonly env: Readonly<Record<string, string>>;
  readonly origin: NpmOrigin;
}

/** Our npmrc in a role's folder. Written by `up`, which has the person's whole environment; the roles have less. */
export function writeNpmSettings(environment: Environment, folder: string): string {
  return writeNpmrc({ file: join(folder, SETTINGS), env: environment.all });
}

const SETTINGS = 'npm.conf';

/** @param folder where our npmrc and npm's cache live; each role has its own, so that none waits for the other */
export function npmTools(environment: Environment, folder: string): NpmTools {
  const node = process.execPath;
  const npmCli = join(dirname(createRequire(import.meta.url).resolve('npm/package.json')), 'bin', 'npm-cli.js');
  const written = join(folder, SETTINGS);
  const npmrc = existsSync(written) ? written : writeNpmSettings(environment, folder);
  const cache = join(folder, 'npm-cache');
  const env = cleanNpmEnvironment(environment.all, node);
  const signatures: NpmSignatures = {
    // Loaded for the first package that is looked at.
    check: async (registry, found, signal) => {
      const { createNpmSignatures } = await import('../origin/npm-signatures.ts');
      const file = join(folder, 'npm-keys.json');
      return createNpmSignatures({ file, fetch: globalThis.fetch, now: machineClock.now }).check(
        registry,
        found,
        signal,
      );
    },
  };
  return { npmCli, npmrc, cache, env, origin: createNpmOrigin({ node, npmCli, cache, npmrc, env, signatures }) };
}

/** Clocks of the machine. */
export const machineClock = { now: () => Date.now(), monotonic: () => performance.now() };
