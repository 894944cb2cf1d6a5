import {
  accessSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FettleError, systemCodeOf } from '../../src/domain/errors.ts';
import { besidePrefix } from '../../src/files/executable.ts';
import { type ChildResult, runChild, type Spawn } from '../../src/origin/child.ts';
import { TOOL_ENVIRONMENT } from './attributes.ts';
import { type Mount, mountOf, mountsWithin, readMounts } from './mounts.ts';

/** May an executable be replaced where it is? Looked at before anything is fetched. */

const TOOL_MS = 10_000;
/** One name, as file systems have it, with room for what is put behind a slot's name. */
const MAX_NAME_BYTES = 255 - '.part'.length;

export interface Replaceable {
  /** As the file names it. */
  readonly path: string;
  /** Where that leads, links resolved. */
  readonly target: string;
  /** The slot that is to come. */
  readonly slot: string;
  readonly signal: AbortSignal;
  readonly mounts?: readonly Mount[] | undefined;
  readonly spawn?: Spawn | undefined;
}

/**
 * Nothing is left behind; a file is made beside the executable for a moment, because only that tells whether it works.
 * @throws {FettleError} `not_replaceable {path, reason, advice}`
 */
export async function refuseUnreplaceable(of: Replaceable): Promise<void> {
  const { path, target } = of;
  const refuse = (reason: string, advice: string) => {
    return new FettleError('not_replaceable', {
      data: { path: target === path ? path : `${path} (${target})`, reason, advice },
    });
  };
  const folder = dirname(target);
  const found = lstatSync(target, { throwIfNoEntry: false });
  if (found?.isDirectory())
    throw refuse('it is a folder', `Name the executable in it: binary: ${join(path, basename(path))}`);
  if (found?.isSymbolicLink()) throw refuse('its links lead to themselves', `Look at them: namei ${path}`);
  if (found && !found.isFile()) throw refuse('it is no file', 'Name an executable with `binary:`');
  try {
    if (found) accessSync(target, constants.R_OK);
  } catch {
    // It could not be kept, nor told from others.
    throw refuse(`this agent runs as user ${process.geteuid?.()} and may not read it`, `chmod a+r ${target}`);
  }
  const me = process.geteuid?.() ?? 0;
  if (found && me !== 0 && found.uid !== me) {
    throw refuse(
      `it belongs to user ${found.uid}, and this agent runs as user ${me}`,
      'Run the agent as its owner or as root',
    );
  }
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw refuse(`there is no folder ${folder}`, `mkdir -p ${folder}`);
  if (Buffer.byteLength(`${besidePrefix(basename(target))}${of.slot}`) > MAX_NAME_BYTES) {
    throw refuse('its name is too long for a version beside it', 'Give it a shorter name');
  }
  const mounts = of.mounts ?? readMounts();
  if (mountsWithin(target, mounts).length > 0) {
    throw refuse(
      'it is mounted by itself, and a mount point can not be replaced',
      `Mount its folder (${folder}) instead`,
    );
  }
  if (mountOf(folder, mounts)?.options.includes('noexec')) {
    throw refuse('its file system is mounted noexec, so nothing there can be run', `Mount it without noexec`);
  }
  const owner = await packageOf(path, target, of);
  if (owner) throw refuse(`the package ${owner.name} of this machine owns it`, owner.advice);
  tryToWrite(folder, target, found !== undefined, refuse);
}

function tryToWrite(
  folder: string,
  target: string,
  there: boolean,
  refuse: (reason: string, advice: string) => FettleError,
): void {
  const me = process.geteuid?.() ?? 0;
  const probe = join(folder, `${besidePrefix(basename(target))}probe`);
  const second = `${probe}-2`;
  const clean = () => {
    for (const file of [probe, second]) rmSync(file, { force: true });
  };
  try {
    clean();
    closeSync(openSync(probe, 'wx', 0o600));
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'EROFS') throw refuse('its file system is read-only', `mount -o remount,rw, or move it elsewhere`);
    if (code === 'EACCES' || code === 'EPERM') {
      throw refuse(
        `this agent runs as user ${me} and may not write in ${folder}`,
        me === 0 ? `lsattr -d ${folder}; chattr -i ${folder}` : `chown ${me} ${folder}, or run the agent as its owner`,
      );
    }
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === undefined) throw error;
    throw refuse(`no file can be made in ${folder} (${code})`, 'Name an executable elsewhere');
  }
  try {
    if (!there) return;
    // Root may link everything but what is immutable; so may not be renamed either. Where linking is not known at all, the
    // probe can't be linked as well.
    if (me === 0 && linkable(probe, second)) {
      rmSync(second, { force: true });
      if (!linkable(target, second)) throw refuse('it is immutable', `chattr -i -a ${target}`);
    }
  } finally {
    clean();
  }
}

function linkable(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
}

interface Owner {
  readonly name: string;
  readonly advice: string;
}

interface Manager {
  readonly command: string;
  readonly args: readonly string[];
  /** The package's name in the answer. */
  readonly name: RegExp;
  readonly advice: (name: string) => string;
}

const OWN_COPY = 'or name a copy of your own with `binary:`';
const MANAGERS: readonly Manager[] = [
  {
    command: 'dpkg',
    args: ['-S', '--'],
    name: /^(?!diversion )([^:\s]+)(?::\w+)?(?:, [^:]+)*: \//m,
    advice: (name) => `Run \`apt-get install --only-upgrade ${name}\`, ${OWN_COPY}`,
  },
  {
    command: 'rpm',
    args: ['-qf', '--queryformat', '%{NAME}\\n', '--'],
    name: /^([^\s/]+)$/m,
    advice: (name) => `Run \`dnf upgrade ${name}\`, ${OWN_COPY}`,
  },
  {
    command: 'pacman',
    args: ['-Qoq', '--'],
    name: /^(\S+)$/m,
    advice: (name) => `Run \`pacman -S ${name}\`, ${OWN_COPY}`,
  },
];

/** Who would overwrite it at the next upgrade. Machines without these tools have no such packages. */
async function packageOf(path: string, target: string, { signal, spawn }: Replaceable): Promise<Owner | undefined> {
  const places = new Set([target, withRealFolder(path)]);
  // Packages may still name what has moved: /bin is a link to /usr/bin.
  for (const place of [...places]) {
    if (/^\/usr\/(bin|sbin|lib)\//.test(place)) places.add(place.slice('/usr'.length));
  }
  for (const { command, args, name, advice } of MANAGERS) {
    for (const place of places) {
      let answer: ChildResult;
      try {
        const how = { cwd: '/', env: TOOL_ENVIRONMENT, signal, deadlineMs: TOOL_MS, maxOutput: 100_000, spawn };
        answer = await runChild({ command, args: [...args, place], ...how });
      } catch (error) {
        if (systemCodeOf(error) === 'ENOENT') break;
        throw error;
      }
      signal.throwIfAborted();
      const found = answer.code === 0 ? name.exec(answer.stdout)?.[1] : undefined;
      if (found !== undefined) return { name: found, advice: advice(found) };
    }
  }
  return undefined;
}

function withRealFolder(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}
