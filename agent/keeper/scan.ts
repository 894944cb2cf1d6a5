import {
  allPids,
  bootId,
  isDead,
  mayRead,
  type ProcessStat,
  pidNamespace,
  readProc,
  readStat,
  readVariable,
} from './proc.ts';

/**
 * Which processes belong to a start of an app. The mark is `FETTLE_START` in the environment, which children inherit
 * even through `setsid`; those that lost it (sudo, a program that overwrites its own environment) are known by their
 * session or by their parents.
 */

/** Names one process for ever: a pid alone is used again. */
export interface ProcessIdentity {
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks after boot. */
  readonly startTime: number;
}

/** A process of an app. */
export interface FoundProcess extends ProcessIdentity {
  readonly group: number;
  readonly session: number;
  /** The tiny shell above the app, which only waits to write down the exit status. */
  readonly wrapper: boolean;
  /** A copy of that shell which is about to become the app: a signal to it may be lost. */
  readonly unborn: boolean;
}

/** `$0` of the shell above each app. */
export const WRAPPER_NAME = 'fettle-keep';

/** What one look at all processes found. */
export interface Scan {
  /** Start id → its processes. Ids without any are absent. */
  readonly found: ReadonlyMap<string, readonly FoundProcess[]>;
  /** Pids that were certainly not of any wanted start. */
  readonly strangers: ReadonlySet<number>;
}

/**
 * Looks at every process once.
 *
 * @param wanted which start ids
 * @param skip pids that need not be looked at, as a scan a moment ago called them strangers: a process does not
 *   become part of an app later, but its pid may be used again, so only for a second or two
 */
export function scanProcesses(wanted: (startId: string) => boolean, skip?: ReadonlySet<number>): Scan {
  const marks = new Map<number, string | null>();
  const strangers = new Set<number>();
  let any = false;
  for (const pid of allPids()) {
    if (skip?.has(pid)) continue;
    const mark = mayRead(pid) ? readMark(pid) : null;
    if (mark === undefined) continue;
    if (mark === false) {
      strangers.add(pid);
      continue;
    }
    marks.set(pid, mark);
    if (mark !== null && wanted(mark)) any = true;
    else strangers.add(pid);
  }
  const found = new Map<string, FoundProcess[]>();
  if (!any) return { found, strangers };

  const boot = bootId();
  const namespace = pidNamespace();
  for (const [stat, startId] of members(marks, wanted)) {
    strangers.delete(stat.pid);
    const shell = commandLine(stat.pid)[3] === WRAPPER_NAME;
    const process = {
      boot,
      pidNamespace: namespace,
      pid: stat.pid,
      startTime: stat.startTime,
      group: stat.group,
      session: stat.session,
      wrapper: shell && stat.pid === stat.session,
      unborn: shell && stat.pid !== stat.session,
    };
    const list = found.get(startId);
    if (list) list.push(process);
    else found.set(startId, [process]);
  }
  return { found, strangers };
}

/** All processes of a start that are alive, the wrapper among them. */
export function findByStartId(startId: string): readonly FoundProcess[] {
  return scanProcesses((id) => id === startId).found.get(startId) ?? [];
}

/** What names the process with this pid now. A start time of -1 where there is none. */
export function identityOf(pid: number): ProcessIdentity {
  return { boot: bootId(), pidNamespace: pidNamespace(), pid, startTime: readStat(pid)?.startTime ?? -1 };
}

/** {@link findByStartId} for several in one look. */
export function findAllByStartId(startIds: ReadonlySet<string>): ReadonlyMap<string, readonly FoundProcess[]> {
  return scanProcesses((id) => startIds.has(id)).found;
}

/** The arguments of a process; none where it has ended or is the kernel's. */
export function commandLine(pid: number): string[] {
  const text = readProc(`/proc/${pid}/cmdline`)?.toString('utf8') ?? '';
  return text === '' ? [] : text.replace(/\0$/, '').split('\0');
}

/** This process and those above it. */
export function ownLine(): Set<number> {
  const line = new Set<number>();
  for (let pid = process.pid; pid > 0 && !line.has(pid); pid = readStat(pid)?.parent ?? 0) line.add(pid);
  return line;
}

/** The start id that a process carries; null: none; false: it is the kernel's; undefined: it has ended. */
function readMark(pid: number): string | null | false | undefined {
  for (let attempt = 0; ; attempt += 1) {
    const environ = readProc(`/proc/${pid}/environ`);
    if (environ && environ.length > 0) return readVariable(environ, 'FETTLE_START') ?? null;
    // None: of the kernel, a zombie, without any variable, or in the middle of an exec, which must not be missed.
    const stat = readStat(pid);
    if (stat === undefined || isDead(stat)) return undefined;
    if (stat.kernel) return false;
    if (attempt === 5) return null;
  }
}

/** The marked processes, and the unmarked ones in their sessions or below them; never the line of the one who asks. */
function* members(
  marks: ReadonlyMap<number, string | null>,
  wanted: (startId: string) => boolean,
): Generator<[ProcessStat, string]> {
  const unmarked: ProcessStat[] = [];
  const belongs = new Map<number, string>();
  const sessions = new Map<number, string>();
  for (const [pid, mark] of marks) {
    if (mark !== null && !wanted(mark)) continue;
    const stat = readStat(pid);
    if (stat === undefined || isDead(stat)) continue;
    if (mark === null) {
      unmarked.push(stat);
      continue;
    }
    belongs.set(pid, mark);
    sessions.set(stat.session, mark);
    yield [stat, mark];
  }
  const never = ownLine();
  for (let grew = belongs.size > 0; grew; ) {
    grew = false;
    for (const stat of unmarked) {
      const startId = sessions.get(stat.session) ?? belongs.get(stat.parent);
      if (startId === undefined || belongs.has(stat.pid) || never.has(stat.pid)) continue;
      belongs.set(stat.pid, startId);
      sessions.set(stat.session, startId);
      grew = true;
      yield [stat, startId];
    }
  }
}
