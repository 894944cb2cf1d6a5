import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 4_000;
/** Of one core, over a look. */
const IDLE_SHARE = 0.01;
/** A heap that has grown by less since the last time is not worth it. */
const GROWN_BYTES = 1_000_000;

/**
 * Gives memory back to the machine whenever this process has come to rest. V8 collects when it needs room; a process
 * that waits for days keeps what its start and its last update left behind, a fifth of all. Costs some 20 ms each
 * time, which is why it waits until nothing is done. Keeps no process alive.
 */
export function giveBackWhenIdle(): void {
  setFlagsFromString('--expose-gc');
  // Compiled code stays: the next update would compile it anew, between the app's stop and its start.
  setFlagsFromString('--no-flush-bytecode');
  // What is looked for in every line of a log is found quickly enough without: native code of patterns takes more room.
  setFlagsFromString('--regexp-tier-up-ticks=1000');
  const collect = runInNewContext('gc') as (options: { type: 'major'; execution: 'sync'; flavor: string }) => void;
  let kept = 0;
  let used = process.cpuUsage();
  setInterval(() => {
    const { user, system } = process.cpuUsage(used);
    used = process.cpuUsage();
    const isIdle = (user + system) / 1_000 < LOOK_MS * IDLE_SHARE;
    if (!isIdle || getHeapStatistics().total_heap_size < kept + GROWN_BYTES) return;
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    kept = getHeapStatistics().total_heap_size;
    used = process.cpuUsage();
  }, LOOK_MS).unref();
}
