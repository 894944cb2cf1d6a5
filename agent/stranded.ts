import type { AppConfig } from '../config/agent-schema.ts';
import { isFinal } from '../src/domain/update.ts';
import type { Journal } from './journal.ts';
import type { RestartDriver } from './restart/contract.ts';

/** The keeper tries what it keeps for ever; this does it for units, also where the keeper has forgotten to. */

const FIRST_MS = 30_000;
const LONGEST_MS = 10 * 60_000;

export interface Stranded {
  /** Starts, with backoff, what an update left stopped because going back failed too. Never throws. */
  retry(): Promise<void>;
}

export function createStranded(deps: {
  readonly journal: Pick<Journal, 'list'>;
  /** Apps of the file, without those that are being updated. */
  readonly apps: () => readonly (readonly [string, AppConfig])[];
  readonly driver: (app: string, config: AppConfig) => RestartDriver;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly log: (line: string) => void;
}): Stranded {
  const next = new Map<string, { readonly at: number; readonly waitMs: number }>();

  async function retryOne(app: string, config: AppConfig): Promise<void> {
    const { kind } = config.restart;
    // A command is the keeper's to try: two who start it might run it twice. A unit is started once, whoever asks.
    const last = deps.journal.list().findLast(({ order }) => order.app === app);
    const left = last !== undefined && isFinal(last.state) && last.state === 'rollback-failed';
    if (!left || kind !== 'systemd') {
      next.delete(app);
      return;
    }
    const { at, waitMs } = next.get(app) ?? { at: 0, waitMs: FIRST_MS };
    if (deps.now() < at) return;
    const driver = deps.driver(app, config);
    if ((await driver.status(app))?.running) return;
    next.set(app, { at: deps.now() + waitMs, waitMs: Math.min(waitMs * 2, LONGEST_MS) });
    deps.log(`${app}: going back had failed and it does not run: started again`);
    await driver.start(app);
  }

  return {
    async retry() {
      for (const [app, config] of deps.apps()) {
        await retryOne(app, config).catch((error: unknown) => deps.log(`${app}: ${String(error)}`));
      }
    },
  };
}
