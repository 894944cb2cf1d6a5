import type { AgentConfig } from '../config/agent-schema.ts';
import type { AgentMessage } from '../src/protocol/messages.ts';
import type { RemotePolicyDeps } from './remote-policy.ts';
import { problemOf } from './updater/task.ts';

/** Takes signed policies that a hub hands on, when nothing is under way, and has the agent begin anew with them. */
export interface PolicyInbox {
  /** Answers the hub when it is decided. Never throws. */
  take(offer: { readonly document: string; readonly signature: string }, hubNow: number): Promise<void>;
  /** Looks again at one that had to wait. */
  look(): Promise<void>;
}

export interface PolicyInboxDeps extends Omit<RemotePolicyDeps, 'parse'> {
  /** Absent where this agent was given no reader. */
  readonly parse?: ((text: string, file: string) => AgentConfig) | undefined;
  /** An update that is under way began with the file of before. */
  readonly isBusy: () => boolean;
  readonly now: () => number;
  readonly send: (message: AgentMessage) => void;
  readonly restart: () => Promise<void>;
  readonly log: (line: string) => void;
}

export function createPolicyInbox(deps: PolicyInboxDeps): PolicyInbox {
  const { log, send } = deps;
  const parse = deps.parse ?? unreadable;
  let waiting:
    | { readonly offer: { readonly document: string; readonly signature: string }; readonly hubNow: number }
    | undefined;

  async function look(): Promise<void> {
    if (!waiting || deps.isBusy()) return;
    const { offer, hubNow } = waiting;
    waiting = undefined;
    try {
      const { applyPolicy } = await import('./remote-policy.ts');
      const taken = applyPolicy({ ...deps, parse }, offer, Math.max(deps.now(), hubNow));
      send({ type: 'policy-result', accepted: true, ...taken });
      if (!taken.changed) return;
      log(`policy ${taken.number} is in place: the agent begins anew with it`);
      await deps.restart();
    } catch (error) {
      log(`a policy was refused: ${String(error)}`);
      send({ type: 'policy-result', accepted: false, problem: problemOf(error, 'agent') });
    }
  }

  return {
    look,
    async take(offer, hubNow) {
      waiting = { offer, hubNow };
      await look();
    },
  };
}

function unreadable(): never {
  throw new Error('this agent reads no policies');
}
