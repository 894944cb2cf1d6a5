import { readdirSync, readFileSync } from 'node:fs';

/** Processes and their memory, from Linux' /proc. */

/** Parent of each process. */
function parents(): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== undefined) found.set(Number(name), parent);
  }
  return found;
}

export function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

/** A process and everything below it. */
export function tree(root: number): number[] {
  const all = parents();
  const found = [root];
  for (let i = 0; i < found.length; i += 1) {
    for (const [pid, parent] of all) if (parent === found[i]) found.push(pid);
  }
  return found.filter((pid) => all.has(pid));
}

/** Processes whose command line names a folder, oldest first; not this one. */
export function processesNaming(folder: string): number[] {
  return [...parents().keys()]
    .filter((pid) => pid !== process.pid && commandLine(pid).includes(folder))
    .sort((a, b) => a - b);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Proportional set size, bytes: pages that several processes share are counted once, in parts. 0 once it has ended. */
export function pss(pid: number): number {
  try {
    const kilobytes = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return 0;
    throw error;
  }
}

/** Processor time of some processes and of those below them that they have waited for. Clock ticks. */
export function ticksOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), sum);
    } catch {
      return sum;
    }
  }, 0);
}
