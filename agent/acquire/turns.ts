/** One at a time for each key: two apps of one repository share its mirror. */
export interface Turns {
  /** Runs `work` when all that came before it for this key has ended. A signal that is aborted ends the wait. */
  take<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    async take(key, signal, work) {
      const before = last.get(key) ?? Promise.resolve();
      const ended = Promise.withResolvers<void>();
      // Whoever comes next waits for all before it, also where this one does not wait to the end.
      const mine = before.then(() => ended.promise);
      last.set(key, mine);
      const aborted = Promise.withResolvers<never>();
      const onAbort = () => aborted.reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        signal.throwIfAborted();
        await Promise.race([before, aborted.promise]);
        return await work();
      } finally {
        signal.removeEventListener('abort', onAbort);
        ended.resolve();
        if (last.get(key) === mine) last.delete(key);
      }
    },
  };
}
