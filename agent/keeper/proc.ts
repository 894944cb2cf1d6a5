import { closeSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs';

/** Reading Linux' /proc, nothing more. Whatever has ended meanwhile, or is not ours to see, is `undefined`. */

/** What `/proc/PID/stat` says (proc_pid_stat(5)). */
export interface ProcessStat {
  readonly pid: number;
  /** `Z` and `X` are dead. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks after boot. With the pid it names a process for as long as the machine runs. */
  readonly startTime: number;
  /** A thread of the kernel: it has no memory, so no environment. */
  readonly kernel: boolean;
}

const KERNEL_THREAD = 0x00200000;

/** A file of /proc, whole. Their sizes are not known before they are read. */
export function readProc(path: string): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    let buffer = Buffer.allocUnsafe(8192);
    for (let length = 0; ; ) {
      const read = readSync(file, buffer, length, buffer.length - length, null);
      if (read === 0) return buffer.subarray(0, length);
      length += read;
      if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(buffer.length)]);
    }
  } catch {
    return undefined;
  } finally {
    closeSync(file);
  }
}

/** A link of /proc (`exe`, `cwd`, `ns/pid`). */
export function readProcLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** All pids that this process sees. */
export function allPids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** The state of one process; zombies included. */
export function readStat(pid: number): ProcessStat | undefined {
  const text = readProc(`/proc/${pid}/stat`)?.toString('latin1');
  // The command's name may hold spaces and brackets: the fields begin after the last one.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  if (!fields || fields.length < 20) return undefined;
  return {
    pid,
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: Number(fields[19]),
    kernel: (Number(fields[6]) & KERNEL_THREAD) !== 0,
  };
}

/** Has it ended? A zombie has: it does nothing more and holds nothing. */
export function isDead(stat: ProcessStat): boolean {
  return stat.state === 'Z' || stat.state === 'X';
}

/** May this user read a process' environment at all? Asked first, because a refused open costs far more. */
export function mayRead(pid: number): boolean {
  const user = process.geteuid?.();
  return user === 0 || statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === user;
}

/** One variable of an environment as `/proc/PID/environ` has it. */
export function readVariable(environ: Buffer, name: string): string | undefined {
  const wanted = `${name}=`;
  for (let at = environ.indexOf(wanted); at >= 0; at = environ.indexOf(wanted, at + 1)) {
    if (at > 0 && environ[at - 1] !== 0) continue;
    const end = environ.indexOf(0, at);
    return environ.toString('utf8', at + wanted.length, end < 0 ? environ.length : end);
  }
  return undefined;
}

/** Changes with each boot. */
export function bootId(): string {
  return readProc('/proc/sys/kernel/random/boot_id')?.toString('latin1').trim() ?? '';
}

/** The pid namespace that this process lives in: pids mean something in it alone. */
export function pidNamespace(): string {
  return readProcLink('/proc/self/ns/pid') ?? '';
}

/** Milliseconds since boot, the same in every process of the machine; stands still while it sleeps. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
