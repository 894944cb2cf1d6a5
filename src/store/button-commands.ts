import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Database } from './schema.ts';

/** Commands of buttons under short names, for platforms whose buttons carry little. */

const DAY = 24 * 60 * 60_000;
/** Buttons of messages that are older do nothing any more. */
const KEEP_MS = 90 * DAY;

/** Keeps a command; the same one has the same name: 22 characters of `[A-Za-z0-9_-]`. */
export async function keepCommand(db: Kysely<Database>, command: string, now: number): Promise<string> {
  const name = createHash('sha256').update(command).digest('base64url').slice(0, 22);
  const usedAt = Math.floor(now / DAY) * DAY;
  const before = await db.selectFrom('button_commands').select('used_at').where('name', '=', name).executeTakeFirst();
  if (before && before.used_at >= usedAt) return name;
  await db
    .insertInto('button_commands')
    .values({ name, command, used_at: usedAt })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ used_at: usedAt }))
    .execute();
  await db
    .deleteFrom('button_commands')
    .where('used_at', '<', now - KEEP_MS)
    .execute();
  return name;
}

/** The command of a name. */
export async function commandOfName(db: Kysely<Database>, name: string): Promise<string | undefined> {
  const row = await db.selectFrom('button_commands').select('command').where('name', '=', name).executeTakeFirst();
  return row?.command;
}
