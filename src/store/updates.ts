import type { Insertable, Kysely, Selectable, Updateable } from 'kysely';
import { isFinal, isUpdateState, type UpdateState } from '../domain/update.ts';
import { auditMove, auditUpdate } from './audit-updates.ts';
import type { Database, UpdateTable } from './schema.ts';

/**
 * Updates and their events. A state changes by compare-and-set, with its event in the same transaction; the beginning and
 * the end are in the audit log, too.
 */

export type UpdateRow = Selectable<UpdateTable>;

/** Who changed a state. */
export type Actor = 'person' | 'hub' | 'agent';

/** Adds an update with its first event. @throws the database's error where the app has one under way on the device */
export async function addUpdate(trx: Kysely<Database>, row: Insertable<UpdateTable>, actor: Actor): Promise<void> {
  await trx.insertInto('updates').values(row).execute();
  await addEvent(trx, { id: row.id, from: null, to: row.state, at: row.state_at, actor });
  await auditUpdate(trx, row, actor);
}

/**
 * Moves an update from one of the states in `from` to `to`. False, and nothing written, where it is in none of them:
 * somebody was faster.
 */
export async function moveUpdate(
  trx: Kysely<Database>,
  change: {
    readonly id: string;
    readonly from: readonly UpdateState[];
    readonly to: UpdateState;
    readonly at: number;
    readonly actor: Actor;
    readonly patch?: Updateable<UpdateTable>;
    readonly data?: unknown;
  },
): Promise<boolean> {
  const before = await trx.selectFrom('updates').selectAll().where('id', '=', change.id).executeTakeFirst();
  if (!before || isFinal(before.state) || !change.from.includes(before.state)) return false;
  const ended = isFinal(change.to) ? { ended_at: change.at, final_state: change.to, deadline_at: null } : {};
  const result = await trx
    .updateTable('updates')
    .set({ ...change.patch, ...ended, state: change.to, state_at: change.at })
    .where('id', '=', change.id)
    .where('state', '=', before.state)
    .executeTakeFirst();
  if (result.numUpdatedRows !== 1n) return false;
  await addEvent(trx, {
    id: change.id,
    from: before.state,
    to: change.to,
    at: change.at,
    actor: change.actor,
    data: change.data,
  });
  await auditMove(trx, before, change);
  return true;
}

/** Changes what is no state: progress, a wish to cancel. */
export async function patchUpdate(trx: Kysely<Database>, id: string, patch: Updateable<UpdateTable>): Promise<void> {
  await trx.updateTable('updates').set(patch).where('id', '=', id).execute();
}

export async function findUpdate(db: Kysely<Database>, id: string): Promise<UpdateRow | undefined> {
  const row = await db.selectFrom('updates').selectAll().where('id', '=', id).executeTakeFirst();
  return row && isUpdateState(row.state) ? row : undefined;
}

/** The update that an event asked for: a command that is run again finds it. */
export async function findByEvent(db: Kysely<Database>, eventId: string): Promise<UpdateRow | undefined> {
  return db.selectFrom('updates').selectAll().where('event_id', '=', eventId).executeTakeFirst();
}

/**
 * Under way, oldest first. Without those in a state that this version does not know: a newer hub wrote them, and goes
 * on with them when it is back.
 */
export async function activeUpdates(db: Kysely<Database>, where: OfApp = {}): Promise<UpdateRow[]> {
  return (await unendedUpdates(db, where)).filter((row) => isUpdateState(row.state));
}

/** Under way, in a state that this version does not know. */
export async function unknownUpdates(db: Kysely<Database>, where: OfApp = {}): Promise<UpdateRow[]> {
  return (await unendedUpdates(db, where)).filter((row) => !isUpdateState(row.state));
}

interface OfApp {
  readonly app?: string | undefined;
  readonly device?: string | undefined;
}

async function unendedUpdates(db: Kysely<Database>, where: OfApp): Promise<UpdateRow[]> {
  let query = db.selectFrom('updates').selectAll().where('final_state', 'is', null);
  if (where.app !== undefined) query = query.where('app', '=', where.app);
  if (where.device !== undefined) query = query.where('device', '=', where.device);
  return query.orderBy('requested_at').execute();
}

/** Ended ones, newest first. */
export async function endedUpdates(db: Kysely<Database>, app: string | undefined, limit: number): Promise<UpdateRow[]> {
  let query = db.selectFrom('updates').selectAll().where('final_state', 'is not', null);
  if (app !== undefined) query = query.where('app', '=', app);
  return query.orderBy('ended_at', 'desc').limit(limit).execute();
}

/** Ended automatic updates of one app on one device, newest first. */
export async function automaticEnds(db: Kysely<Database>, app: string, device: string): Promise<UpdateRow[]> {
  return db
    .selectFrom('updates')
    .selectAll()
    .where('automatic', '=', 1)
    .where('final_state', 'is not', null)
    .where('app', '=', app)
    .where('device', '=', device)
    .orderBy('ended_at', 'desc')
    .execute();
}

/** Releases that an update has brought to a device, in no order. */
export async function installedBefore(db: Kysely<Database>, app: string, device: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('updates')
    .select('to_version')
    .distinct()
    .where('app', '=', app)
    .where('device', '=', device)
    .where('kind', 'in', ['install', 'update'])
    .where('final_state', '=', 'succeeded')
    .execute();
  return rows.flatMap((row) => row.to_version ?? []);
}

async function addEvent(
  trx: Kysely<Database>,
  event: { id: string; from: UpdateState | null; to: UpdateState; at: number; actor: Actor; data?: unknown },
): Promise<void> {
  const data = event.data === undefined ? null : JSON.stringify(event.data);
  await trx
    .insertInto('events')
    .values({ update_id: event.id, at: event.at, from_state: event.from, to_state: event.to, actor: event.actor, data })
    .execute();
}
