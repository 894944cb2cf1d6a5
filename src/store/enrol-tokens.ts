import { createHash, timingSafeEqual } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import type { Labels } from '../domain/device.ts';
import type { RandomBytes } from '../domain/id.ts';
import type { Database, EnrolTokenTable } from './schema.ts';

/** Tokens by which devices join: kept as a salted hash, compared in constant time. */

export type EnrolToken = Selectable<EnrolTokenTable>;

/** No vowels, no look-alikes; groups, so that somebody may also read it out. */
const ALPHABET = '23456789bcdfghjkmnpqrstvwxyz';
const GROUPS = 6;
const OLD_MS = 30 * 24 * 60 * 60_000;

/** 28^24 values: nobody guesses one within its time. */
export function newEnrolToken(random: RandomBytes): string {
  const groups = Array.from({ length: GROUPS }, () => {
    const bytes = random(16);
    // Four bytes a letter: none is likelier than another by more than one in 10^8.
    return Array.from({ length: 4 }, (_, i) => {
      const value = [0, 1, 2, 3].reduce((sum, j) => sum * 256 + (bytes[i * 4 + j] ?? 0), 0);
      return ALPHABET[value % ALPHABET.length];
    }).join('');
  });
  return groups.join('-');
}

/** Looks like one, whatever it is worth. */
export const ENROL_TOKEN = /^[2-9a-z]{4}(-[2-9a-z]{4}){5}$/;

/** Makes one. The only time that it is readable; what the same event made before is worth nothing any more. */
export async function makeEnrolToken(
  trx: Kysely<Database>,
  of: {
    readonly name: string | undefined;
    readonly labels: Labels;
    readonly uses: number;
    readonly forMs: number;
    readonly by: string;
    readonly byName: string;
    readonly eventId: string;
  },
  { random, now }: { readonly random: RandomBytes; readonly now: number },
): Promise<{ readonly token: string; readonly expiresAt: number }> {
  await trx
    .updateTable('enrol_tokens')
    .set({ ended: 'replaced' })
    .where('event_id', '=', of.eventId)
    .where('made_by', '=', of.by)
    .where('ended', 'is', null)
    .execute();
  await trx
    .deleteFrom('enrol_tokens')
    .where('expires_at', '<', now - OLD_MS)
    .execute();
  const token = newEnrolToken(random);
  const salt = Buffer.from(random(16)).toString('hex');
  const expiresAt = now + of.forMs;
  await trx
    .insertInto('enrol_tokens')
    .values({
      salt,
      hash: hashOf(token, salt),
      name: of.name ?? null,
      labels: JSON.stringify(of.labels),
      uses: of.uses,
      made_at: now,
      made_by: of.by,
      made_by_name: of.byName,
      event_id: of.eventId,
      expires_at: expiresAt,
      ended: null,
    })
    .execute();
  return { token, expiresAt };
}

/** The token that was made so, whatever it is worth now. Looks at each, so that the time taken says nothing. */
export async function findEnrolToken(db: Kysely<Database>, typed: string): Promise<EnrolToken | undefined> {
  let found: EnrolToken | undefined;
  for (const row of await db.selectFrom('enrol_tokens').selectAll().execute()) {
    const same = timingSafeEqual(Buffer.from(row.hash, 'hex'), Buffer.from(hashOf(typed, row.salt), 'hex'));
    if (same) found = row;
  }
  return found;
}

/** What it is worth now. */
export function judgeToken(token: EnrolToken | undefined, now: number): 'good' | 'wrong' | 'late' | 'used' {
  if (!token || token.ended !== null) return 'wrong';
  if (token.used >= token.uses) return 'used';
  return now >= token.expires_at ? 'late' : 'good';
}

export async function spendToken(trx: Kysely<Database>, token: EnrolToken): Promise<void> {
  await trx
    .updateTable('enrol_tokens')
    .set((eb) => ({ used: eb('used', '+', 1) }))
    .where('seq', '=', token.seq)
    .execute();
}

function hashOf(token: string, salt: string): string {
  return createHash('sha256')
    .update(`${salt}\n${token.trim().toLowerCase().slice(0, 100)}`)
    .digest('hex');
}
