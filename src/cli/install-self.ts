import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { openSlots } from '../../agent/install/slots.ts';
import type { HomeLayout } from '../../config/home.ts';
import { makeFolder, readLink, switchLink } from '../files/durable.ts';
import { packageRoot } from './default-home.ts';
import { VERSION } from './version.ts';

/** What cannot be bundled and so goes along with it. */
const EXTERNAL = ['better-sqlite3', 'npm'] as const;

/** What a start changed. */
export interface InstalledSelf {
  /** Real path of the runtime that hub, agent and keeper use. */
  readonly node: string;
  /** The version that ran here before, where this start brought another build. */
  readonly before?: string | undefined;
}

/**
 * Copies this package and its Node into the home, as slots of the apps `hub` and `agent`, so that what runs does
 * not depend on the checkout: it may be changed, moved or removed. A build that is there already is left alone.
 * The old slot stays as last-good.
 */
export async function installSelf(layout: HomeLayout, signal: AbortSignal): Promise<InstalledSelf> {
  const node = installRuntime(layout);
  const root = packageRoot();
  const digest = digestOf(root);
  let before: string | undefined;
  for (const role of ['hub', 'agent'] as const) {
    const folder = layout.app(role);
    const slots = openSlots(folder);
    const slot = slots.nameFor(VERSION, digest);
    if (!slots.record(slot)) {
      const target = slots.prepare(slot);
      copyPackage(root, target);
      mkdirSync(join(target, '.fettle'), { recursive: true });
      symlinkSync(relative(join(target, '.fettle'), node), join(target, '.fettle', 'node'));
      symlinkSync('../node_modules/fettle/dist/main.js', join(target, '.fettle', 'fettle'));
      await slots.seal(
        slot,
        { version: VERSION, digest, abi: process.versions.modules, sealedAt: Date.now() },
        [],
        signal,
      );
    }
    const current = slots.current();
    if (current !== slot) {
      if (current !== undefined) {
        before = slots.record(current)?.version;
        slots.setLastGood(current);
      }
      slots.activate(slot);
      slots.prune([slot]);
    }
  }
  makeFolder(layout.keeper.dir);
  pointKeeper(layout);
  return { node, before };
}

/** The keeper runs from the agent's slot by a pointer of its own: it is not restarted when the agent is. */
function pointKeeper(layout: HomeLayout): void {
  const target = relative(layout.keeper.dir, realpathSync(layout.app('agent').current));
  const before = readLink(layout.keeper.current);
  if (before === target) return;
  if (before !== undefined && existsSync(join(layout.keeper.dir, before))) switchLink(layout.keeper.lastGood, before);
  switchLink(layout.keeper.current, target);
}

/** The Node that runs this, in the home: linked where it can be (the same bytes in memory once), else copied. */
function installRuntime(layout: HomeLayout): string {
  const target = join(layout.runtimes, `node-${process.versions.node}`, 'bin', 'node');
  if (existsSync(target)) return target;
  makeFolder(dirname(target));
  const temporary = `${target}.new`;
  rmSync(temporary, { force: true });
  try {
    linkSync(realpathSync(process.execPath), temporary);
  } catch {
    copyFileSync(process.execPath, temporary);
  }
  rmSync(target, { force: true });
  linkSync(temporary, target);
  rmSync(temporary, { force: true });
  return target;
}

function copyPackage(root: string, target: string): void {
  const modules = join(target, 'node_modules');
  const own = join(modules, 'fettle');
  mkdirSync(own, { recursive: true });
  cpSync(join(root, 'dist'), join(own, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(own, 'package.json'));
  const require = createRequire(join(root, 'package.json'));
  for (const name of EXTERNAL) {
    const from = dirname(require.resolve(`${name}/package.json`));
    // SQLite's C sources are for building; the binaries came with the package.
    const filter = (path: string) =>
      ![join(from, 'deps'), join(from, 'src'), join(from, 'docs'), join(from, 'man')].includes(path);
    cpSync(from, join(modules, name), { recursive: true, filter, verbatimSymlinks: true });
  }
}

/** What a build is known by: its bundle, its Node and the versions of what goes along. */
function digestOf(root: string): string {
  const hash = createHash('sha256').update(VERSION).update(process.versions.node);
  const dist = join(root, 'dist');
  for (const file of readdirSync(dist).sort()) hash.update(file).update(readFileSync(join(dist, file)));
  const require = createRequire(join(root, 'package.json'));
  for (const name of EXTERNAL) hash.update((require(`${name}/package.json`) as { version: string }).version);
  return `sha256-${hash.digest('hex')}`;
}
