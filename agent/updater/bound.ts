import { isSelf } from '../../src/domain/app.ts';
import { FettleError } from '../../src/domain/errors.ts';

/**
 * How many updates a device works on at once, from fetching on. Who is through stays through to the end, so that
 * nothing waits here with an app stopped; Fettle's own updates don't wait, since the gate may have others wait for them.
 */
export interface Bound {
  /**
   * Resolves when `app` may go on, first come first served. Going through twice is once.
   * @param onWait called when it has to wait, with an app that it waits for
   * @throws {FettleError} `busy {app, other}` when the signal ends the wait
   */
  enter(
    app: string,
    options: { readonly signal: AbortSignal; readonly onWait: (other: string) => void },
  ): Promise<void>;
  /** Goes through at once: an update that was past fetching when the agent ended. */
  force(app: string): void;
  /** The update is over, however it ended. */
  leave(app: string): void;
}

export function createBound(atOnce: number): Bound {
  const inside = new Set<string>();
  const line: { readonly app: string; readonly go: () => void }[] = [];

  function next(): void {
    while (inside.size < atOnce) {
      const first = line.shift();
      if (!first) return;
      inside.add(first.app);
      first.go();
    }
  }

  return {
    async enter(app, { signal, onWait }) {
      if (isSelf(app) || inside.has(app)) return;
      const turn = Promise.withResolvers<void>();
      const place = { app, go: turn.resolve };
      line.push(place);
      next();
      if (inside.has(app)) return;
      const [other = ''] = inside;
      const end = () => {
        const at = line.indexOf(place);
        if (at < 0) return;
        line.splice(at, 1);
        turn.reject(new FettleError('busy', { data: { app, other }, retryable: true, cause: signal.reason }));
      };
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
      else onWait(other);
      try {
        await turn.promise;
      } finally {
        signal.removeEventListener('abort', end);
      }
    },
    force(app) {
      if (!isSelf(app)) inside.add(app);
    },
    leave(app) {
      inside.delete(app);
      next();
    },
  };
}
