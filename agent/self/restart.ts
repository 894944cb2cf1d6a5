import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KeeperClient } from '../keeper/client.ts';
import type { KeptApp } from '../keeper/protocol.ts';
import { readArmed, writeArmed } from './lone-start.ts';

/** How this agent makes way for another build of itself, and how that one is known to be well. */
export interface SelfRestart {
  /** Leaves word, durably, that `fallback` is to run unless a new agent commits within `forMs`. */
  arm(fallback: string, forMs: number): Promise<void>;
  /** Asks for the end of this process in favour of what `current` names. Resolves before it comes. */
  restart(): Promise<void>;
  /** This agent is well: it stays. */
  commit(): Promise<void>;
  /** Was the way back taken, because a newer agent did not commit? */
  fellBack(): Promise<Pick<KeptApp, 'fellBack' | 'fellBackFor'>>;
  /** Of the keeper that runs; of this agent where there is none. */
  keeperVersion(): Promise<string | undefined>;
  /** Has the keeper, too, go on with what its `current` names. Apps run on. */
  renewKeeper(): Promise<void>;
}

const RENEW_MS = 30_000;

/** The keeper starts and stops this agent, and owns the deadline of its update. */
export function keptRestart(keeper: KeeperClient, log: (line: string) => void): SelfRestart {
  return {
    async arm(fallback, forMs) {
      await keeper.ask('hold', { app: 'agent', hold: { fallback: join('releases', fallback), forMs } });
    },
    async restart() {
      // Answered to the next agent, if at all: what is asked is the end of this one.
      keeper.ask('restart', { app: 'agent' }, { timeoutMs: RENEW_MS }).catch((error: unknown) => {
        log(`the keeper did not restart the agent: ${String(error)}`);
      });
    },
    async commit() {
      await keeper.ask('commit', { app: 'agent' });
    },
    fellBack: async () => (await keeper.ask('status', {})).apps.agent ?? { fellBack: false },
    keeperVersion: async () => (await keeper.ask('hello', {})).version,
    async renewKeeper() {
      const before = await keeper.ask('hello', {});
      await keeper.ask('renew', {});
      const end = performance.now() + RENEW_MS;
      while (performance.now() < end) {
        const now = await keeper.ask('hello', {}, { timeoutMs: RENEW_MS });
        if (now.pid !== before.pid) {
          log(`keeper ${now.version} has taken over, pid ${now.pid}`);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error('the keeper did not make way for its next version');
    },
  };
}

/**
 * No keeper (a container's only process): this process becomes the other build. Nobody watches it from outside but
 * whoever starts the container again, so each such start counts (`lone-start.ts`), and the third without a commit is of
 * the build before. An agent that hangs is for the container's own health check.
 */
export function loneRestart(file: string, end: () => void): SelfRestart {
  return {
    arm: async (fallback) => writeArmed(file, { fallback, starts: 0, fellBack: false }),
    restart: async () => end(),
    commit: async () => rmSync(file, { force: true }),
    fellBack: async () =>
      readArmed(file)?.fellBack ? { fellBack: true, fellBackFor: { why: 'ends', code: null } } : { fellBack: false },
    keeperVersion: async () => undefined,
    renewKeeper: async () => undefined,
  };
}
