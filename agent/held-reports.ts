import { stateOf, type UpdateState } from '../src/domain/update.ts';

/** So long may a report wait while an app is down. Milliseconds. */
const HOLD_MS = 250;

/**
 * While an app is down nothing is more urgent than its start: what the hub is told of the steps in between, and all that
 * it does with it (a transaction, a message, an edit in a chat), would take the machine from it. So these reports wait
 * for the first one that is not about the switch alone, a quarter of a second at most. None is lost, and the order stays.
 */
export interface HeldReports<M> {
  /** @param urgent it, and what waits, goes at once */
  send(message: M, state: UpdateState, urgent: boolean): void;
  /** What waits goes now. */
  flush(): void;
}

export function createHeldReports<M>(send: (message: M) => void): HeldReports<M> {
  const held: M[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    for (const message of held.splice(0)) send(message);
  };
  return {
    flush,
    send(message, state, urgent) {
      held.push(message);
      if (urgent || stateOf(state).phase !== 'switching') flush();
      else timer ??= setTimeout(flush, HOLD_MS);
    },
  };
}
