import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { bootId, isDead, pidNamespace, readProc, readProcLink, readStat } from './proc.ts';
import { commandLine, findByStartId, type ProcessIdentity } from './scan.ts';

/** What is true of an app's processes, read from Linux' /proc; for the keeper, the agent's health checks and doctor. */

export { type FoundProcess, findAllByStartId, findByStartId, type ProcessIdentity } from './scan.ts';

/** Is it this very process, and not a zombie? False in another boot or pid namespace. */
export function isAlive(identity: ProcessIdentity): boolean {
  const stat = readStat(identity.pid);
  return (
    stat !== undefined &&
    !isDead(stat) &&
    stat.startTime === identity.startTime &&
    identity.boot === bootId() &&
    identity.pidNamespace === pidNamespace()
  );
}

/** Processes of a start that are the app's own: the wrapper does not count, as its arguments are the app's. */
export function pidsOf(startId: string): number[] {
  return findByStartId(startId).flatMap(({ pid, wrapper, unborn }) => (wrapper || unborn ? [] : [pid]));
}

/**
 * Does any of the processes run out of the folder: its program, its working folder or one of its arguments?
 *
 * @param folder a real path
 */
export function runsFrom(pids: readonly number[], folder: string): boolean {
  const inside = (path: string) => path === folder || path.startsWith(`${folder}/`);
  return pids.some((pid) => {
    const cwd = readProcLink(`/proc/${pid}/cwd`) ?? '/';
    const program = readProcLink(`/proc/${pid}/exe`) ?? '/';
    return inside(cwd) || inside(program) || commandLine(pid).some((argument) => inside(resolve(cwd, argument)));
  });
}

const LISTENING = '0A';

/** Ports that any of the processes listens on, on whatever local address, IPv4 or IPv6. Sorted. */
export function listeningPorts(pids: readonly number[]): number[] {
  const ports = new Set<number>();
  const tables = new Map<string, Map<string, number>>();
  for (const pid of pids) {
    // Each network namespace has its own tables; most often there is one.
    const namespace = readProcLink(`/proc/${pid}/ns/net`) ?? '';
    let table = tables.get(namespace);
    if (!table) {
      table = listeningSockets(pid);
      tables.set(namespace, table);
    }
    for (const inode of socketsOf(pid)) {
      const port = table.get(inode);
      if (port !== undefined) ports.add(port);
    }
  }
  return [...ports].sort((a, b) => a - b);
}

/** Does the start itself listen on the port, and not somebody else who was there first? */
export function ownsPort(startId: string, port: number): boolean {
  return listeningPorts(pidsOf(startId)).includes(port);
}

/** Inode → port. */
function listeningSockets(pid: number): Map<string, number> {
  const sockets = new Map<string, number>();
  for (const family of ['tcp', 'tcp6']) {
    const lines = (readProc(`/proc/${pid}/net/${family}`)?.toString('latin1') ?? '').split('\n').slice(1);
    for (const line of lines) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const port = Number.parseInt(local?.split(':')[1] ?? '', 16);
      if (state === LISTENING && inode !== undefined && port > 0) sockets.set(inode, port);
    }
  }
  return sockets;
}

function* socketsOf(pid: number): Generator<string> {
  let descriptors: string[];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return;
  }
  for (const descriptor of descriptors) {
    const inode = /^socket:\[(\d+)\]$/.exec(readProcLink(`/proc/${pid}/fd/${descriptor}`) ?? '')?.[1];
    if (inode !== undefined) yield inode;
  }
}
