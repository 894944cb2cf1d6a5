import { createHash } from 'node:crypto';
import type { AgentConfig } from '../config/agent-schema.ts';
import type { AgentMessage } from '../src/protocol/messages.ts';
import type { DeviceAudit } from './audit/index.ts';
import { type Sent, saidBy } from './audit/said.ts';
import type { RemotePolicyDeps } from './remote-policy.ts';
import { problemOf } from './updater/task.ts';

/** What a hub hands on. */
export interface PolicyOffer {
  readonly document: string;
  readonly signature: string;
}

/** Takes signed policies that a hub hands on, when nothing is under way, and has the agent begin anew with them. */
export interface PolicyInbox {
  /** Answers the hub when it is decided. Never throws. */
  take(offer: PolicyOffer, hubNow: number, sent?: Sent): Promise<void>;
  /** Looks again at one that had to wait. */
  look(): Promise<void>;
}

export interface PolicyInboxDeps extends Omit<RemotePolicyDeps, 'parse' | 'onTaken'> {
  readonly audit: Pick<DeviceAudit, 'append' | 'sparing'>;
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
  let waiting: { readonly offer: PolicyOffer; readonly hubNow: number; readonly sent: Sent | undefined } | undefined;
  /** What was refused last: a hub offers it again at each connect, and it is written down once. */
  let refused = '';

  async function look(): Promise<void> {
    if (!waiting || deps.isBusy()) return;
    const { offer, hubNow, sent } = waiting;
    waiting = undefined;
    const how = { digest: digestOf(offer), ...(sent && saidBy(sent)) };
    try {
      const { applyPolicy } = await import('./remote-policy.ts');
      const onTaken = (number: number) => deps.audit.append({ what: 'policy', number, ...how, verdict: 'taken' });
      const taken = applyPolicy({ ...deps, parse, onTaken }, offer, Math.max(deps.now(), hubNow));
      send({ type: 'policy-result', accepted: true, ...taken });
      if (!taken.changed) return;
      log(`policy ${taken.number} is in place: the agent begins anew with it`);
      await deps.restart();
    } catch (error) {
      log(`a policy was refused: ${String(error)}`);
      const problem = problemOf(error, 'agent');
      const why = String(problem.data.reason ?? problem.data.what ?? '');
      const about = [how.digest, problem.code, why].join();
      if (about !== refused) deps.audit.sparing.note({ what: 'policy', ...how, verdict: problem.code, why });
      refused = about;
      send({ type: 'policy-result', accepted: false, problem });
    }
  }

  return {
    look,
    async take(offer, hubNow, sent) {
      waiting = { offer, hubNow, sent };
      await look();
    },
  };
}

/** Over the document, whoever has signed it. */
function digestOf({ document }: PolicyOffer): string {
  return createHash('sha256').update(document).digest('hex');
}

function unreadable(): never {
  throw new Error('this agent reads no policies');
}
