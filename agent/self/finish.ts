import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { FettleError } from '../../src/domain/errors.ts';
import { readVersion, satisfies } from '../../src/domain/version.ts';
import { installRuntime } from './runtime.ts';

/** A slot of hub or agent: `.fettle/node` runs `.fettle/fettle`. What else is in it is the release's business. */

const Package = z.object({
  version: z.string(),
  bin: z.object({ fettle: z.string() }),
  engines: z.object({ node: z.string() }).partial().optional(),
});

/** Where a release has its package: as `npm pack` makes it, or as npm installs it. */
const PLACES = ['package', join('node_modules', 'fettle')];

export interface FinishOptions {
  readonly app: string;
  /** Absolute, filled, not sealed. */
  readonly slot: string;
  /** The version that was ordered. */
  readonly version: string;
  /** The Node.js that this agent runs on. */
  readonly node: string;
  readonly nodeVersion: string;
  /** Where runtimes are kept. */
  readonly runtimes: string;
}

/**
 * Looks whether a fetched release is Fettle in that version, and links its program and a Node.js that can run it: the
 * one that runs this agent where the release is content with it, else one that the release brings along.
 *
 * @throws {FettleError} `artifact_invalid` {app, version, reason}
 */
export function finishSlot(options: FinishOptions): void {
  const { app, slot, version } = options;
  const invalid = (reason: string) => new FettleError('artifact_invalid', { data: { app, version, reason } });
  const place = PLACES.find((one) => existsSync(join(slot, one, 'package.json')));
  if (place === undefined) throw invalid('it is no package of Fettle, as `npm pack` makes it');
  const manifest = readManifest(join(slot, place, 'package.json'));
  if (!manifest) throw invalid('its package.json names no program `fettle`');
  if (readVersion(manifest.version) !== readVersion(version)) {
    throw invalid(`its package.json says version ${manifest.version}`);
  }
  const program = join(slot, place, manifest.bin.fettle);
  if (relative(join(slot, place), program).startsWith('..') || !existsSync(program)) {
    throw invalid('its program `fettle` is not in it');
  }
  const folder = join(slot, '.fettle');
  const link = (name: string, target: string) => {
    rmSync(join(folder, name), { force: true });
    symlinkSync(relative(folder, target), join(folder, name));
  };
  mkdirSync(folder, { recursive: true });
  link('node', runtimeFor(options, dirname(join(slot, place, 'package.json')), manifest.engines?.node, invalid));
  link('fettle', program);
}

function runtimeFor(
  options: FinishOptions,
  root: string,
  wanted: string | undefined,
  invalid: (reason: string) => FettleError,
): string {
  if (wanted === undefined || satisfies(options.nodeVersion, wanted)) return options.node;
  const name = `node-${process.platform}-${process.arch}`;
  for (const modules of [join(root, 'node_modules'), dirname(root)]) {
    const folder = join(modules, name);
    const found = existsSync(join(folder, 'bin', 'node')) ? readVersionOf(join(folder, 'package.json')) : undefined;
    if (found !== undefined && satisfies(found, wanted)) {
      return installRuntime(options.runtimes, join(folder, 'bin', 'node'), found);
    }
  }
  throw invalid(
    `it needs Node.js ${wanted}, and this device runs ${options.nodeVersion}; start Fettle once from a newer checkout, which brings its own`,
  );
}

function readManifest(file: string): z.infer<typeof Package> | undefined {
  try {
    return Package.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

function readVersionOf(file: string): string | undefined {
  try {
    return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8'))).version;
  } catch {
    return undefined;
  }
}
