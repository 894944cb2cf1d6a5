import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { AppFolder } from '../../config/home.ts';
import { allPids, isDead, readProc, readProcLink, readStat, readVariable } from '../keeper/proc.ts';
import { isAlive, type ProcessIdentity, runsFrom } from '../keeper/processes.ts';
import { commandLine, identityOf, ownLine } from '../keeper/scan.ts';

/** Where an app's programs are: its slots, or its one executable. */
export interface Programs {
  readonly app: string;
  readonly folder: AppFolder;
  readonly binary: string | undefined;
}

export function programsOf(app: string, folder: AppFolder, config: { readonly binary?: string | undefined }): Programs {
  return { app, folder, binary: config.binary };
}

/**
 * Processes that run an app, found by what they run: program, working folder or an argument in one of its slots; or
 * the executable that is replaced in place. Oldest first.
 *
 * Left out, since they are not the app: this process, those above and below it, what has a terminal (a person's shell
 * or editor that stands in the folder), and what the keeper started as another app.
 */
export function findRunning(programs: Programs): ProcessIdentity[] {
  const line = ownLine();
  return foundBy(programs)
    .filter(({ pid }) => !line.has(pid) && !hasTerminal(pid) && !isBelow(pid) && !isOthers(pid, programs.app))
    .toSorted((a, b) => a.startTime - b.startTime);
}

/** Would this process end with the app: does the app run above it, or in its session? */
export function endsWith(programs: Programs): boolean {
  const line = ownLine();
  line.delete(process.pid);
  const session = readStat(process.pid)?.session;
  return foundBy(programs).some(({ pid }) => pid !== process.pid && (line.has(pid) || (pid === session && pid > 1)));
}

/** Those of the processes that still live. */
export function stillAlive(processes: readonly ProcessIdentity[]): ProcessIdentity[] {
  return processes.filter(isAlive);
}

/** One signal to each of them that is still the same process. */
export function signalAll(processes: readonly ProcessIdentity[], signal: NodeJS.Signals): void {
  for (const one of stillAlive(processes)) {
    try {
      process.kill(one.pid, signal);
    } catch {
      // ESRCH: it has ended.
    }
  }
}

function foundBy({ folder, binary }: Programs): ProcessIdentity[] {
  const releases = real(folder.releases);
  const program = binary === undefined ? undefined : real(binary);
  const file = program === undefined ? undefined : statSync(program, { throwIfNoEntry: false });
  return allPids().flatMap((pid) => {
    if (releases !== undefined && runsFrom([pid], releases)) return [identityOf(pid)].filter(isAlive);
    if (program === undefined) return [];
    const exe = readProcLink(`/proc/${pid}/exe`);
    if (exe === undefined) return [];
    // Replaced by a rename, the old file has another name, or none: it is known by its path, its number, or the folder.
    const image = statSync(`/proc/${pid}/exe`, { throwIfNoEntry: false });
    const same = file !== undefined && image !== undefined && image.ino === file.ino && image.dev === file.dev;
    const named = exe === program || exe === `${program} (deleted)` || exe.startsWith(`${folder.dir}/`);
    const script = commandLine(pid).slice(0, 3).includes(program);
    return same || named || script ? [identityOf(pid)].filter(isAlive) : [];
  });
}

function real(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Field 7 of `/proc/PID/stat`, tty_nr (proc_pid_stat(5)). */
function hasTerminal(pid: number): boolean {
  const text = readProc(`/proc/${pid}/stat`)?.toString('latin1');
  return text !== undefined && Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[4]) !== 0;
}

function isBelow(pid: number): boolean {
  for (let at = pid, steps = 0; at > 1 && steps < 100; steps += 1) {
    if (at === process.pid) return true;
    const stat = readStat(at);
    if (stat === undefined || isDead(stat)) return false;
    at = stat.parent;
  }
  return false;
}

/** Start ids are MARK.APP.NUMBER. */
function isOthers(pid: number, app: string): boolean {
  const environ = readProc(`/proc/${pid}/environ`);
  const mark = environ && readVariable(environ, 'FETTLE_START');
  return mark !== undefined && mark.split('.')[1] !== app;
}

/** The last part of a log from an offset on, for an error's reason. */
export function tailFrom(path: string, offset: number): string {
  try {
    const text = readFileSync(path).subarray(offset).toString('utf8').trim();
    return text.slice(-400);
  } catch {
    return `see ${basename(path)}`;
  }
}
