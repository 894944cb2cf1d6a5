import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What the load generator has seen since its start. */
export interface LoadReport {
  readonly sent: number;
  /** Whole answers with status 200. */
  readonly answered: number;
  readonly failed: number;
  /** How many failed of what: a code of the system, or words. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of the processes that answered. */
  readonly pids: readonly number[];
  /** In which requests were begun. */
  readonly seconds: number;
  readonly slowestMs: number;
}

export interface Load {
  /** What was seen so far. */
  report(): Promise<LoadReport>;
  /** Begins no more requests, waits for those under way (20 s at the most), and ends the process. */
  end(): Promise<LoadReport>;
  /** For a test that failed: nothing is waited for. */
  kill(): void;
}

/**
 * Starts a load on 127.0.0.1:`port`: `rate` new connections a second, begun in time whatever becomes of those before.
 * The app answers `pid N` and closes.
 */
export function startLoad(port: number, rate: number): Load {
  const child = fork(join(import.meta.dirname, 'load-entry.ts'), [String(port), String(rate)]);
  const ask = async (what: 'report' | 'end') => {
    const answer = once(child, 'message', { signal: AbortSignal.timeout(30_000) });
    child.send(what);
    return ((await answer) as [LoadReport])[0];
  };
  return {
    report: () => ask('report'),
    async end() {
      const last = await ask('end');
      child.disconnect();
      return last;
    },
    kill: () => child.kill('SIGKILL'),
  };
}
