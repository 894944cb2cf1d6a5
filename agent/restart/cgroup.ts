import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDead, readProc, readStat } from '../keeper/proc.ts';

/** Processes by systemd's control groups, which no fork and no `setsid` escapes (cgroups(7)). */

/** Where systemd's own hierarchy is: version 2, or beside version 1. */
const ROOTS = ['/sys/fs/cgroup', '/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'];

/**
 * Processes that live in a control group or below it; none where it is gone.
 * @param group as systemd names it (`/system.slice/web.service`)
 */
export function pidsInGroup(group: string): number[] {
  if (group === '' || group === '/') return [];
  const pids = new Set<number>();
  for (const root of ROOTS) collect(join(root, group), pids);
  return [...pids].filter((pid) => {
    const stat = readStat(pid);
    return stat !== undefined && !isDead(stat);
  });
}

function collect(folder: string, pids: Set<number>): void {
  const text = readProc(join(folder, 'cgroup.procs'))?.toString('latin1');
  if (text === undefined) return;
  for (const line of text.split('\n')) {
    // 0: of another pid namespace, so not ours to see.
    const pid = Number(line);
    if (pid > 0) pids.add(pid);
  }
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) collect(join(folder, entry.name), pids);
  } catch {
    // Removed meanwhile.
  }
}

/** The control group of a process, in systemd's hierarchy; `undefined` where there is none, or the process is gone. */
export function groupOf(pid: number | 'self'): string | undefined {
  const lines = (readProc(`/proc/${pid}/cgroup`)?.toString('utf8') ?? '').split('\n');
  const named = lines.find((line) => line.includes(':name=systemd:')) ?? lines.find((line) => line.startsWith('0::'));
  return named?.split(':').slice(2).join(':') || undefined;
}

/** Is a control group another one, or below it? */
export function isWithin(group: string | undefined, above: string): boolean {
  return group !== undefined && above !== '' && (group === above || group.startsWith(`${above}/`));
}
