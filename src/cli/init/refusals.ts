import { accessSync, constants, existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { HomeLayout } from '../../../config/home.ts';
import { FettleError } from '../../domain/errors.ts';
import { readLink } from '../../files/durable.ts';
import type { AskProgram } from './ask.ts';
import type { Found, InitRecord, Runner } from './contract.ts';
import { writersOf } from './processes.ts';
import { readRecord } from './record.ts';
import { stopPidsOf } from './text.ts';

/** What is not taken over, and what to do instead. Each is looked at before the first change. */

const refuse = (path: string, reason: string, advice?: string) =>
  new FettleError('init_refused', { data: { path, reason, advice } });
const within = (folder: string, path: string) => path === folder || path.startsWith(`${folder}/`);

/** The home and the app's folder must not lie in each other, and both must be writable. */
export function refusePlace(found: Found, layout: HomeLayout): void {
  if (!found.path.startsWith('/')) return;
  if (within(layout.home, found.path))
    throw refuse(found.path, `it lies in Fettle's home ${layout.home}`, 'Name the folder where your app is.');
  if (within(found.path, layout.home))
    throw refuse(found.path, `Fettle's home ${layout.home} lies in it`, 'Choose another home: --home FOLDER.');
  const moved = found.keep.map(({ path }) => dirname(join(found.path, path)));
  const places = found.kind === 'binary' ? [dirname(found.path)] : moved;
  for (const place of places) {
    try {
      accessSync(place, constants.W_OK | constants.X_OK);
    } catch {
      throw refuse(found.path, `${place} is not writable for you`, 'Run it as the user that the app runs as.');
    }
  }
  let above = layout.home;
  while (!existsSync(above)) above = dirname(above);
  try {
    accessSync(above, constants.W_OK | constants.X_OK);
  } catch {
    throw new FettleError('home_not_writable', { data: { home: layout.home, reason: `${above} is not writable` } });
  }
}

/** The record of an app of this home that was made from a path. */
export function recordOf(layout: HomeLayout, path: string): InitRecord | undefined {
  for (const app of appsOf(layout)) {
    const record = readRecord(layout.app(app).dir);
    if (record?.path === path) return record;
  }
  return undefined;
}

export function appsOf(layout: HomeLayout): string[] {
  try {
    return readdirSync(dirname(layout.app('x').dir)).sort();
  } catch {
    return [];
  }
}

/** Links that lead into the `shared/` of an app: another home has taken the folder over. */
export function refuseAdoptedElsewhere(found: Found): void {
  if (!found.path.startsWith('/') || found.kind === 'binary') return;
  const names = new Set([...readdirSync(found.path), ...found.keep.map(({ path }) => path)]);
  for (const name of names) {
    const target = readLink(join(found.path, name));
    const [, home, app] = /^(\/.*)\/apps\/([^/]+)\/shared(?:\/|$)/.exec(target ?? '') ?? [];
    if (home !== undefined && app !== undefined && readRecord(join(home, 'apps', app)))
      throw refuse(
        found.path,
        `it is already adopted as ${app} in ${home}`,
        `Undo: fettle --home ${home} init --undo ${app}`,
      );
  }
}

/** What a package manager owns is updated by it; two would undo each other's work. */
export async function refusePackaged(found: Found, ask: AskProgram): Promise<void> {
  if (!found.path.startsWith('/')) return;
  const managers: readonly [string, string][] = [
    ['/nix/store/', 'nix'],
    ['/snap/', 'snap'],
    ['/var/lib/flatpak/', 'flatpak'],
    ['/home/linuxbrew/', 'brew'],
  ];
  const owner = managers.find(([start]) => found.path.startsWith(start));
  if (owner) throw refuse(found.path, `${owner[1]} owns it`, `Update it with ${owner[1]}.`);
  // Before /usr was merged, packages named /bin and /lib.
  const names = [found.path, found.path.replace(/^\/usr(?=\/(s?bin|lib\w*)\/)/, '')];
  for (const name of new Set(names)) {
    const dpkg = await ask('dpkg', ['-S', name]);
    const debian = dpkg?.code === 0 ? /^([^\s,:]+)/.exec(dpkg.stdout)?.[1] : undefined;
    if (debian !== undefined)
      throw refuse(
        found.path,
        `the Debian package ${debian} owns it`,
        `Update it with: apt-get install --only-upgrade ${debian}`,
      );
    const rpm = await ask('rpm', ['-qf', '--queryformat', '%{NAME}', name]);
    if (rpm?.code === 0)
      throw refuse(found.path, `the package ${rpm.stdout} owns it`, `Update it with: dnf upgrade ${rpm.stdout}`);
  }
}

/** Whoever starts the app from now on must be the one whose files these are. */
export function refuseOwner(found: Found, user: string | undefined, nameOf: (uid: number) => string): void {
  if (!found.path.startsWith('/') || found.kind === 'binary' || found.unit || user !== undefined) return;
  const { uid } = statSync(found.path);
  const me = process.geteuid?.() ?? 0;
  if (uid === me) return;
  const owner = nameOf(uid);
  throw refuse(
    found.path,
    `it belongs to ${owner}, and would be run by ${nameOf(me)}`,
    `Run this as ${owner} (sudo -u ${owner} fettle init …), or say who is to run it: --user ${owner}`,
  );
}

/** A unit that runs as somebody else could not read a home that only its owner may enter. */
export function refuseUnitUser(found: Found, home: string, nameOf: (uid: number) => string): void {
  const { unit } = found;
  if (!unit?.runsAs || found.kind === 'binary') return;
  if (unit.runsAs === nameOf(process.geteuid?.() ?? 0)) return;
  throw refuse(
    unit.unit,
    `it runs as ${unit.runsAs}, who can't enter ${home}`,
    `Run its service by Fettle itself: systemctl disable --now ${unit.unit}, then as ${unit.runsAs}: fettle init ${found.path}`,
  );
}

/** Kept paths: there, no links, on the folder's own file system, and nothing of that name in `shared/`. */
export function refuseKept(found: Found, shared: string): void {
  // Data of an executable is not moved.
  if (found.kind === 'binary') return;
  for (const { path } of found.keep) {
    const at = join(found.path, path);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink())
      throw refuse(
        found.path,
        `${path} is a link to ${readLink(at)}; no backup could hold what it leads to`,
        `Put the data itself there; or leave it as it is: --leave ${path}`,
      );
    if (stat && !stat.isFile() && !stat.isDirectory())
      throw refuse(found.path, `${path} is neither a file nor a folder`, `Leave it as it is: --leave ${path}`);
    if (stat && stat.dev !== lstatSync(dirname(at)).dev)
      throw new FettleError('other_filesystem', {
        data: { path: at, other: dirname(at), advice: `Leave it where it is: --leave ${path}` },
      });
    if (existsSync(join(shared, path)))
      throw refuse(
        found.path,
        `${join(shared, path)} is there already`,
        'Move it away, or choose another name: --name APP',
      );
  }
}

/** Who runs it must be ended first, and nobody may write to what is moved. */
export function refuseRunning(found: Pick<Found, 'path' | 'keep' | 'unit'>, runners: readonly Runner[]): void {
  for (const { pid, command, by } of runners) {
    const what = `it runs: pid ${pid} (${command})`;
    switch (by.kind) {
      case 'fettle':
        throw refuse(found.path, `${what}, started by a Fettle as ${by.name}`, 'It is kept already.');
      case 'pm2':
        throw refuse(found.path, `${what}, kept by pm2`, 'Take it out there first: pm2 delete NAME; pm2 save');
      case 'unit':
        throw refuse(
          found.path,
          `${what}, by the unit ${by.name}`,
          found.unit ? `Stop it for the move: systemctl stop ${by.name}` : `Name the unit: fettle init ${by.name}`,
        );
      case 'container':
        throw refuse(found.path, `${what}, in the container ${by.name}`, 'Stop the container first.');
      case 'hand':
        throw refuse(
          found.path,
          `${what}; Fettle never runs an app twice`,
          `Stop it, or have it stopped here: --stop-pid ${stopPidsOf(runners)}`,
        );
    }
  }
}

/**
 * @param but pids that will be ended before
 * @throws {FettleError} `init_refused` naming the process that has one of the paths open for writing
 */
export function refuseWriters(path: string, paths: readonly string[], but: readonly number[] = []): void {
  const writer = writersOf(paths).find(({ pid }) => !but.includes(pid));
  if (writer)
    throw refuse(
      path,
      `pid ${writer.pid} (${writer.command}) writes to ${writer.file}`,
      `Stop it first: ${basename(writer.file)} must not change while it is moved.`,
    );
}
