import type { Kysely, Selectable } from 'kysely';
import { createRedactor } from '../domain/redact.ts';
import type { Route } from '../domain/reply.ts';
import type { ChainLink } from '../protocol/audit-chain.ts';
import { chainRows } from './audit-chain.ts';
import type { AuditTable, Database } from './schema.ts';

/**
 * Who did what, when, from where, and what came of it. Appended in the transaction that makes the change, with its link of
 * the hash chain; never edited, never removed: triggers refuse both.
 */

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
  /** What came of it, where the action does not say: `done`, or a code. */
  readonly result?: string | undefined;
  /** More of it: plain values. Never secrets. */
  readonly data?: Readonly<Record<string, string | number | boolean | null | undefined>> | undefined;
}

/** People choose names, and paste what they should not. */
const redact = createRedactor();

/** Appends an entry, within the transaction of what it tells of. Answers its link of the chain. */
export async function addAudit(trx: Kysely<Database>, entry: AuditEntry): Promise<ChainLink> {
  const shown = (text: string | undefined) => (text === undefined ? null : redact(text));
  const { seq } = await trx
    .insertInto('audit')
    .values({
      at: entry.at,
      by: entry.by,
      by_name: redact(entry.byName),
      route: entry.route ? JSON.stringify(entry.route) : null,
      event_id: entry.eventId ?? null,
      action: entry.action,
      target: shown(entry.target),
      before: shown(entry.before),
      after: shown(entry.after),
      result: entry.result ?? null,
      data: entry.data
        ? JSON.stringify(entry.data, (_, value) => (typeof value === 'string' ? redact(value) : value))
        : null,
    })
    .returning('seq')
    .executeTakeFirstOrThrow();
  return chainRows(trx, seq);
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
    ...(row.result === null ? {} : { result: row.result }),
    ...(row.data === null ? {} : { data: JSON.parse(row.data) as AuditEntry['data'] }),
  };
}
