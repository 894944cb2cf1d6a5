import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FettleError } from '../../domain/errors.ts';
import type { Found } from './contract.ts';
import { keptOfPackage } from './keep.ts';
import { readManifest } from './project.ts';

/** A package that npm installed: in a folder of its own, or for the whole machine. */

/**
 * @param root the folder that holds `node_modules`
 * @param name the package in it that is run
 * @param global installed for the machine: nothing beside the package belongs to the app
 * @throws {FettleError} `init_refused` where it is not installed there
 */
export function findPackage(root: string, name: string, global = false): Found {
  const folder = join(root, 'node_modules', name);
  const manifest = readManifest(join(folder, 'package.json'));
  const version = typeof manifest?.version === 'string' ? manifest.version : undefined;
  if (version === undefined) {
    throw new FettleError('init_refused', { data: { path: root, reason: `${name} is not installed in it` } });
  }
  const program = programOf(manifest as { bin?: unknown }, name);
  return {
    kind: 'package',
    path: root,
    what: `the npm package ${name}${global ? ', installed for the whole machine' : ''}`,
    name: name.replace(/^@[^/]*\//, ''),
    source: `npm ${name}`,
    // Without npm's links beside it, a program is started by its file, which is there in each release.
    run: program === undefined || !global ? program?.name : `node node_modules/${name}/${program.file}`,
    version,
    digest: integrityOf(root, name) ?? `installed:${name}@${version}`,
    keep: global ? [] : keptOfPackage(root).keep,
    only: global ? [`node_modules/${name}`] : npmFiles(root),
    without: ['node_modules/.cache'],
    suggestions: [],
    notes: program === undefined ? [`${name} has no program of its own: \`--run\` says how it is started.`] : [],
  };
}

function npmFiles(root: string): string[] {
  return ['node_modules', 'package.json', 'package-lock.json'].filter((name) => existsSync(join(root, name)));
}

function programOf({ bin }: { readonly bin?: unknown }, name: string): { name: string; file: string } | undefined {
  const own = name.replace(/^@[^/]*\//, '');
  const plain = (file: string) => file.replace(/^\.\//, '');
  if (typeof bin === 'string') return { name: own, file: plain(bin) };
  if (typeof bin !== 'object' || bin === null) return undefined;
  const programs = Object.entries(bin).flatMap(([key, file]) =>
    typeof file === 'string' ? [{ name: key, file: plain(file) }] : [],
  );
  return programs.find((program) => program.name === own) ?? programs[0];
}

/** The hash that npm installed it with: what the registry names this version by. */
function integrityOf(root: string, name: string): string | undefined {
  for (const file of ['node_modules/.package-lock.json', 'package-lock.json']) {
    try {
      const lock = JSON.parse(readFileSync(join(root, file), 'utf8')) as {
        packages?: Record<string, { integrity?: unknown }>;
      };
      const { integrity } = lock.packages?.[`node_modules/${name}`] ?? {};
      if (typeof integrity === 'string') return integrity;
    } catch {
      // None, or not npm's: the name of the slot will be another than the registry's.
    }
  }
  return undefined;
}

/** `…/node_modules/NAME` or `…/node_modules/@SCOPE/NAME` taken apart. */
export function insideModules(path: string): { readonly root: string; readonly name: string } | undefined {
  const parent = dirname(path);
  if (basename(parent) === 'node_modules') return { root: dirname(parent), name: basename(path) };
  const scope = basename(parent);
  if (scope.startsWith('@') && basename(dirname(parent)) === 'node_modules')
    return { root: dirname(dirname(parent)), name: `${scope}/${basename(path)}` };
  return undefined;
}
