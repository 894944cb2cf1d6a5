import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { HomeLayout } from '../../config/home.ts';
import { isSelf } from '../../src/domain/app.ts';
import { FettleError, systemCodeOf } from '../../src/domain/errors.ts';
import { syncFolder } from '../../src/files/durable.ts';

/** A user of this machine, as passwd has it. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

const TRY_MS = 5_000;
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'];

/**
 * The user that an app is to run as; `undefined` where that is the one that Fettle runs as.
 * @throws {FettleError} `driver_unusable` where Fettle can't start anything as that user
 */
export function userOf(app: string, config: Pick<AppConfig, 'user' | 'restart'>): User | undefined {
  if (config.user === undefined) return undefined;
  const refuse = (reason: string) =>
    new FettleError('driver_unusable', { data: { app, driver: config.restart.kind, reason } });
  const user = findUser(config.user);
  if (!user) throw refuse(`this machine has no user ${config.user}`);
  const own = process.geteuid?.() ?? 0;
  if (user.uid === own) return undefined;
  if (own !== 0) throw refuse(`only root can start it as ${user.name}`);
  setpriv(refuse);
  return user;
}

/** The start of a command line that runs the rest as that user, with its groups alone and no way back to root. */
export function asUser(user: User): string[] {
  return [
    setpriv((reason) => new FettleError('start_failed', { data: { reason } })),
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    // Groups are looked up by the user's name at each start.
    '--init-groups',
    '--inh-caps=-all',
    '--no-new-privs',
    '--',
  ];
}

/** What an environment says of its user. */
export function variablesOf(user: User): Readonly<Record<string, string>> {
  return { HOME: user.home, USER: user.name, LOGNAME: user.name, SHELL: user.shell };
}

/** Variables of Fettle's own user that mean nothing to another. */
export const OWN_VARIABLES: readonly string[] = ['HOME', 'USER', 'LOGNAME', 'SHELL', 'XDG_RUNTIME_DIR', 'TMPDIR'];

/**
 * Lets the user reach and read the app's slots, and own its kept paths. Safe to repeat; what is right is left alone.
 * The slots stay Fettle's: the user reads them by its group, and can change nothing in them.
 */
export function makeReachable(layout: HomeLayout, app: string, user: User, keep: readonly string[]): void {
  const { dir, releases, shared } = layout.app(app);
  // The home was closed as a whole; now each thing in it is.
  for (const name of readdirSync(layout.home)) {
    if (name !== 'apps' && name !== 'runtimes') change(join(layout.home, name), (mode) => mode & ~0o007);
  }
  for (const other of readdirSync(dirname(dir))) {
    if (other !== app) keepClosed(join(dirname(dir), other));
  }
  for (const folder of [layout.home, dirname(dir), dir]) change(folder, (mode) => mode | 0o001);
  for (const name of readdirSync(dir)) {
    if (name === 'releases' || name === 'shared') continue;
    if (!lstatSync(join(dir, name)).isSymbolicLink()) change(join(dir, name), (mode) => mode & ~0o007);
  }
  change(releases, (mode) => mode | 0o001);
  if (existsSync(layout.runtimes)) openToAll(layout.runtimes);
  for (const slot of readdirSync(releases)) readable(join(releases, slot), user);
  // What Fettle itself keeps is elsewhere.
  if (isSelf(app)) return;
  own(shared, user, false);
  if (!existsSync(shared)) return;
  // The folder's own name is ours, and may be a link; what is in it is the user's.
  const folder = realpathSync(shared);
  for (const kept of keep) ownKept(folder, kept.split('/'), user);
}

/** Down to a kept path, folder by folder. The user may put a link where one was: it leads nowhere from here. */
function ownKept(folder: string, [name = '', ...rest]: readonly string[], user: User): void {
  within(folder, (inside) => {
    const path = join(inside, name);
    own(path, user, rest.length === 0);
    if (rest.length > 0) ownKept(path, rest, user);
  });
}

/** Works in a folder that was opened, under whatever name it is by then. A link is none, wherever it leads. */
function within(folder: string, work: (inside: string) => void): void {
  let handle: number;
  try {
    handle = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCodeOf(error) ?? '')) return;
    throw error;
  }
  try {
    work(`/proc/self/fd/${handle}`);
  } finally {
    closeSync(handle);
  }
}

/** Node.js is no secret, and whoever runs an app with it must reach it. */
function openToAll(path: string): void {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return;
  change(path, (mode) => mode | ((mode & 0o500) >> 6));
  if (stat.isDirectory()) for (const name of readdirSync(path)) openToAll(join(path, name));
}

/** The folder of another app keeps its own rule: passable where that has a user of its own, else closed. */
function keepClosed(folder: string): void {
  const stat = lstatSync(folder);
  if (stat.isDirectory() && (stat.mode & 0o006) !== 0) chmodSync(folder, stat.mode & 0o7771);
}

/** Group and read rights of a tree; its top last, so that a top that is right says that the rest is. */
function readable(path: string, user: User): void {
  const stat = lstatSync(path);
  const wanted = stat.isDirectory()
    ? (stat.mode & 0o7777 & ~0o007) | 0o050
    : (stat.mode & 0o7777 & ~0o007) | ((stat.mode & 0o500) >> 3);
  if (stat.isSymbolicLink() || (stat.isDirectory() && stat.gid === user.gid && (stat.mode & 0o7777) === wanted)) return;
  if (stat.isDirectory()) for (const name of readdirSync(path)) readable(join(path, name), user);
  // File capabilities and set-user-id bits would be lost by a change of the owner; the group alone loses them too.
  if (stat.gid !== user.gid) lchownSync(path, stat.uid, user.gid);
  chmodSync(path, wanted);
  if (stat.isDirectory()) syncFolder(path);
}

/**
 * Gives what is Fettle's to the user. What has another owner by now is left as it is, and so is a file that has a second
 * name: that one may be anywhere.
 */
function own(path: string, user: User, whole: boolean): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat || stat.uid !== (process.geteuid?.() ?? 0) || (stat.isFile() && stat.nlink > 1)) return;
  if (whole && stat.isDirectory())
    within(path, (inside) => {
      for (const name of readdirSync(inside)) own(join(inside, name), user, true);
    });
  lchownSync(path, user.uid, user.gid);
}

function change(path: string, next: (mode: number) => number): void {
  const stat = lstatSync(path);
  const mode = stat.mode & 0o7777;
  if (!stat.isSymbolicLink() && next(mode) !== mode) chmodSync(path, next(mode));
}

/**
 * Tries whether the user can pass a folder, or run a program.
 * @returns why not
 */
export function cannotReach(user: User, paths: readonly string[]): string | undefined {
  const [run = '', ...rest] = asUser(user);
  for (const path of paths) {
    const tried = spawnSync(run, [...rest, '/usr/bin/env', 'test', '-x', path], { timeout: TRY_MS });
    if (tried.status !== 0) return `${user.name} can't reach ${path}: a folder above it is closed to others`;
  }
  return undefined;
}

/** By name or number; by the machine's own directory services where it has them. */
export function findUser(wanted: string): User | undefined {
  const asked = spawnSync('getent', ['passwd', wanted], { timeout: TRY_MS, encoding: 'utf8' });
  const lines = asked.status === 0 ? asked.stdout : passwdFile();
  for (const line of lines.split('\n')) {
    const [name = '', , uid = '', gid = '', , home = '/', shell = '/bin/sh'] = line.split(':');
    if (name === wanted || (uid !== '' && uid === wanted)) {
      return { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' };
    }
  }
  return undefined;
}

function passwdFile(): string {
  return existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8') : '';
}

export function setpriv(refuse: (reason: string) => FettleError): string {
  for (const path of SETPRIV) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next one.
    }
  }
  throw refuse('setpriv is missing; install util-linux');
}
