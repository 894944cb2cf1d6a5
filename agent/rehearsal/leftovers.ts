import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { HomeLayout } from '../../config/home.ts';
import { endStart } from '../keeper/end.ts';
import { scanProcesses } from '../keeper/scan.ts';

/**
 * A rehearsal's processes carry a mark of their own in `FETTLE_START`, so that whatever it starts is found, also by the
 * agent that comes after one that was killed. The keeper has nothing to do with it: it must never start it again.
 */

/** Of this home alone: several agents may share a machine. */
const prefix = (layout: Pick<HomeLayout, 'runtime'>) => `rehearsal-${basename(layout.runtime.dir)}-`;

export function rehearsalMark(layout: Pick<HomeLayout, 'runtime'>, update: string): string {
  return `${prefix(layout)}${update}`;
}

/** The folder of a rehearsal in an app's `tmp`; whatever is in it may go. */
export function rehearsalFolder(tmp: string): string {
  return join(tmp, 'rehearsal');
}

/** Ends everything that a rehearsal started. True when it is verified gone. */
export function endRehearsal(mark: string, ending: Pick<Parameters<typeof endStart>[1], 'signal' | 'graceMs' | 'log'>) {
  return endStart(mark, { ...ending, survivorMs: 3_000 });
}

/** Ends rehearsals that outlived their agent, and removes their copies. Before anything else is done to the apps. */
export async function endLeftovers(
  layout: HomeLayout,
  apps: readonly string[],
  log: (line: string) => void,
): Promise<void> {
  for (const mark of scanProcesses((id) => id.startsWith(prefix(layout))).found.keys()) {
    log(`${mark} outlived its agent: it is ended`);
    if (!(await endRehearsal(mark, { signal: 'SIGKILL', graceMs: 0, log }))) log(`${mark} outlived SIGKILL`);
  }
  for (const app of apps) {
    try {
      rmSync(rehearsalFolder(layout.app(app).tmp), { recursive: true, force: true });
    } catch (error) {
      log(`${app}: the copy of a rehearsal could not be removed: ${String(error)}`);
    }
  }
}
