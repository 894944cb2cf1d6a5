import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 4_000;
/** Of one core, over a look. */
const IDLE_SHARE = 0.01;
/** Of a core's time since the last rest, waiting not counted: more than a start takes, and so long that native code pays. */
const WORK_MS = 2_000;
/** A heap that has grown by less since the last time is not worth it. */
const GROWN_BYTES = 1_000_000;

/**
 * Gives memory back to the machine whenever this process has come to rest. V8 collects when it needs room; a process
 * that waits for days keeps what its start and its last update left behind, a fifth of all. Costs some 20 ms each
 * time, which is why it waits until nothing is done. Keeps no process alive.
 * @param lookMs how often it looks; for tests
 */
export function giveBackWhenIdle(lookMs = LOOK_MS): void {
  setFlagsFromString('--expose-gc');
  // Compiled code stays: the next update would compile it anew, between the app's stop and its start.
  setFlagsFromString('--no-flush-bytecode');
  // What is looked for in every line of a log is found quickly enough without: native code of patterns takes more room.
  setFlagsFromString('--regexp-tier-up-ticks=1000');
  compileNatively(false);
  const collect = runInNewContext('gc') as (options: { type: 'major'; execution: 'sync'; flavor: string }) => void;
  let kept = 0;
  let used = process.cpuUsage();
  let worked = 0;
  setInterval(() => {
    const { user, system } = process.cpuUsage(used);
    used = process.cpuUsage();
    const ms = (user + system) / 1_000;
    const isIdle = ms < lookMs * IDLE_SHARE;
    worked = isIdle ? 0 : worked + ms;
    compileNatively(worked >= WORK_MS);
    if (!isIdle) return;
    if (getHeapStatistics().total_heap_size < kept + GROWN_BYTES) return;
    // Pages that are half empty, too: at work that would take longer than it is worth.
    setFlagsFromString('--compact-on-every-full-gc');
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    setFlagsFromString('--no-compact-on-every-full-gc');
    kept = getHeapStatistics().total_heap_size;
    used = process.cpuUsage();
  }, lookMs).unref();
}

/**
 * V8's optimizing compilers, on or off; code that they made stays. A start runs a little of everything, and for that
 * little they would be read into memory and stay there, three megabytes of the agent and three of the hub; so would
 * they for what a heartbeat does, after some hours. They are for work that lasts: unpacking, hashing, a log that runs.
 */
function compileNatively(on: boolean): void {
  setFlagsFromString(on ? '--maglev' : '--no-maglev');
  setFlagsFromString(on ? '--turbofan' : '--no-turbofan');
}
