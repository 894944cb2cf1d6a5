import { createHash, timingSafeEqual } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import type { RandomBytes } from '../domain/id.ts';
import { CODE_MS, CODE_TRIES, foldCode, newCode } from '../domain/person-code.ts';
import type { Database, PersonCodeTable } from './schema.ts';

/** Codes that claim the hub or join accounts: kept as a salted hash, compared in constant time. */

export type PersonCode = Selectable<PersonCodeTable>;

/** What a typed code is worth. */
export type CodeVerdict =
  | 'good'
  /** `left` more tries. */
  | { readonly bad: 'wrong'; readonly left: number }
  /** There is none, or it was replaced. */
  | { readonly bad: 'none' | 'late' | 'tries' | 'used' | 'burnt' };

/** Makes a fresh code; what was made before for the same is worth nothing any more. The only time that it is readable. */
export async function makeCode(
  trx: Kysely<Database>,
  of: { readonly kind: PersonCode['kind']; readonly owner?: string | undefined },
  { random, now }: { readonly random: RandomBytes; readonly now: number },
): Promise<{ readonly code: string; readonly expiresAt: number }> {
  const owner = of.owner ?? null;
  await trx
    .updateTable('person_codes')
    .set({ ended: 'replaced' })
    .where('kind', '=', of.kind)
    .where('owner', owner === null ? 'is' : '=', owner)
    .where('ended', 'is', null)
    .execute();
  const code = newCode(random);
  const salt = Buffer.from(random(16)).toString('hex');
  const expiresAt = now + CODE_MS;
  await trx
    .insertInto('person_codes')
    .values({ kind: of.kind, owner, salt, hash: hashOf(code, salt), made_at: now, expires_at: expiresAt, ended: null })
    .execute();
  // Nothing is done with old ones.
  await trx
    .deleteFrom('person_codes')
    .where('made_at', '<', now - 30 * 24 * 60 * 60_000)
    .execute();
  return { code, expiresAt };
}

/** The newest of a kind, whatever became of it. */
export async function newestCode(db: Kysely<Database>, kind: PersonCode['kind']): Promise<PersonCode | undefined> {
  return db.selectFrom('person_codes').selectAll().where('kind', '=', kind).orderBy('seq', 'desc').executeTakeFirst();
}

/** Those of a kind that were good until a while ago, newest first. */
export async function recentCodes(
  db: Kysely<Database>,
  kind: PersonCode['kind'],
  now: number,
): Promise<readonly PersonCode[]> {
  return db
    .selectFrom('person_codes')
    .selectAll()
    .where('kind', '=', kind)
    .where('expires_at', '>', now - CODE_MS)
    .orderBy('seq', 'desc')
    .execute();
}

/** Is this what the code was made of? Takes as long whatever was typed. */
export function isCode(code: PersonCode, typed: string): boolean {
  return timingSafeEqual(Buffer.from(code.hash, 'hex'), Buffer.from(hashOf(typed, code.salt), 'hex'));
}

/**
 * What a typed code is worth now, for a code that it is compared with. Changes nothing.
 *
 * @param event tries are counted once an event, so that one that is run again costs none
 */
export function judge(code: PersonCode | undefined, typed: string, event: string, now: number): CodeVerdict {
  if (!code || code.ended === 'replaced') return { bad: 'none' };
  if (code.ended !== null) return { bad: code.ended };
  if (now >= code.expires_at) return { bad: 'late' };
  const wrong = wrongTries(code);
  const before = wrong.filter((one) => one !== event).length;
  if (before >= CODE_TRIES) return { bad: 'tries' };
  return isCode(code, typed) ? 'good' : { bad: 'wrong', left: CODE_TRIES - before - 1 };
}

export async function countWrong(trx: Kysely<Database>, code: PersonCode, event: string): Promise<void> {
  const wrong = [...new Set([...wrongTries(code), event])];
  await trx
    .updateTable('person_codes')
    .set({ wrong: JSON.stringify(wrong) })
    .where('seq', '=', code.seq)
    .execute();
}

export async function endCode(trx: Kysely<Database>, code: PersonCode, ended: 'used' | 'burnt'): Promise<void> {
  await trx.updateTable('person_codes').set({ ended }).where('seq', '=', code.seq).execute();
}

function wrongTries(code: PersonCode): readonly string[] {
  const wrong: unknown = JSON.parse(code.wrong);
  return Array.isArray(wrong) ? wrong.map(String) : [];
}

function hashOf(code: string, salt: string): string {
  return createHash('sha256')
    .update(`${salt}\n${foldCode(code)}`)
    .digest('hex');
}
