import type { Kysely } from 'kysely';
import { type Approver, isApprover, LOCAL } from '../domain/approval.ts';
import { accountOf } from '../domain/person.ts';
import { listPeople, personOfAccount } from '../store/people.ts';
import type { Database } from '../store/schema.ts';

/** Who counts in approvals, as the store says now. */

/** The person behind `platform:person`; `undefined`: a stranger, or nobody (`fettle`). */
export async function approverOf(db: Kysely<Database>, id: string): Promise<Approver | undefined> {
  const account = accountOf(id);
  return account.platform === 'terminal' ? LOCAL : personOfAccount(db, account);
}

/** Is there anybody beside these who could approve? The terminal apart: nobody may be there. */
export async function hasOthers(db: Kysely<Database>, but: readonly string[], now: number): Promise<boolean> {
  return (await listPeople(db)).some((one) => !but.includes(one.person) && isApprover(one, now));
}
