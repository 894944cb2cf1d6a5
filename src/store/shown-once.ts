import { type Kysely, sql } from 'kysely';
import type { Reply, ShownOnce } from '../domain/reply.ts';
import type { Database } from './schema.ts';

/**
 * Replies with one-time codes are in the outbox for as long as it takes to send them. Once they were sent or given up, or
 * their time is over, the database and its backups have nothing of them but the hashes that codes are compared with.
 */

/** In the place of a `ShownOnce` whose words are gone from the table, but not from the log yet. */
const IN_LOG = '{}';
const AGAIN_MS = 1_000;

/**
 * Forgets what is to be forgotten now. The rows stay, since their keys are unique for ever.
 *
 * @returns milliseconds until there may be more to forget; infinite where nothing is waiting
 */
export async function forgetShown(db: Kysely<Database>, now: number): Promise<number> {
  const rows = await db
    .selectFrom('outbox')
    .select(['seq', 'reply', 'state', 'once'])
    .where('once', 'is not', null)
    .execute();
  let nextMs = Number.POSITIVE_INFINITY;
  let inLog = false;
  for (const { seq, reply, state, once } of rows) {
    if (once !== null && once !== IN_LOG) {
      const { until, afterwards } = JSON.parse(once) as ShownOnce;
      if (state !== 'sent' && state !== 'dead' && now < until) {
        nextMs = Math.min(nextMs, until - now);
        continue;
      }
      const instead: Reply = { tone: 'info', title: afterwards };
      await db
        .updateTable('outbox')
        .set({ reply: JSON.stringify(instead), once: IN_LOG })
        .where('seq', '=', seq)
        .where('reply', '=', reply)
        .execute();
    }
    inLog = true;
  }
  if (!inLog) return nextMs;
  if (!(await emptyLog(db))) return Math.min(nextMs, AGAIN_MS);
  await db.updateTable('outbox').set({ once: null }).where('once', '=', IN_LOG).execute();
  return nextMs;
}

/** The write-ahead log has what was written before. False where somebody is reading it just now: nobody waits for that. */
async function emptyLog(db: Kysely<Database>): Promise<boolean> {
  return db.connection().execute(async (one) => {
    const before = await sql<{ timeout: number }>`pragma busy_timeout`.execute(one);
    await sql`pragma busy_timeout = 0`.execute(one);
    try {
      const { rows } = await sql<{ busy: number }>`pragma wal_checkpoint(truncate)`.execute(one);
      return rows[0]?.busy === 0;
    } finally {
      await sql`pragma busy_timeout = ${sql.lit(before.rows[0]?.timeout ?? 0)}`.execute(one);
    }
  });
}
