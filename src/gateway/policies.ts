import { createHash } from 'node:crypto';
import { type FSWatcher, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import type { Clock } from '../domain/id.ts';
import type { AgentMessage } from '../protocol/messages.ts';
import { isFor, readSignedPolicy } from '../protocol/policy-document.ts';
import { addAudit, listAudit } from '../store/audit.ts';
import type { Database } from '../store/schema.ts';
import type { Gateway, Peer } from './gateway.ts';

/**
 * Signed policies that lie in `hub/policies`: carried to the devices that they are for. The hub can't make one, and what it
 * thinks of one decides nothing. That one was offered, and what the device made of it, is in the audit log once, though it is
 * offered at each connect.
 */
export interface PolicyOffers {
  /** Offers what lies there for the device; never throws. */
  /** `host`: how the device calls itself, which it is named by in a policy. */
  connected(peer: HostPeer): Promise<void>;
  answer(peer: Peer, message: Extract<AgentMessage, { type: 'policy-result' }>): Promise<void>;
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
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly folder: string;
  readonly gateway: () => Pick<Gateway, 'send' | 'isConnected'>;
  readonly log: (line: string) => void;
}): PolicyOffers {
  const { db, folder, log } = deps;
  const peers = new Map<string, HostPeer>();
  /** What each was offered last. */
  const offered = new Map<string, { readonly number: number; readonly digest: string }>();
  let watcher: FSWatcher | undefined;
  let soon: NodeJS.Timeout | undefined;

  /** @param said by whom, and what it came to */
  async function note(
    peer: Peer,
    { number, digest }: { readonly number: number; readonly digest: string },
    said: { readonly action: 'policy-offer' | 'policy'; readonly result?: string; readonly why?: string },
  ): Promise<void> {
    const { action, result, why } = said;
    const by =
      action === 'policy' ? { by: `device:${peer.device}`, byName: peer.name } : { by: 'fettle', byName: 'Fettle' };
    await db.transaction().execute(async (trx) => {
      const [last] = await listAudit(trx, { action, target: peer.device }, 1);
      if (last?.data?.digest === digest && last.result === result && last.data.why === why) return;
      const data = { digest, device: peer.device, why };
      const about = { target: peer.device, after: String(number), ...(result === undefined ? {} : { result }), data };
      await addAudit(trx, { at: deps.clock.now(), ...by, action, ...about });
    });
  }

  async function offer(peer: HostPeer): Promise<void> {
    const fitting = read().filter(({ about }) => fits(about, peer));
    const newest = fitting.sort((a, b) => b.about.number - a.about.number)[0];
    if (!newest) return;
    const { document, signature, about } = newest;
    const one = { number: about.number, digest: createHash('sha256').update(document).digest('hex') };
    try {
      await note(peer, one, { action: 'policy-offer' });
    } catch (error) {
      // What is not in the log is not offered; it is at the next connect.
      log(`a policy for ${peer.name} could not be written down, and is not offered: ${String(error)}`);
      return;
    }
    offered.set(peer.device, one);
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
      return offer(peer);
    },
    async answer(peer, { accepted, changed, problem, number }) {
      const { name } = peer;
      const one = offered.get(peer.device);
      // Nobody asked it: then it is a word about nothing.
      if (!one) return log(`${name} answers a policy that it was not offered`);
      const why = accepted ? undefined : String(problem?.data.reason ?? problem?.data.what ?? '').slice(0, 300);
      const said = { result: accepted ? 'done' : (problem?.code ?? 'refused'), ...(why ? { why } : {}) };
      await note(peer, one, { action: 'policy', ...said });
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
            for (const peer of peers.values()) if (deps.gateway().isConnected(peer.device)) void offer(peer);
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
