import type { Clock } from '../domain/id.ts';
import type { CheckedApp, ReleaseChecker } from './checker.ts';

/** How often it is looked whether a source is due. */
const LOOK_MS = 15_000;

/** Asks sources that did not answer again, when people were told that they would be. */
export interface Retries {
  start(): void;
  stop(): Promise<void>;
}

export function createRetries(deps: {
  readonly checker: ReleaseChecker;
  readonly apps: readonly CheckedApp[];
  readonly clock: Clock;
}): Retries {
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    for (const app of deps.apps) {
      if (ended.signal.aborted) return;
      const known = await deps.checker.known(app);
      if (!known?.problem || known.nextAt === undefined || known.nextAt > deps.clock.now()) continue;
      // Its failure is in the store, with the time of the next try: there is nobody here to tell.
      await deps.checker.check(app, { signal: ended.signal, automatic: true }).catch(() => undefined);
    }
  }

  return {
    start() {
      timer = setInterval(() => {
        round = round.then(look).catch(() => undefined);
      }, LOOK_MS);
    },
    async stop() {
      clearInterval(timer);
      ended.abort();
      await round;
    },
  };
}
