import { type FSWatcher, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { AgentMessage } from '../protocol/messages.ts';
import { isFor, readSignedPolicy } from '../protocol/policy-document.ts';
import type { Gateway, Peer } from './gateway.ts';

/**
 * Signed policies that lie in `hub/policies`: carried to the devices that they are for. The hub can't make one, and what it
 * thinks of one decides nothing.
 */
export interface PolicyOffers {
  /** Offers what lies there for the device. */
  /** `host`: how the device calls itself, which it is named by in a policy. */
  connected(peer: HostPeer): void;
  answer(peer: Peer, message: Extract<AgentMessage, { type: 'policy-result' }>): void;
  start(): void;
  stop(): void;
}

/** Longer files are none. */
type HostPeer = Peer & { readonly host?: string };

/** By the name that people here gave it, too: the device refuses that, and says what it is called. */
const fits = (about: Parameters<typeof isFor>[0], { device, name, host = name }: HostPeer) =>
  isFor(about, { id: device, name: host }) || isFor(about, { id: device, name });

const MAX_FILE = 300_000;

export function createPolicyOffers(deps: {
  readonly folder: string;
  readonly gateway: () => Pick<Gateway, 'send' | 'isConnected'>;
  readonly log: (line: string) => void;
}): PolicyOffers {
  const { folder, log } = deps;
  const peers = new Map<string, HostPeer>();
  let watcher: FSWatcher | undefined;
  let soon: NodeJS.Timeout | undefined;

  function offer(peer: HostPeer): void {
    const fitting = read().filter(({ about }) => fits(about, peer));
    const newest = fitting.sort((a, b) => b.about.number - a.about.number)[0];
    if (!newest) return;
    const { document, signature } = newest;
    deps.gateway().send(peer.device, { type: 'policy', document, signature });
  }

  function read() {
    return namesIn(folder).flatMap((name) => {
      try {
        const text = readFileSync(join(folder, name), 'utf8');
        return text.length > MAX_FILE ? [] : [readSignedPolicy(text)];
      } catch (error) {
        log(`policies/${name} is no signed policy: ${String(error).slice(0, 200)}`);
        return [];
      }
    });
  }

  return {
    connected(peer) {
      peers.set(peer.device, peer);
      offer(peer);
    },
    answer({ name }, { accepted, number, changed, problem }) {
      if (accepted && changed === true) log(`${name} has taken policy ${number ?? ''}`);
      else if (!accepted)
        log(`${name} refused its policy: ${problem?.code ?? ''} ${JSON.stringify(problem?.data ?? {})}`);
    },
    start() {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      try {
        watcher = watch(folder, () => {
          clearTimeout(soon);
          soon = setTimeout(() => {
            for (const peer of peers.values()) if (deps.gateway().isConnected(peer.device)) offer(peer);
          }, 200);
        });
        watcher.on('error', () => undefined);
      } catch (error) {
        log(`policies are offered at connects only: ${String(error)}`);
      }
    },
    stop() {
      clearTimeout(soon);
      watcher?.close();
    },
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
}
