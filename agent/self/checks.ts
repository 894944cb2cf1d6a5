import type { Check } from '../health/contract.ts';
import { fetchOnce } from '../health/http.ts';
import { listeningPorts } from '../keeper/processes.ts';

/** How one knows that a hub or an agent is well, beside its process being there. */

export interface HubCheckDeps {
  /** The port that the hub wrote down; it may be another after each start. */
  readonly port: () => number | undefined;
  /** Version of the hub that this agent is connected to; `undefined` while it is not. */
  readonly connectedTo: () => string | undefined;
  /** It answers, so it can be dialled. */
  readonly reconnect: () => void;
}

/**
 * A hub is well when it says so itself (`/healthz`: its store is open and the chats that were connected before are
 * connected again), on a port that it owns, and when this agent has reconnected to it.
 */
export function createHubCheck(deps: HubCheckDeps): Check {
  return {
    kind: 'hub',
    applies: (health) => health.http !== undefined,
    async look(subject, health, signal) {
      const port = deps.port();
      if (port === undefined) return { good: false, reason: 'it has not said on which port it listens' };
      let answer: { readonly status: number; readonly body: string };
      try {
        answer = await fetchOnce(
          new URL(`http://127.0.0.1:${port}/healthz`),
          AbortSignal.any([signal, AbortSignal.timeout(health.timeout)]),
        );
      } catch {
        signal.throwIfAborted();
        return { good: false, reason: `port ${port} does not answer` };
      }
      const { version, waitingFor } = read(answer.body);
      if (answer.status !== 200) {
        return { good: false, reason: waitingFor ? `waiting for ${waitingFor}` : `it answers with ${answer.status}` };
      }
      if (!listeningPorts(await subject.pids()).includes(port)) {
        return { good: false, reason: `port ${port} belongs to another program` };
      }
      if (version === undefined) return { good: false, reason: 'its answer has no version' };
      // A connection to the old hub may not have been noticed as lost yet.
      if (deps.connectedTo() !== version) {
        deps.reconnect();
        return { good: false, reason: 'the agent has not reconnected to it yet' };
      }
      return { good: true, version };
    },
  };
}

/** An agent is well when it has reached its hub. Its journal was read and its recovery done, or it would not look. */
export function createAgentCheck(deps: {
  readonly version: string;
  readonly connectedTo: () => string | undefined;
}): Check {
  return {
    kind: 'agent',
    applies: (health) => health.http !== undefined,
    async look() {
      return deps.connectedTo() === undefined
        ? { good: false, reason: 'the hub has not been reached' }
        : { good: true, version: deps.version };
    },
  };
}

function read(body: string): { readonly version?: string; readonly waitingFor?: string } {
  try {
    const found = JSON.parse(body) as { version?: unknown; waitingFor?: unknown };
    return {
      ...(typeof found.version === 'string' ? { version: found.version } : {}),
      ...(Array.isArray(found.waitingFor) ? { waitingFor: found.waitingFor.map(String).join(', ').slice(0, 200) } : {}),
    };
  } catch {
    return {};
  }
}
