import type { HomeLayout } from '../../config/home.ts';
import type { Clock } from '../../src/domain/id.ts';
import { createRedactor, type Redact } from '../../src/domain/redact.ts';
import { readTrimmed } from '../../src/files/durable.ts';
import type { AgentMessage } from '../../src/protocol/messages.ts';
import { type AuditLog, openAuditLog } from './log.ts';
import { createOrderAudit, type OrderAudit } from './orders.ts';
import { createSparing, type Sparing } from './sparing.ts';
import { type AuditTelling, createAuditTelling } from './telling.ts';

export type { AuditLog, DeviceEntry } from './log.ts';

/** The audit log of an agent: what it writes down, and what it tells the hub of it. */
export interface DeviceAudit extends Pick<AuditLog, 'append' | 'note' | 'recent'> {
  readonly orders: OrderAudit;
  /** For refusals, and for whatever else costs a hub nothing to cause: one bound over all of them. */
  readonly sparing: Sparing;
  readonly telling: AuditTelling;
}

interface At {
  readonly layout: HomeLayout;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

export function createDeviceAudit(
  deps: At & { readonly device: string; readonly redact: Redact; readonly send: (message: AgentMessage) => void },
): DeviceAudit {
  const path = deps.layout.agent.audit;
  const now = deps.clock.now;
  const audit = openAuditLog({ ...deps, path, now, onAppend: () => telling.appended() });
  const telling: AuditTelling = createAuditTelling({ ...deps, log: audit });
  const sparing = createSparing(audit, deps.clock);
  const { append, note, recent } = audit;
  return { append, note, recent, orders: createOrderAudit(audit, deps.clock, sparing), sparing, telling };
}

/**
 * The same log for a command on the device, with nobody to tell. Only for who holds the agent's lock: two who write at
 * once would break the chain.
 */
export function openDeviceAudit(at: At): Pick<AuditLog, 'append' | 'note'> & { readonly orders: OrderAudit } {
  const device = readTrimmed(`${at.layout.agent.dir}/id`) ?? 'unknown';
  const redact = createRedactor({ homes: [at.layout.home] });
  const audit = openAuditLog({ ...at, path: at.layout.agent.audit, now: at.clock.now, device, redact });
  return { append: audit.append, note: audit.note, orders: createOrderAudit(audit, at.clock) };
}
