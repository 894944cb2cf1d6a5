import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { findByStartId } from '../keeper/scan.ts';

/**
 * The mark of everything that is run to make a release of an app, in its environment as `FETTLE_START`. It is the same in each
 * run of the agent, so that what a killed one left behind is found.
 */
export function workMark(slot: string): string {
  return `work-${createHash('sha256').update(dirname(slot)).digest('hex').slice(0, 16)}`;
}

/** Rounds until what forks faster than it is ended is given up. */
const ROUNDS = 200;

/** Ends everything that carries a mark, `setsid` or not, and returns when it is gone. */
export function endMarked(mark: string): void {
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = findByStartId(mark);
    if (found.length === 0) return;
    for (const { pid } of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // ESRCH: it is gone already.
      }
    }
  }
}
