import type { Kysely, Selectable } from 'kysely';
import type { Route } from '../domain/reply.ts';
import type { AuditTable, Database } from './schema.ts';

/** Who changed what, when, and from where. Appended in the transaction that makes the change; never edited. */

export interface AuditEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `platform:person`, or `fettle`. */
  readonly by: string;
  readonly byName: string;
  readonly route?: Route | undefined;
  /** The event that asked: a command that is run again finds what it did. */
  readonly eventId?: string | undefined;
  /** `settings`, `auto`, `pin`, `unpin`, `skip`, `unskip`, … */
  readonly action: string;
  /** The app, or the setting's key. */
  readonly target?: string | undefined;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

export async function addAudit(trx: Kysely<Database>, entry: AuditEntry): Promise<void> {
  await trx
    .insertInto('audit')
    .values({
      at: entry.at,
      by: entry.by,
      by_name: entry.byName,
      route: entry.route ? JSON.stringify(entry.route) : null,
      event_id: entry.eventId ?? null,
      action: entry.action,
      target: entry.target ?? null,
      before: entry.before ?? null,
      after: entry.after ?? null,
    })
    .execute();
}

/** Newest first. */
export async function listAudit(
  db: Kysely<Database>,
  where: { readonly action?: string | undefined; readonly target?: string | undefined } = {},
  limit = 100,
): Promise<readonly AuditEntry[]> {
  let query = db.selectFrom('audit').selectAll();
  if (where.action !== undefined) query = query.where('action', '=', where.action);
  if (where.target !== undefined) query = query.where('target', '=', where.target);
  return (await query.orderBy('seq', 'desc').limit(limit).execute()).map(entryOf);
}

/**
 * What a person's event changed, if it did: its change is not made again, and its answer can be. Events of two
 * platforms may have one id, so the person (`platform:person`) is asked for.
 */
export async function auditOfEvent(
  db: Kysely<Database>,
  { eventId, by }: { readonly eventId: string; readonly by: string },
): Promise<AuditEntry | undefined> {
  const rows = db.selectFrom('audit').selectAll().where('event_id', '=', eventId).where('by', '=', by);
  const row = await rows.executeTakeFirst();
  return row && entryOf(row);
}

function entryOf(row: Selectable<AuditTable>): AuditEntry {
  return {
    at: row.at,
    by: row.by,
    byName: row.by_name,
    route: row.route === null ? undefined : (JSON.parse(row.route) as Route),
    eventId: row.event_id ?? undefined,
    action: row.action,
    target: row.target ?? undefined,
    before: row.before ?? undefined,
    after: row.after ?? undefined,
  };
}
