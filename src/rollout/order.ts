import type { Kysely } from 'kysely';
import type { Source } from '../domain/app.ts';
import type { ErrorData } from '../domain/errors.ts';
import { type ChainLink, orderDigest } from '../protocol/audit-chain.ts';
import type { HubMessage, Outcome, Problem } from '../protocol/messages.ts';
import { orderedSource } from '../protocol/ordered-source.ts';
import { addAudit } from '../store/audit.ts';
import type { Database } from '../store/schema.ts';
import type { UpdateRow } from '../store/updates.ts';
import { running } from './new-update.ts';

/** An order is good for this long; one that did not arrive is made anew. */
export const ORDER_MS = 5 * 60_000;

export type OrderMessage = Extract<HubMessage, { type: 'order' }>;

/** What a device is told to do about an update. Pure. */
export function orderOf(
  row: UpdateRow,
  {
    id,
    now,
    backup,
    source,
  }: {
    readonly id: string;
    readonly now: number;
    readonly backup: boolean;
    /** Where the app's releases are. */
    readonly source?: Source | undefined;
  },
): OrderMessage {
  const told = orderedSource(source);
  const where = told ? { source: told } : {};
  const release =
    row.digest === null || row.to_version === null
      ? {}
      : { release: { version: row.to_version, channel: row.channel ?? 'stable', digest: row.digest, ...where } };
  return {
    type: 'order',
    now,
    order: {
      id,
      update: row.id,
      device: row.device,
      app: row.app,
      kind: row.kind,
      ...release,
      withData: row.with_data === 1,
      force: row.force === 1,
      backup,
      ...(row.backup === null ? {} : { backupSeq: row.backup }),
      // Which paths are the app's is for the device's own file to say.
      capability: { app: row.app, tools: [], paths: [] },
      notBefore: now,
      expiresAt: now + ORDER_MS,
    },
  };
}

/**
 * An order is in the audit log, with the digest of its exact text, before it leaves: within the transaction that makes it
 * the update's. The link goes to the device with it, whose own log then knows how the hub's was.
 */
export function auditOrder(trx: Kysely<Database>, { order }: OrderMessage, now: number): Promise<ChainLink> {
  const { id, update, device, kind, release } = order;
  return addAudit(trx, {
    ...{ at: now, by: 'fettle', byName: 'Fettle', action: 'order', target: order.app, after: id },
    data: { update, device, kind, release: release?.digest, order: orderDigest(order) },
  });
}

/** A device refused an order: its own word, beside the end of the update. */
export async function auditDenial(
  trx: Kysely<Database>,
  row: UpdateRow,
  { order, code }: { readonly order: string; readonly code: string },
  now: number,
): Promise<void> {
  const by = `device:${row.device}`;
  const about = { at: now, by, byName: row.device, action: 'order-denied', target: row.app };
  await addAudit(trx, { ...about, after: order, result: code, data: { update: row.id, device: row.device } });
}

/** The device will say no more about an update, as far as the hub knows. Pure. */
export function lostProblem(row: Pick<UpdateRow, 'app'>, data: ErrorData): Problem {
  return { code: 'device_lost', data: { app: row.app, ...data }, retryable: data.why === undefined };
}

/** The outcome of an update that failed at the hub. Pure. */
export function failedHere(row: UpdateRow, problem: Problem, now: number): Outcome {
  return {
    update: row.id,
    app: row.app,
    kind: row.kind,
    state: 'failed',
    problem,
    startedAt: row.requested_at,
    endedAt: now,
    ...running(row),
  };
}
