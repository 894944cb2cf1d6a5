import type { Kysely } from 'kysely';
import { type ErrorCode, type ErrorData, isErrorCode } from '../domain/errors.ts';
import type { Artifact, Offer, Release } from '../domain/release.ts';
import { newestFirst } from '../domain/version.ts';
import { readMeta, writeMeta } from './meta.ts';
import type { Database } from './schema.ts';

/** What sources offered when they were last asked, and how asking went. One row a source (`source_checks`). */

/** Why a source could not be read the last time. */
export interface StoredProblem {
  readonly code: ErrorCode;
  readonly data: ErrorData;
  readonly retryable: boolean;
  /** Failures in a row, this one included. */
  readonly failures: number;
}

export interface StoredSource {
  readonly offer: Offer;
  readonly etag?: string | undefined;
  /** Of the last success; `undefined` where there was none yet. */
  readonly checkedAt?: number | undefined;
  readonly problem?: StoredProblem | undefined;
  /** Not before this is it asked again by itself. */
  readonly nextAt?: number | undefined;
  /** Past this nobody vouches for the offer (feeds). */
  readonly expiresAt?: number | undefined;
}

/** A source's new answer. */
export interface NewAnswer {
  readonly offer: Offer;
  readonly etag?: string | undefined;
  readonly expiresAt?: number | undefined;
  readonly at: number;
}

const EXPIRES = 'source-expires:';
const NUMBER = 'source-number:';

/** Everything that is known of a source, newest release first; `undefined` where it was never asked. */
export async function readSource(db: Kysely<Database>, source: string): Promise<StoredSource | undefined> {
  const row = await db.selectFrom('source_checks').selectAll().where('source', '=', source).executeTakeFirst();
  if (!row) return undefined;
  const rows = await db.selectFrom('releases').selectAll().where('source', '=', source).execute();
  const byVersion = new Map(rows.map((r) => [r.version, r]));
  const releases = newestFirst([...byVersion.keys()]).flatMap((version): Release[] => {
    const r = byVersion.get(version);
    if (!r) return [];
    return [
      {
        version,
        channel: r.channel,
        digest: r.digest,
        publishedAt: r.published_at ?? undefined,
        notes: r.notes ?? undefined,
        size: r.size ?? undefined,
        artifacts: JSON.parse(r.artifacts) as Artifact[],
      },
    ];
  });
  const expires = await readMeta(db, EXPIRES + source);
  return {
    offer: { releases, channels: JSON.parse(row.channels) as Record<string, string> },
    etag: row.etag ?? undefined,
    checkedAt: row.checked_at > 0 ? row.checked_at : undefined,
    problem: readProblem(row.problem),
    nextAt: row.next_at ?? undefined,
    expiresAt: expires === undefined ? undefined : Number(expires),
  };
}

/** Replaces what a source offers, in one transaction; clears its problem. */
export async function saveAnswer(db: Kysely<Database>, source: string, answer: NewAnswer): Promise<void> {
  const rows = answer.offer.releases.map((release) => ({
    source,
    version: release.version,
    channel: release.channel,
    digest: release.digest,
    published_at: release.publishedAt ?? null,
    notes: release.notes ?? null,
    size: release.size ?? null,
    artifacts: JSON.stringify(release.artifacts),
  }));
  await db.transaction().execute(async (tx) => {
    await tx.deleteFrom('releases').where('source', '=', source).execute();
    // SQLite takes 32,766 values a statement, PostgreSQL 65,535.
    for (let i = 0; i < rows.length; i += 1_000) {
      await tx
        .insertInto('releases')
        .values(rows.slice(i, i + 1_000))
        .execute();
    }
    const check = {
      checked_at: answer.at,
      etag: answer.etag ?? null,
      channels: JSON.stringify(answer.offer.channels),
      problem: null,
      next_at: null,
    };
    await tx
      .insertInto('source_checks')
      .values({ source, ...check })
      .onConflict((conflict) => conflict.column('source').doUpdateSet(check))
      .execute();
    await writeMeta(tx, EXPIRES + source, answer.expiresAt?.toString());
  });
}

/** The source says that nothing has changed. */
export async function saveUnchanged(db: Kysely<Database>, source: string, at: number): Promise<void> {
  await db
    .updateTable('source_checks')
    .set({ checked_at: at, problem: null, next_at: null })
    .where('source', '=', source)
    .execute();
}

/** Asking failed. What was offered before stays. */
export async function saveProblem(
  db: Kysely<Database>,
  source: string,
  problem: StoredProblem,
  nextAt: number,
): Promise<void> {
  const failed = { problem: JSON.stringify(problem), next_at: nextAt };
  await db
    .insertInto('source_checks')
    .values({ source, checked_at: 0, etag: null, channels: '{}', ...failed })
    .onConflict((conflict) => conflict.column('source').doUpdateSet(failed))
    .execute();
}

/** Fills in what was learned about one release when it was resolved. */
export async function saveResolved(db: Kysely<Database>, source: string, release: Release): Promise<void> {
  await db
    .updateTable('releases')
    .set({ digest: release.digest, size: release.size ?? null })
    .where('source', '=', source)
    .where('version', '=', release.version)
    .execute();
}

/** The highest index number that the hub has seen of a source. */
export async function readNumber(db: Kysely<Database>, source: string): Promise<number | undefined> {
  const value = await readMeta(db, NUMBER + source);
  return value === undefined ? undefined : Number(value);
}

/** The highest index number of each feed, by its key, and by whose signature it has: what another device may start from. */
export async function feedNumbers(db: Kysely<Database>): Promise<Readonly<Record<string, number>>> {
  const rows = await db
    .selectFrom('meta')
    .selectAll()
    .where(({ eb, or }) => or(['feed', 'signed'].map((kind) => eb('key', 'like', `${NUMBER}${kind} %`))))
    .execute();
  return Object.fromEntries(rows.map(({ key, value }) => [key.slice(NUMBER.length), Number(value)]));
}

/** Keeps an index number where it is higher than the one before. */
export async function saveNumber(db: Kysely<Database>, source: string, number: number): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const before = await readNumber(tx, source);
    if (before === undefined || number > before) await writeMeta(tx, NUMBER + source, String(number));
  });
}

function readProblem(text: string | null): StoredProblem | undefined {
  if (text === null) return undefined;
  const parsed = JSON.parse(text) as Omit<StoredProblem, 'code'> & { code: string };
  // A newer hub may have written a code that this one does not know.
  return { ...parsed, code: isErrorCode(parsed.code) ? parsed.code : 'source_unreachable' };
}
