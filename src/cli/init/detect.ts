import { accessSync, constants, existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { FettleError } from '../../domain/errors.ts';
import { readVersion } from '../../domain/version.ts';
import type { AskProgram } from './ask.ts';
import { findCheckout, isCheckout, NOT_COPIED } from './checkout.ts';
import type { Found, UnitFacts } from './contract.ts';
import { keptOfFolder } from './keep.ts';
import { findPackage, insideModules } from './npm-package.ts';
import { runnersOf, writtenFiles } from './processes.ts';
import { projectOf } from './project.ts';
import { isUnitName, readUnit } from './unit.ts';

/** Looks at what was named: a folder, an executable, `npm:NAME`, or a unit. Changes nothing. */

export interface DetectDeps {
  readonly ask: AskProgram;
  /** Relative paths start here. */
  readonly cwd: string;
  /** Units of this user rather than the system's. */
  readonly userUnits: boolean;
  /** Where packages may be installed for the whole machine. */
  readonly globalModules: readonly string[];
}

/** @throws {FettleError} `init_refused` with the reason: nothing there, empty, not understood */
export async function detect(target: string, deps: DetectDeps): Promise<Found> {
  if (target.startsWith('npm:')) return namedPackage(target.slice(4), deps);
  if (isUnitName(target) && !existsSync(resolve(deps.cwd, target))) {
    return ofUnit(await readUnit(target, deps.userUnits, deps.ask), deps);
  }
  return ofPath(resolve(deps.cwd, target), deps);
}

async function ofPath(asked: string, deps: DetectDeps): Promise<Found> {
  const refuse = (reason: string, advice?: string) =>
    new FettleError('init_refused', { data: { path: asked, reason, advice } });
  let path: string;
  try {
    path = realpathSync(asked);
  } catch {
    throw refuse('there is no such file or folder');
  }
  const stat = statSync(path);
  if (stat.isFile()) return findBinary(path, asked, deps.ask);
  if (!stat.isDirectory()) throw refuse('it is neither a folder nor a file');
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    throw refuse(`it can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (names.length === 0) throw refuse('the folder is empty', 'Name the folder of your app, or a package as npm:NAME.');
  const written = runnersOf(path).flatMap(({ pid }) => writtenFiles(pid));
  if (isCheckout(path)) return findCheckout(path, deps.ask, written);
  const module = insideModules(path);
  if (module) return findPackage(module.root, module.name, isGlobal(module.root, deps));
  const project = projectOf(path);
  if (project.only !== undefined) return findPackage(path, project.only);
  return {
    kind: 'folder',
    path,
    what: 'a folder that no git knows',
    name: project.name ?? basename(path),
    build: undefined,
    run: project.run,
    env: project.env,
    version: (project.version === undefined ? undefined : readVersion(project.version)) ?? '0.0.0',
    digest: `copied:${path}`,
    keep: keptOfFolder(path, written).keep,
    without: NOT_COPIED,
    suggestions: [],
    notes: [
      'Where its releases come from can\'t be seen: `--source` says it, such as `--source "folder /srv/releases"`. Until then it is kept running, and never updated.',
    ],
  };
}

async function findBinary(path: string, asked: string, ask: AskProgram): Promise<Found> {
  const refuse = (reason: string, advice?: string) =>
    new FettleError('init_refused', { data: { path: asked, reason, advice } });
  try {
    accessSync(path, constants.X_OK);
  } catch {
    throw refuse('the file is not executable', 'Name the folder of your app, or its executable.');
  }
  // A script is not replaced as one file: it has others beside it.
  if (readFileSync(path).subarray(0, 4).toString('latin1') !== '\x7fELF')
    throw refuse('it is a script, not a program by itself', `Name its folder: fettle init ${dirname(path)}`);
  // Only one that knows the flag is asked: any other would simply start.
  const knows = readFileSync(path).includes('--version');
  const said = knows ? await ask(path, ['--version']).catch(() => undefined) : undefined;
  const version = /\d+\.\d+(\.\d+)?\S*/.exec(said?.code === 0 ? said.stdout : '')?.[0];
  return {
    kind: 'binary',
    path,
    what: asked === path ? 'an executable' : `an executable (${asked} leads to it)`,
    name: basename(path),
    version: (version === undefined ? undefined : readVersion(version)) ?? '0.0.0',
    digest: 'installed',
    keep: [],
    without: [],
    suggestions: [],
    notes: [
      ...(version === undefined
        ? ['It does not say its version with `--version`: it is taken for 0.0.0, unless `--current VERSION` says more.']
        : []),
      'Its data stays where it is; `--keep data` names what lies beside it and is to be backed up.',
    ],
  };
}

async function ofUnit(unit: UnitFacts, deps: DetectDeps): Promise<Found> {
  const [program = ''] = unit.argv;
  const refuse = (reason: string, advice?: string) =>
    new FettleError('init_refused', { data: { path: unit.unit, reason, advice } });
  if (!existsSync(program)) throw refuse(`its program ${program} is not there`);
  const interpreted = /^(node|nodejs|bun|deno|python[\d.]*|ruby[\d.]*|java|php[\d.]*|perl)$/.test(basename(program));
  const elf = readFileSync(realpathSync(program)).subarray(0, 4).toString('latin1') === '\x7fELF';
  let found: Found;
  if (elf && !interpreted) {
    found = await ofPath(program, deps);
  } else {
    const script = unit.argv.slice(1).find((word) => !word.startsWith('-')) ?? '';
    const folder = unit.workingDirectory ?? (script.startsWith('/') ? dirname(script) : undefined);
    if (folder === undefined)
      throw refuse('it has no WorkingDirectory=, so its folder is not known', 'Add one to the unit.');
    found = await ofPath(folder, deps);
  }
  return { ...found, unit, what: `${found.what}, run by the unit ${unit.unit}` };
}

function namedPackage(name: string, deps: DetectDeps): Found {
  if (!/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name))
    throw new FettleError('init_refused', {
      data: { path: `npm:${name}`, reason: 'that is no name of an npm package' },
    });
  const roots = [deps.cwd, ...deps.globalModules.map((modules) => dirname(modules))];
  const root = roots.find((one) => existsSync(join(one, 'node_modules', name, 'package.json')));
  if (root !== undefined) return findPackage(realpathSync(root), name, root !== deps.cwd);
  return {
    kind: 'package',
    path: `npm:${name}`,
    what: `the npm package ${name}, which is not installed here`,
    name: name.replace(/^@[^/]*\//, ''),
    source: `npm ${name}`,
    digest: '',
    keep: [],
    without: [],
    suggestions: [],
    notes: ['`/update now` installs it.'],
  };
}

function isGlobal(root: string, deps: DetectDeps): boolean {
  return deps.globalModules.some(
    (modules) => existsSync(modules) && realpathSync(modules) === join(root, 'node_modules'),
  );
}
