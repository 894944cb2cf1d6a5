import type { Kysely, Selectable } from 'kysely';
import type { Database, NoticeTable } from './schema.ts';

/** What was announced: a release once for ever, a source's expiry once a date. */

export type Notice = Selectable<NoticeTable>;

/** Notes that something was announced; false where it was before. In the transaction that writes the message. */
export async function addNotice(
  trx: Kysely<Database>,
  notice: Pick<Notice, 'kind' | 'app' | 'version' | 'at'>,
): Promise<boolean> {
  const result = await trx
    .insertInto('notices')
    .values({ ...notice, remind_at: null, declined_at: null })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

export async function findNotice(
  db: Kysely<Database>,
  kind: Notice['kind'],
  app: string,
  version: string,
): Promise<Notice | undefined> {
  return db
    .selectFrom('notices')
    .selectAll()
    .where('kind', '=', kind)
    .where('app', '=', app)
    .where('version', '=', version)
    .executeTakeFirst();
}

/** Releases of an app to which somebody cancelled the automatic update. */
export async function declinedVersions(db: Kysely<Database>, app: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('notices')
    .select('version')
    .where('kind', '=', 'release')
    .where('app', '=', app)
    .where('declined_at', 'is not', null)
    .execute();
  return rows.map((row) => row.version);
}

/** Somebody does not want the automatic update to a release: it is left to people. */
export async function declineRelease(trx: Kysely<Database>, app: string, version: string, at: number): Promise<void> {
  await addNotice(trx, { kind: 'release', app, version, at });
  await setNotice(trx, app, version, { declined_at: at });
}

/** When a release is announced once more; null: not again. It counts as announced from now on. */
export async function remindOfRelease(
  trx: Kysely<Database>,
  reminder: { readonly app: string; readonly version: string; readonly at: number | null; readonly now: number },
): Promise<void> {
  const { app, version, now } = reminder;
  await addNotice(trx, { kind: 'release', app, version, at: now });
  await setNotice(trx, app, version, { remind_at: reminder.at });
}

async function setNotice(
  trx: Kysely<Database>,
  app: string,
  version: string,
  change: Partial<Pick<Notice, 'remind_at' | 'declined_at'>>,
): Promise<void> {
  await trx
    .updateTable('notices')
    .set(change)
    .where('kind', '=', 'release')
    .where('app', '=', app)
    .where('version', '=', version)
    .execute();
}

/** Releases of an app that are to be announced once more, soonest first. */
export async function reminders(db: Kysely<Database>, app: string): Promise<readonly Notice[]> {
  return db
    .selectFrom('notices')
    .selectAll()
    .where('app', '=', app)
    .where('remind_at', 'is not', null)
    .orderBy('remind_at')
    .execute();
}

const DIGEST = 'hands-off:digest';

/** Which digest was the last one: everything up to `at` has been told, for a digest at `minute` in `timezone`. */
export interface DigestMark {
  readonly minute: number;
  readonly timezone: string;
  readonly at: number;
}

export async function readDigestMark(db: Kysely<Database>): Promise<DigestMark | undefined> {
  const row = await db.selectFrom('meta').select('value').where('key', '=', DIGEST).executeTakeFirst();
  return row && (JSON.parse(row.value) as DigestMark);
}

export async function saveDigestMark(trx: Kysely<Database>, mark: DigestMark): Promise<void> {
  const value = JSON.stringify(mark);
  await trx
    .insertInto('meta')
    .values({ key: DIGEST, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}
