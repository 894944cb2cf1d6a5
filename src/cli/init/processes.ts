import { readdirSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { allPids, readProc, readProcLink, readStat, readVariable } from '../../../agent/keeper/proc.ts';
import { listeningPorts } from '../../../agent/keeper/processes.ts';
import { commandLine, ownLine } from '../../../agent/keeper/scan.ts';
import type { Runner } from './contract.ts';

/** Who runs what is to be taken over, and who writes to it: read from /proc. What other users run is seen by root alone. */

/** Programs that run other files: a working folder of theirs says what they run. Shells and editors have one, too, and do not. */
const INTERPRETER = /^(node|nodejs|bun|deno|python[\d.]*|ruby[\d.]*|java|php[\d.]*|perl|dotnet|mono|beam\.smp)$/;
const SHELL = /^(sh|bash|dash|ash|zsh)$/;

const within = (folder: string, path: string) => path === folder || path.startsWith(`${folder}/`);

/** Processes that run a program (a file) or out of a folder; not this one and those above it. */
export function runnersOf(path: string): Runner[] {
  const folder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const ours = ownLine();
  return allPids().flatMap((pid) => {
    if (ours.has(pid)) return [];
    const program = readProcLink(`/proc/${pid}/exe`)?.replace(/ \(deleted\)$/, '');
    if (program === undefined) return [];
    if (folder ? !runsOutOf(path, pid, program) : program !== path) return [];
    return [{ pid, command: commandOf(pid), ports: listeningPorts([pid]), by: managerOf(pid) }];
  });
}

/** The processes of `pids` and those below them: who is ended takes along what it started (`npm start`, and its server). */
export function withBelow(pids: readonly number[], runners: readonly Runner[]): number[] {
  // Not below just any: a shell or a desktop that was named by mistake started more than this app.
  const tops = pids.filter((pid) => runners.some((one) => one.pid === pid));
  const below = runners.filter(({ pid }) => ancestorsOf(pid).some((above) => tops.includes(above)));
  return [...new Set([...pids, ...below.map(({ pid }) => pid)])];
}

/** Those that no other one started. */
export function topmost(runners: readonly Runner[]): Runner[] {
  return runners.filter(({ pid }) => !ancestorsOf(pid).some((above) => runners.some((one) => one.pid === above)));
}

/** Who started a process, and who that one, and so on. */
function ancestorsOf(pid: number): number[] {
  const line: number[] = [];
  for (let at = readStat(pid)?.parent ?? 0; at > 1 && !line.includes(at); at = readStat(at)?.parent ?? 0) line.push(at);
  return line;
}

function runsOutOf(folder: string, pid: number, program: string): boolean {
  if (within(folder, program)) return true;
  const cwd = readProcLink(`/proc/${pid}/cwd`) ?? '/';
  const name = basename(program);
  if (INTERPRETER.test(name) && within(folder, cwd)) return true;
  if (!INTERPRETER.test(name) && !SHELL.test(name)) return false;
  const script = commandLine(pid)
    .slice(1)
    .find((word) => !word.startsWith('-'));
  if (script === undefined) return false;
  const file = resolve(cwd, script);
  return within(folder, file) && statSync(file, { throwIfNoEntry: false }) !== undefined;
}

/** Its command line, as much as fits in a message. */
export function commandOf(pid: number): string {
  // A program that renames itself leaves spaces in place of its arguments.
  const text = commandLine(pid).join(' ').trim();
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

function managerOf(pid: number): Runner['by'] {
  const environ = readProc(`/proc/${pid}/environ`);
  if (environ && readVariable(environ, 'FETTLE_START') !== undefined)
    return { kind: 'fettle', name: readVariable(environ, 'FETTLE_APP') ?? 'an app' };
  for (let at = readStat(pid)?.parent ?? 0, hops = 0; at > 1 && hops < 20; at = readStat(at)?.parent ?? 0, hops += 1) {
    if (/^PM2 v/.test(commandLine(at)[0] ?? '')) return { kind: 'pm2', name: 'pm2' };
  }
  const group = cgroupOf(pid);
  // What shares its group with us was started like us: from a session.
  if (group === undefined || group === cgroupOf(process.pid)) return { kind: 'hand' };
  const unit = /\/([^/]+\.service)(?:\/|$)(?!.*\.service)/.exec(group)?.[1];
  if (unit !== undefined && !/^(user@\d+|session-.*|getty.*|ssh.*|cron)\.service$/.test(unit))
    return { kind: 'unit', name: unit };
  if (/docker|containerd|libpod|kubepods/.test(group)) return { kind: 'container', name: basename(group).slice(0, 24) };
  return { kind: 'hand' };
}

function cgroupOf(pid: number): string | undefined {
  const lines = readProc(`/proc/${pid}/cgroup`)?.toString('utf8').trim().split('\n') ?? [];
  const line = lines.find((one) => one.startsWith('0::')) ?? lines.find((one) => one.includes('name=systemd'));
  return line?.split(':').slice(2).join(':');
}

/** A process that could write to a file. */
export interface Writer {
  readonly pid: number;
  readonly command: string;
  readonly file: string;
}

const ACCESS = 3;

/** Processes that have something at or below these paths open for writing, or mapped so. Of each process one file. */
export function writersOf(paths: readonly string[]): Writer[] {
  const inside = (file: string) => paths.some((path) => within(path, file));
  return allPids().flatMap((pid) => {
    if (pid === process.pid) return [];
    const file = writtenFiles(pid).find(inside);
    return file === undefined ? [] : [{ pid, command: commandOf(pid), file }];
  });
}

/** Files that a process has open for writing, or mapped so that it could. */
export function writtenFiles(pid: number): string[] {
  const files = new Set<string>();
  let descriptors: string[] = [];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch {
    // Ended, or not ours to see.
  }
  for (const descriptor of descriptors) {
    const file = readProcLink(`/proc/${pid}/fd/${descriptor}`);
    if (!file?.startsWith('/') || file.startsWith('/dev/') || file.endsWith(' (deleted)')) continue;
    const info = readProc(`/proc/${pid}/fdinfo/${descriptor}`)?.toString('latin1') ?? '';
    const flags = Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '0', 8);
    if ((flags & ACCESS) !== 0) files.add(file);
  }
  for (const line of (readProc(`/proc/${pid}/maps`)?.toString('utf8') ?? '').split('\n')) {
    const [, file] = /^\S+ .w.s \S+ \S+ \d+\s+(\/.*)$/.exec(line) ?? [];
    if (file && !file.startsWith('/dev/') && !file.endsWith(' (deleted)')) files.add(file);
  }
  return [...files];
}

/** Names of a process' variables that it did not get from a login: an app started by Fettle would lack them. */
export function ownVariables(pid: number): string[] {
  const text = readProc(`/proc/${pid}/environ`)?.toString('utf8') ?? '';
  const names = text.split('\0').flatMap((line) => (line.includes('=') ? [line.slice(0, line.indexOf('='))] : []));
  return names.filter((name) => /^[A-Za-z]\w*$/.test(name) && !USUAL.test(name)).sort();
}

const USUAL =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TMP|TEMP|TERM.*|COLOR|COLORTERM|COLUMNS|LINES|PWD|OLDPWD|SHLVL|HOSTNAME|MAIL|EDITOR|VISUAL|PAGER|LESS.*|LS_COLORS|HIST.*|PS\d|DISPLAY|WAYLAND.*|DBUS.*|SSH_.*|SUDO_.*|XDG_.*|GIT_.*|NVM_.*|npm_.*|NPM_.*|NODE|INIT_CWD|VSCODE.*|TMUX.*|STY|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_.*|MANAGERPID|MEMORY_.*|FETTLE_.*|DEBIAN_FRONTEND|CI|NO_COLOR|.*_proxy|.*_PROXY|SSL_.*|.*_CERTS?|_)$/;

/** One variable of a process. */
export function variableOf(pid: number, name: string): string | undefined {
  const environ = readProc(`/proc/${pid}/environ`);
  return environ && readVariable(environ, name);
}

/** Does a process still live? */
export function lives(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
}
