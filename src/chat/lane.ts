/** The works of one chat. */
export interface Lane {
  add(work: () => Promise<void>): void;
}

/**
 * Begins works in order. The next one begins when the one before has ended or has taken `holdMs`; never more
 * than `atOnce` run.
 */
export function createLane(options: { holdMs: number; atOnce: number; idle: () => void }): Lane {
  const waiting: (() => Promise<void>)[] = [];
  let held = false;
  let running = 0;
  /** Rises with each work: only the newest one's end lets the next begin early. */
  let turn = 0;

  function next(): void {
    if (held || running >= options.atOnce) return;
    const work = waiting.shift();
    if (!work) {
      if (running === 0) options.idle();
      return;
    }
    held = true;
    running += 1;
    turn += 1;
    const current = turn;
    const release = () => {
      if (!held || current !== turn) return;
      held = false;
      next();
    };
    const timer = setTimeout(release, options.holdMs);
    void work().finally(() => {
      clearTimeout(timer);
      running -= 1;
      release();
      next();
    });
  }
  return {
    add(work) {
      waiting.push(work);
      next();
    },
  };
}
