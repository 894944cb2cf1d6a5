import { FettleError } from '../../src/domain/errors.ts';
import { probe } from '../health/probe.ts';
import { isOwnFault } from '../updater/blocked.ts';
import { deadlineOf } from '../updater/deadlines.ts';
import { readTail } from '../updater/log-tail.ts';
import { slotOf } from '../updater/prepare.ts';
import type { SelfParts } from '../updater/task.ts';
import { outcomeOf } from '../updater/task.ts';
import type { SelfRestart } from './restart.ts';

/**
 * The agent's own update, from the point of no return on. The agent can't stop itself and go on, so each half is
 * another process's: the old one switches and asks for its end; the new one finds the journal in `starting` and proves
 * itself; where it can't, the old one is started again and finds that.
 */
export interface AgentWorksDeps {
  readonly restart: SelfRestart;
  /** Is the hub reached within so many milliseconds? */
  readonly reached: (withinMs: number, signal: AbortSignal) => Promise<boolean>;
  /** The slot that this process runs from. */
  readonly runs: () => string | undefined;
  /** The keeper's own pointer follows the agent's slot. */
  readonly pointKeeper: () => void;
}

/** For the new agent to start and read its journal. The old one ends within its own grace. */
const START_MS = 20_000;
/** An agent finds its hub sooner than this, where there is one. */
const REACH_MS = 20_000;
const LOG_LINES = 30;
const LOG_BYTES = 6_000;
const LOG_CHARACTERS = 8_000;

export function agentWorks(deps: AgentWorksDeps): SelfParts['works'] {
  const { restart } = deps;

  /** Asks for the end of this process and waits for it. */
  async function makeWay(signal: AbortSignal): Promise<void> {
    await restart.restart();
    await new Promise<void>((_, reject) => {
      const end = () => reject(signal.reason);
      if (signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
    });
  }

  return {
    async stopping(task) {
      const { entry, config } = task;
      if (entry.from === null) throw new FettleError('not_installed', { data: { app: task.app } });
      const forMs = config.stop.grace + START_MS + deadlineOf(config, 'probing');
      await restart.arm(entry.from, forMs);
      task.enter('swapping');
    },

    async swapping(task) {
      const { entry, slots, deps: given } = task;
      if (entry.to !== entry.from) slots.activate(slotOf(task));
      task.enter('starting', { startedNew: true, lastGoodAnswerAt: given.clock.now() });
    },

    starting: (_task, signal) => makeWay(signal),

    async probing(task, signal) {
      const { entry, config } = task;
      const slot = slotOf(task);
      const { proof, firstGoodAt } = await probe(
        task.deps.checks,
        {
          subject: { ...task.subject(slot, ''), runs: () => deps.runs() === slot },
          health: config.healthy,
          version: entry.toVersion,
          periodMs: config.healthy.for,
          onGood: (done, total) => task.progress({ unit: 'checks', done, total }),
        },
        task.deps.clock,
        signal,
      );
      const outageMs = entry.lastGoodAnswerAt === null ? null : Math.max(0, firstGoodAt - entry.lastGoodAnswerAt);
      // The keeper first: a crash in between finds a journal in `probing`, and proves itself once more.
      await restart.commit();
      const proven = { ...entry, proof, outageMs };
      task.enter('committing', { proof, outageMs, outcome: outcomeOf(proven, 'succeeded', task.deps.clock.now()) });
    },

    async committing(task) {
      const { entry, app, slots, deps: given } = task;
      if (entry.from !== null && entry.from !== entry.to) slots.setLastGood(entry.from);
      const { release } = entry.order;
      if (release) given.blocked.clear(app, release.digest);
      deps.pointKeeper();
      slots.prune([slotOf(task), ...(task.self?.needed() ?? [])]);
      task.enter('succeeded');
      if (entry.order.kind !== 'restart') {
        await restart.renewKeeper().catch((error: unknown) => given.log(`agent: ${String(error)}`));
      }
    },

    async reverting(task) {
      const { entry, app, slots, deps: given } = task;
      given.ballast.drop();
      const tail = given.redact(app, readTail(given.layout.appLog(app), LOG_LINES, LOG_BYTES)).slice(-LOG_CHARACTERS);
      if (entry.from !== null && entry.to !== entry.from) slots.activate(entry.from);
      task.enter('restarting', { attempts: 0, logTail: entry.logTail ?? (tail || null) });
    },

    async restarting(task, signal) {
      if (task.entry.from !== deps.runs()) await makeWay(signal);
      else task.enter('reprobing', { attempts: task.entry.attempts });
    },

    async reprobing(task, signal) {
      // It runs this line: it is at least as well as before.
      const { entry, app, deps: given } = task;
      const now = given.clock.now();
      const outageMs = entry.lastGoodAnswerAt === null ? null : Math.max(0, now - entry.lastGoodAnswerAt);
      const { release } = entry.order;
      const code = entry.problem?.code ?? 'internal';
      // Where this one does not reach the hub either, it was not for the new one to reach it.
      const away = code === 'health_failed' && !(await deps.reached(REACH_MS, signal));
      const problem = entry.problem && away ? { ...entry.problem, retryable: true } : entry.problem;
      if (release && !away && isOwnFault(entry.order.kind, code)) given.blocked.block(app, release, code, now);
      await restart.commit();
      const ended = { ...entry, outageMs, problem };
      task.enter('rolled-back', { outageMs, problem, outcome: outcomeOf(ended, 'rolled-back', now) });
    },
  };
}
