import { FettleError } from '../../src/domain/errors.ts';

/**
 * Who may touch what runs, and when. Updates of different apps go side by side; the update of the agent itself goes
 * alone: it waits until none is past this gate, and while it waits or is past it, none goes through.
 */
export interface Gate {
  /**
   * Resolves when `app` may go on. Going through twice is once.
   * @param onWait called when it has to wait, with the app that it waits for
   * @throws {FettleError} `busy {app, other}` when the signal ends the wait
   */
  enter(
    app: string,
    options: { readonly signal: AbortSignal; readonly onWait: (other: string) => void },
  ): Promise<void>;
  /** Goes through at once: an update that was past the gate when the agent ended. */
  force(app: string): void;
  /** The update is over, however it ended. */
  leave(app: string): void;
}

const ALONE = 'agent';

export function createGate(): Gate {
  const inside = new Set<string>();
  /** The agent's update stands at the gate: nobody else goes through before it. */
  let aloneWaits = false;
  let moved = Promise.withResolvers<void>();

  function obstacle(app: string): string | undefined {
    if (app === ALONE) return [...inside].find((one) => one !== app);
    return aloneWaits || inside.has(ALONE) ? ALONE : undefined;
  }

  function move(change: () => void): void {
    change();
    moved.resolve();
    moved = Promise.withResolvers();
  }

  return {
    async enter(app, { signal, onWait }) {
      const ended = Promise.withResolvers<'ended'>();
      const end = () => ended.resolve('ended');
      signal.addEventListener('abort', end, { once: true });
      if (app === ALONE) aloneWaits = true;
      try {
        let told: string | undefined;
        for (let other = obstacle(app); other !== undefined; other = obstacle(app)) {
          if (other !== told) onWait(other);
          told = other;
          if (signal.aborted || (await Promise.race([moved.promise, ended.promise])) === 'ended') {
            throw new FettleError('busy', { data: { app, other }, retryable: true, cause: signal.reason });
          }
        }
        inside.add(app);
      } finally {
        signal.removeEventListener('abort', end);
        if (app === ALONE) move(() => (aloneWaits = false));
      }
    },
    force: (app) => void inside.add(app),
    leave: (app) => move(() => inside.delete(app)),
  };
}
