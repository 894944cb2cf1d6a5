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

/**
 * Does any process of the start run out of the slot: its program, its folder or one of its arguments? The wrapper
 * does not count, as its arguments are the app's.
 *
 * @param slot a real path
 */
export function runsFrom(startId: string, slot: string): boolean {
  const inside = (path: string) => path === slot || path.startsWith(`${slot}/`);
  return findByStartId(startId).some(({ pid, wrapper, unborn }) => {
    if (wrapper || unborn) return false;
    const folder = readProcLink(`/proc/${pid}/cwd`) ?? '/';
    const program = readProcLink(`/proc/${pid}/exe`) ?? '/';
    return inside(folder) || inside(program) || commandLine(pid).some((argument) => inside(resolve(folder, argument)));
  });
}

const LISTENING = '0A';

/** Ports that any process of the start listens on, on whatever local address, IPv4 or IPv6. Sorted. */
export function listeningPorts(startId: string): number[] {
  const ports = new Set<number>();
  const tables = new Map<string, Map<string, number>>();
  for (const { pid } of findByStartId(startId)) {
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
  return listeningPorts(startId).includes(port);
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
