import type { Kysely } from 'kysely';
import { readDeviceLine } from '../protocol/audit-chain.ts';
import type { Database } from './schema.ts';

/** The hub's copy of what devices logged, line by line. A device whose log became another one has several branches. */

export interface CopiedLine {
  readonly branch: number;
  readonly n: number;
  readonly line: string;
  /** What the line says that its hash is; empty where it is not one of ours. */
  readonly hash: string;
}

/** The newest line of the newest branch. */
export async function lastDeviceLine(db: Kysely<Database>, device: string): Promise<CopiedLine | undefined> {
  const row = await db
    .selectFrom('device_audit')
    .select(['branch', 'n', 'line'])
    .where('device', '=', device)
    .orderBy('branch', 'desc')
    .orderBy('n', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && { ...row, hash: readDeviceLine(row.line)?.hash ?? '' };
}

export async function deviceLineAt(
  db: Kysely<Database>,
  at: { readonly device: string; readonly branch: number; readonly n: number },
): Promise<string | undefined> {
  const { device, branch, n } = at;
  const rows = db.selectFrom('device_audit').select('line').where('device', '=', device).where('branch', '=', branch);
  return (await rows.where('n', '=', n).executeTakeFirst())?.line;
}

export async function addDeviceLine(
  trx: Kysely<Database>,
  line: { readonly device: string; readonly branch: number; readonly n: number; readonly line: string },
  now: number,
): Promise<void> {
  await trx
    .insertInto('device_audit')
    .values({ ...line, received_at: now })
    .execute();
}
