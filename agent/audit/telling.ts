import type { ChainLink } from '../../src/protocol/audit-chain.ts';
import { type AgentMessage, type HubMessage, MAX_AUDIT_LINES } from '../../src/protocol/messages.ts';
import type { AuditLog } from './log.ts';

/**
 * Tells the hub what it lacks of this device's audit log: a page at a time, the next when the last is acknowledged. Each
 * begins with the last line that the hub has, so that it sees whether the log is still the one that it knows. Nothing of it
 * is kept: at each connect the hub says how far it is.
 */
export interface AuditTelling {
  /** The hub is there. */
  connected(): void;
  acknowledged(message: Extract<HubMessage, { type: 'audit-ack' }>): void;
  /** There is a new entry. */
  appended(): void;
}

/** Characters of a page: it has to fit in a message, signed and escaped. */
const PAGE_CHARACTERS = 50_000;
/** The hub's own log is noted at most this often, beside what orders carry. */
const NOTE_MS = 10 * 60_000;

export function createAuditTelling(deps: {
  readonly log: AuditLog;
  readonly send: (message: AgentMessage) => void;
  readonly clock: { monotonic(): number };
}): AuditTelling {
  const { log, clock } = deps;
  /** Up to where the hub has it; `undefined` where it has not said, as an older one never does. */
  let told: number | undefined;
  let underWay = false;
  let noted: { readonly hash: string; readonly at: number } | undefined;

  function tell(lines: readonly string[]): void {
    underWay = true;
    deps.send({ type: 'audit', head: log.head(), first: log.first(), lines: [...lines] });
  }

  function goOn(): void {
    if (underWay || told === undefined || told >= log.head().seq) return;
    tell(log.read(Math.max(told, 1), MAX_AUDIT_LINES, PAGE_CHARACTERS));
  }

  /** What the hub's log was is kept here, where the hub can't change it. */
  function note(hub: ChainLink | undefined): void {
    if (!hub || hub.seq === 0 || hub.hash === noted?.hash) return;
    if (noted && clock.monotonic() - noted.at < NOTE_MS) return;
    noted = { hash: hub.hash, at: clock.monotonic() };
    log.note({ what: 'hub-log', hub: { seq: hub.seq, hash: hub.hash } });
  }

  return {
    connected() {
      told = undefined;
      if (log.head().seq > 0) tell([]);
    },
    acknowledged({ n, log: hub }) {
      underWay = false;
      told = n;
      // What is there already is told as it is, before anything is added to it.
      if (n >= log.head().seq) note(hub);
      goOn();
    },
    appended() {
      // The first entry of all: nobody has asked what the hub has.
      if (told === undefined && !underWay) tell([]);
      else goOn();
    },
  };
}
