import { existsSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { HomeLayout } from '../../config/home.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { createKeeperClient, type KeeperClient, KeeperRefusal } from '../keeper/client.ts';
import { type Lock, takeLock } from '../keeper/lock.ts';
import { allPids } from '../keeper/proc.ts';
import type { KeptApp } from '../keeper/protocol.ts';
import { commandLine } from '../keeper/scan.ts';
import { Refused, type RescueOptions } from './contract.ts';
import { type OwnKeeper, openOwnKeeper } from './own-keeper.ts';

/** Who does what meanwhile: the keeper's work, and whether the agent could interfere. */
export interface Charge {
  /** The keeper that lives, or our own in this process. */
  readonly keeper: KeeperClient;
  /** Ours: nobody watches when the rescue has ended. */
  readonly own: OwnKeeper | undefined;
  /** We hold the agent's lock: no agent can begin. */
  readonly agentIsOurs: () => boolean;
  /** Ends the agent for the time of the rescue and takes its lock. @throws {Refused} `agent-alone` */
  takeAgent(): Promise<void>;
  /** Lets go of everything, and starts the agent again where it was ended here. */
  release(): Promise<void>;
}

/** How long the start script needs to start a keeper again. */
const KEEPER_BACK_MS = 4_000;
const HELLO_MS = 5_000;
/** An agent that fails again and again holds its lock for moments; one that is well says so within this. */
const AGENT_MS = 5_000;
const STOP_MS = 30_000;

/**
 * Takes charge of the device for one rescue: the rescue's lock, the keeper's where no keeper lives, the agent's where
 * no agent lives or it never gets well.
 *
 * @throws {Refused} `rescue-runs` · `keeper-silent` · `agent-alone`
 * @throws {FettleError} `home_not_writable`
 */
export async function takeCharge(options: RescueOptions): Promise<Charge> {
  const { layout, signal, log } = options;
  const rescue = rescueLock(layout);
  if (rescue === 'taken') throw new Refused({ why: 'rescue-runs' });
  let keeper: KeeperClient | undefined;
  let agent: Lock | undefined;
  let startAgain = false;
  const status = async (app: string): Promise<KeptApp | undefined> =>
    (await keeper?.ask('status', {}, { timeoutMs: HELLO_MS }))?.apps[app];

  async function takeAgent(): Promise<void> {
    const kept = await status('agent');
    if (kept?.running || (kept && own === undefined)) {
      if (kept.running) options.say({ step: 'agent-stopped' });
      // Also where it is stopped already: an earlier rescue was cut off.
      startAgain = own === undefined;
      await keeper?.ask('stop', { app: 'agent' }, { timeoutMs: STOP_MS });
    }
    if (agent) return;
    agent = await soon(AGENT_MS, signal, async () => tryLock(layout.agent.lock));
    if (!agent) throw new Refused({ why: 'agent-alone', pids: pidsOf(layout, 'agent') });
  }

  async function release(): Promise<void> {
    agent?.release();
    if (startAgain && own === undefined) {
      await keeper
        ?.ask('start', { app: 'agent' })
        .catch((error: unknown) => log(`the agent could not be started again: ${String(error)}`));
    }
    keeper?.close();
    if (typeof rescue === 'object') rescue.release();
  }

  let own: OwnKeeper | undefined;
  try {
    own = await ownKeeper(options);
    if (rescue === 'impossible' && !own) {
      throw new FettleError('home_not_writable', {
        data: { home: layout.home, reason: 'its disk is full or read-only' },
      });
    }
    keeper = own ?? (await livingKeeper(layout));
    // The agent itself is to be started: its lock is its own, and what it does is ended with it.
    if (options.app === 'agent') return { keeper, own, agentIsOurs: () => false, takeAgent, release };
    agent = tryLock(layout.agent.lock);
    if (agent) {
      // A keeper that lives would start it again and again, count that as failures, and end our hold.
      if (own === undefined) await takeAgent();
    } else if (own !== undefined || !(await isWell(status, signal))) {
      // An agent without a keeper can't switch anything; one that does not get well won't either.
      await takeAgent();
    }
    return { keeper, own, agentIsOurs: () => agent !== undefined, takeAgent, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * Files of another user's would keep the home's own from reading them, and the app would run as somebody else.
 * @throws {Refused} `other-user`
 */
export function refuseOtherUser({ home }: HomeLayout): void {
  const owner = statSync(home).uid;
  if (owner !== process.geteuid?.()) throw new Refused({ why: 'other-user', uid: owner });
}

/** An agent whose last start has not crashed: what it does is its own. */
async function isWell(status: (app: string) => Promise<KeptApp | undefined>, signal: AbortSignal): Promise<boolean> {
  const kept = await status('agent');
  // Not the keeper's: somebody runs it alone, and looks after it.
  if (!kept) return true;
  return (
    (await soon(AGENT_MS, signal, async () => {
      const now = await status('agent');
      return now?.running && now.crashes === 0 ? true : undefined;
    })) === true
  );
}

async function ownKeeper({ layout, environment, app, log, signal }: RescueOptions): Promise<OwnKeeper | undefined> {
  const open = () => {
    try {
      return openOwnKeeper({ layout, environment, only: [app, 'agent'], log: (text) => log(`keeper: ${text}`) });
    } catch (error) {
      if (error instanceof FettleError && error.code === 'home_in_use') return undefined;
      throw error;
    }
  };
  // The start script brings a keeper back within a second or two; to take its lock meanwhile would end the script.
  if (pidsOf(layout, 'start').length > 0) {
    const held = await soon(KEEPER_BACK_MS, signal, async () => {
      const lock = tryLock(layout.keeper.lock);
      lock?.release();
      return lock === undefined ? true : undefined;
    });
    if (held) return undefined;
  }
  return open();
}

async function livingKeeper(layout: HomeLayout): Promise<KeeperClient> {
  const keeper = createKeeperClient(layout.runtime.keeperSocket);
  try {
    await keeper.ask('hello', {}, { timeoutMs: HELLO_MS });
    return keeper;
  } catch (error) {
    keeper.close();
    if (error instanceof KeeperRefusal) throw error;
    throw new Refused({ why: 'keeper-silent', pids: pidsOf(layout, 'keeper') });
  }
}

/**
 * The first rescue on a read-only disk can't make its lock. Where no keeper lives that is no loss: the keeper's lock,
 * which is there, keeps a second rescue out as well.
 */
function rescueLock(layout: HomeLayout): Lock | 'taken' | 'impossible' {
  try {
    return tryLock(layout.agent.rescue) ?? 'taken';
  } catch (error) {
    if (existsSync(layout.agent.rescue) || !existsSync(layout.keeper.lock)) throw error;
    return 'impossible';
  }
}

function tryLock(path: string): Lock | undefined {
  try {
    return takeLock(path);
  } catch (error) {
    if (error instanceof FettleError && error.code === 'home_in_use') return undefined;
    throw error;
  }
}

/** Processes of this home by their command lines: to tell people of, and to wait for; never to end. */
export function pidsOf(layout: HomeLayout, what: 'start' | 'keeper' | 'agent' | 'hub'): number[] {
  return allPids().filter((pid) => {
    const words = commandLine(pid);
    if (what === 'start') return words[0] === '/bin/sh' && words[1] === layout.keeper.start;
    const role = words.indexOf(what);
    return words[0] !== '/bin/sh' && role > 0 && words[role + 1] === '--home' && words[role + 2] === layout.home;
  });
}

/** Looks again and again for a while. */
export async function soon<T>(
  limitMs: number,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const end = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined || performance.now() >= end) return seen;
    await delay(100, undefined, { signal });
  }
}
