import type { Insertable, Kysely, Selectable, Updateable } from 'kysely';
import type { Route } from '../domain/reply.ts';
import { isFinal, type UpdateState } from '../domain/update.ts';
import { addAudit } from './audit.ts';
import type { Database, UpdateTable } from './schema.ts';

/** What the audit log says of updates: who asked for which, and how each ended. */

type Actor = 'person' | 'hub' | 'agent';

/** An update is asked for; or, where it comes as a fact, was made on the device by its own user. */
export async function auditUpdate(trx: Kysely<Database>, row: Insertable<UpdateTable>, actor: Actor): Promise<void> {
  await addAudit(trx, {
    at: row.state_at,
    by: row.requested_by,
    byName: row.requested_by_name,
    route: row.route === null || row.route === undefined ? undefined : (JSON.parse(row.route) as Route),
    // Not as the event of a change: what a command that is run again looks for is the row of the update.
    action: actor === 'agent' ? 'update-here' : 'update',
    target: row.app,
    before: row.from_version ?? undefined,
    after: row.id,
    ...(isFinal(row.state) ? { result: row.state } : {}),
    data: {
      device: row.device,
      kind: row.kind,
      to: row.to_version ?? undefined,
      digest: row.digest ?? undefined,
      automatic: row.automatic === 1 ? true : undefined,
      withData: row.with_data === 1 ? true : undefined,
      backup: row.backup ?? undefined,
      event: row.event_id ?? undefined,
    },
  });
}

/** It ended; or its order got no answer, and will be made anew. Nothing of the states in between. */
export async function auditMove(
  trx: Kysely<Database>,
  row: Selectable<UpdateTable>,
  change: {
    readonly to: UpdateState;
    readonly at: number;
    readonly actor: Actor;
    readonly data?: unknown;
    readonly patch?: Updateable<UpdateTable>;
  },
): Promise<void> {
  const by = change.actor === 'agent' ? `device:${row.device}` : 'fettle';
  const about = { at: change.at, by, byName: by === 'fettle' ? 'Fettle' : row.device, target: row.app };
  if (row.state === 'sent' && change.to === 'queued') {
    await addAudit(trx, {
      ...about,
      action: 'order-unanswered',
      after: row.order_id ?? undefined,
      data: { update: row.id },
    });
  }
  if (!isFinal(change.to)) return;
  await addAudit(trx, {
    ...about,
    action: 'update-end',
    after: row.id,
    result: change.to,
    data: { device: row.device, code: codeOf(change.data) ?? codeOf(problemIn(change.patch?.outcome)) },
  });
}

function problemIn(outcome: string | null | undefined): unknown {
  return typeof outcome === 'string' ? (JSON.parse(outcome) as { problem?: unknown }).problem : undefined;
}

function codeOf(problem: unknown): string | undefined {
  const { code } = (problem ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
