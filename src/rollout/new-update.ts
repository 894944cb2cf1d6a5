import type { Kysely } from 'kysely';
import type { Approval } from '../domain/approval.ts';
import { FettleError } from '../domain/errors.ts';
import { type RandomBytes, shortId } from '../domain/id.ts';
import { stateOf } from '../domain/update.ts';
import type { Problem } from '../protocol/messages.ts';
import type { Database } from '../store/schema.ts';
import { findUpdate, type UpdateRow } from '../store/updates.ts';

/** What is to become an update; everything has been decided. */
export interface NewUpdate {
  readonly app: string;
  readonly device: string;
  readonly kind: UpdateRow['kind'];
  readonly fromVersion: string | undefined;
  readonly release?: { readonly version: string; readonly channel: string; readonly digest: string } | undefined;
  readonly toVersion: string | undefined;
  readonly withData: boolean;
  readonly force: boolean;
  readonly requestedBy: string;
  readonly requestedByName: string;
  readonly route: string | null;
  readonly eventId: string | null;
  readonly language: string;
  /** Nobody asked: `auto` did. */
  readonly automatic?: boolean | undefined;
  /** It waits for somebody's word first. */
  readonly approval?: Exclude<Approval, 'none'> | undefined;
  /** What it waits for from the start. */
  readonly note?: Problem | undefined;
  /** Which backup is put back, for `restore`. */
  readonly backup?: number | undefined;
}

/** An update of the app is under way: who started it, when, where it stands. */
export function inProgress(row: UpdateRow): FettleError {
  return new FettleError('in_progress', {
    data: {
      app: row.app,
      id: row.id,
      who: row.requested_by_name,
      startedAt: new Date(row.requested_at).toISOString(),
      state: row.state,
    },
  });
}

/** Waiting for the device counts from the request, however often the order was made. */
export function queueDeadline(row: Pick<UpdateRow, 'requested_at'>): { deadline_at: number } {
  return { deadline_at: row.requested_at + (stateOf('queued').deadlineMs ?? 0) };
}

/** An id that no update has. */
export async function unusedId(trx: Kysely<Database>, random: RandomBytes): Promise<string> {
  for (;;) {
    const id = shortId('u', random);
    if (!(await findUpdate(trx, id))) return id;
  }
}

/** The row of a new update. */
export function rowFor(id: string, update: NewUpdate, now: number): UpdateRow {
  return {
    id,
    app: update.app,
    device: update.device,
    kind: update.kind,
    state: 'requested',
    order_id: null,
    from_version: update.fromVersion ?? null,
    to_version: update.toVersion ?? null,
    channel: update.release?.channel ?? null,
    digest: update.release?.digest ?? null,
    with_data: update.withData ? 1 : 0,
    force: update.force ? 1 : 0,
    requested_by: update.requestedBy,
    requested_by_name: update.requestedByName,
    route: update.route,
    event_id: update.eventId,
    language: update.language,
    requested_at: now,
    state_at: now,
    deadline_at: now + (stateOf('requested').deadlineMs ?? 0),
    report_seq: -1,
    progress: update.note ? JSON.stringify({ note: update.note }) : null,
    cancel_requested: 0,
    ended_at: null,
    final_state: null,
    outcome: null,
    automatic: update.automatic ? 1 : 0,
    backup: update.backup ?? null,
  };
}

/** What the device runs and was to run, for an outcome that the hub itself writes. */
export function running(row: UpdateRow): { running?: string; from?: string; to?: string } {
  return {
    ...(row.from_version === null ? {} : { running: row.from_version, from: row.from_version }),
    ...(row.to_version === null ? {} : { to: row.to_version }),
  };
}
