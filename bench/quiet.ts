import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { ticksOf, tree } from './process-tree.ts';

const LOOK_MS = 200;
/** Cores that others may use. */
const BUSY = 0.25;
const PATIENCE_MS = 4_000;

/**
 * Waits for a moment in which other programs leave the machine alone, as timings of several processes that wait for
 * each other say nothing otherwise.
 *
 * @returns false where there was none within some seconds: what is measured then counts all the same
 */
export async function quiet(): Promise<boolean> {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const before = idleTicks();
    await delay(LOOK_MS);
    const after = idleTicks();
    const busy = 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
    if (busy * availableParallelism() <= BUSY) return true;
  }
  return false;
}

/** Does something, and answers how much of a core programs outside of the given trees used meanwhile. */
export async function othersDuring(roots: readonly number[], work: () => Promise<unknown>): Promise<number> {
  const own = () => ticksOf(roots.flatMap(tree));
  const before = { own: own(), ...idleTicks() };
  await work();
  const after = { own: own(), ...idleTicks() };
  const all = after.all - before.all;
  const others = all - (after.idle - before.idle) - (after.own - before.own);
  return (Math.max(0, others) / Math.max(1, all)) * availableParallelism();
}

function idleTicks(): { readonly idle: number; readonly all: number } {
  const line = readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '';
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), all: ticks.reduce((sum, one) => sum + one, 0) };
}
