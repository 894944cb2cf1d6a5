import type { Kysely, Selectable } from 'kysely';
import type { Auto } from '../domain/settings.ts';
import type { AppSettingTable, Database } from './schema.ts';

/** What somebody said in a chat about one app: automatic updates, the version that is held, releases to skip. */

/** Who changed something, and when (milliseconds since 1970). */
export interface Change {
  readonly by: string;
  readonly byName: string;
  readonly at: number;
}

export interface AppChoice {
  readonly auto: Auto;
  readonly pinned: string | undefined;
  /** Of the last change; `undefined` where there was none. */
  readonly changed: Change | undefined;
}

/** What counts for an app; without a row: `auto` off, not pinned. */
export async function readAppChoice(db: Kysely<Database>, app: string): Promise<AppChoice> {
  const row = await db.selectFrom('app_settings').selectAll().where('app', '=', app).executeTakeFirst();
  return choiceOf(row);
}

function choiceOf(row: Selectable<AppSettingTable> | undefined): AppChoice {
  if (!row) return { auto: 'off', pinned: undefined, changed: undefined };
  return {
    auto: row.auto,
    pinned: row.pinned ?? undefined,
    changed: { by: row.by, byName: row.by_name, at: row.at },
  };
}

/** Changes what counts for an app; what is not named stays. `pinned: null` unpins. */
export async function saveAppChoice(
  trx: Kysely<Database>,
  app: string,
  choice: { readonly auto?: Auto; readonly pinned?: string | null },
  change: Change,
): Promise<void> {
  const who = { at: change.at, by: change.by, by_name: change.byName };
  await trx
    .insertInto('app_settings')
    .values({ app, auto: choice.auto ?? 'off', pinned: choice.pinned ?? null, ...who })
    .onConflict((conflict) => conflict.column('app').doUpdateSet({ ...choice, ...who }))
    .execute();
}

/** Versions that are skipped for good, in no order. */
export async function skippedVersions(db: Kysely<Database>, app: string): Promise<readonly string[]> {
  const rows = await db.selectFrom('skipped_releases').select('version').where('app', '=', app).execute();
  return rows.map((row) => row.version);
}

/** Skips a release; false where it was skipped already. */
export async function skipRelease(
  trx: Kysely<Database>,
  app: string,
  version: string,
  change: Change,
): Promise<boolean> {
  const result = await trx
    .insertInto('skipped_releases')
    .values({ app, version, at: change.at, by: change.by, by_name: change.byName })
    .onConflict((conflict) => conflict.columns(['app', 'version']).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** A skipped release counts again; false where it was not skipped. */
export async function unskipRelease(trx: Kysely<Database>, app: string, version: string): Promise<boolean> {
  const result = await trx
    .deleteFrom('skipped_releases')
    .where('app', '=', app)
    .where('version', '=', version)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
