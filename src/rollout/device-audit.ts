import type { Kysely } from 'kysely';
import type { Outbox } from '../chat/outbox.ts';
import { deviceLogCard } from '../chat/render-audit.ts';
import type { Clock } from '../domain/id.ts';
import type { Gateway, Peer } from '../gateway/gateway.ts';
import { CHAIN_START, chained, readDeviceLine } from '../protocol/audit-chain.ts';
import type { AgentMessage } from '../protocol/messages.ts';
import { addAudit } from '../store/audit.ts';
import { lastLink } from '../store/audit-chain.ts';
import { addDeviceLine, deviceLineAt, lastDeviceLine } from '../store/device-audit.ts';
import type { Database } from '../store/schema.ts';
import type { Announcer } from './announce.ts';

/**
 * What devices logged themselves is copied here, as they tell it. Invariants: a line is kept before it is acknowledged;
 * what is here is never replaced, so a log that became another one is a branch beside it; that is in the audit log and told
 * to the admins, once.
 */
export interface DeviceAudit {
  received(peer: Pick<Peer, 'device' | 'name'>, message: AuditMessage): Promise<void>;
}

type AuditMessage = Extract<AgentMessage, { type: 'audit' }>;

/** What is wrong with a device's log, and from which entry on. */
export interface LogFinding {
  /**
   * `fork`: it says something else than before. `cut`: its end is gone. `gap`: entries are missing. `broken`: an entry does
   * not fit the one before it.
   */
  readonly what: 'fork' | 'cut' | 'gap' | 'broken';
  readonly n: number;
}

/** Lines that a device may tell at once, and in an hour from then on: a device must not fill the hub's disk. */
const BURST = 50_000;
const HOURLY = 2_000;
const HOUR_MS = 60 * 60_000;
/** Findings about one device that are told in a day. */
const DAILY_FINDINGS = 10;

export function createDeviceAudit(deps: {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly outbox: Pick<Outbox, 'wake'>;
  readonly gateway: () => Pick<Gateway, 'send'>;
  readonly log: (line: string) => void;
}): DeviceAudit {
  const { db, clock } = deps;
  const budgets = new Map<string, { left: number; at: number }>();

  function mayTell(device: string, lines: number): boolean {
    const now = clock.monotonic();
    const before = budgets.get(device) ?? { left: BURST, at: now };
    const left = Math.min(BURST, before.left + ((now - before.at) * HOURLY) / HOUR_MS) - lines;
    budgets.set(device, { left: Math.max(left, 0), at: now });
    return left >= 0;
  }

  async function record(trx: Kysely<Database>, peer: Pick<Peer, 'device' | 'name'>, finding: LogFinding, now: number) {
    const { device, name } = peer;
    const told = await trx
      .selectFrom('audit')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('action', '=', 'device-log')
      .where('target', '=', device)
      .where('at', '>', now - 24 * HOUR_MS)
      .executeTakeFirstOrThrow();
    if (told.count >= DAILY_FINDINGS) return;
    const what = { action: 'device-log', target: device, result: finding.what, data: { n: finding.n } };
    const { seq } = await addAudit(trx, { at: now, by: 'fettle', byName: 'Fettle', ...what });
    await deps.announcer.announce(trx, {
      key: `audit/${device}/${seq}`,
      about: 'always',
      reply: (language) => deviceLogCard(name, finding, language),
      now,
    });
  }

  return {
    async received(peer, message) {
      if (!mayTell(peer.device, message.lines.length)) {
        deps.log(`${peer.name} tells more of its audit log than is taken in an hour: the rest at its next connection`);
        return;
      }
      const now = clock.now();
      const { n, log } = await db.transaction().execute(async (trx) => {
        const { n, finding } = await takeLines(trx, peer.device, message, now);
        if (finding) await record(trx, peer, finding, now);
        return { n, log: await lastLink(trx) };
      });
      deps.outbox.wake();
      deps.gateway().send(peer.device, { type: 'audit-ack', n, log });
    },
  };
}

/** Keeps what is new. `n`: up to where it is the same here and there, or 0 where everything is to be told anew. */
async function takeLines(
  trx: Kysely<Database>,
  device: string,
  { head, first, lines }: AuditMessage,
  now: number,
): Promise<{ readonly n: number; readonly finding?: LogFinding | undefined }> {
  const last = await lastDeviceLine(trx, device);
  if (lines.length === 0) {
    const same = last && (head.seq > last.n || (head.seq === last.n && head.hash === last.hash));
    return { n: same ? last.n : 0 };
  }
  let branch = last?.branch ?? 1;
  let end = last?.n ?? 0;
  let before: { n: number; hash: string; line: string } | undefined;
  let finding: LogFinding | undefined;
  /** From here on the log is another one than what is here: beside it, with the last line that both have. */
  const part = async (what: LogFinding['what'], n: number) => {
    finding ??= { what, n };
    branch += 1;
    end = before?.n ?? 0;
    if (before) await addDeviceLine(trx, { device, branch, n: before.n, line: before.line }, now);
  };
  for (const line of lines) {
    const read = readDeviceLine(line);
    const n: number = read?.n ?? (before?.n ?? first - 1) + 1;
    const here = { n, hash: read?.hash ?? '', line };
    const copy = n <= end ? await deviceLineAt(trx, { device, branch, n }) : undefined;
    if (copy === line) {
      before = here;
      continue;
    }
    if (n <= end) {
      // It parted before what this page begins with.
      if (!before && n > first) return { n: 0 };
      await part('fork', n);
    }
    if (!before && last && branch === last.branch && n === last.n + 1) before = last;
    if (before ? n !== before.n + 1 : n !== 1) finding ??= { what: 'gap', n };
    else if (!read || chained(before?.hash ?? CHAIN_START, read.text) !== read.hash) finding ??= { what: 'broken', n };
    await addDeviceLine(trx, { device, branch, n, line }, now);
    end = n;
    before = here;
  }
  if (before && before.n === head.seq && before.n < end) await part('cut', before.n);
  return { n: before?.n ?? 0, finding };
}
