import type { Kysely, Selectable } from 'kysely';
import { type Role, roleAllows } from '../domain/app.ts';
import type { Approver } from '../domain/approval.ts';
import { type Account, foldName } from '../domain/person.ts';
import type { Database, IdentityTable, PersonTable } from './schema.ts';

/** People, and the accounts by which they are known. A person without an account does not exist. */

export interface KnownPerson extends Approver {
  /** `p-7k2m` */
  readonly person: string;
  readonly name: string;
}

export interface KnownAccount extends Account {
  /** {@link KnownPerson.person}; absent: has only spoken to the bot. */
  readonly owner: string | undefined;
  readonly name: string;
  /** Milliseconds since 1970; 0: never. */
  readonly seenAt: number;
}

/** Accounts of nobody whom an admin has let in: so many are kept, the newest. */
const STRANGERS = 500;
/** `seen_at` is only written anew after this: each message would cost a write otherwise. */
const SEEN_MS = 60 * 60_000;

/** Whose account this is; `undefined`: a stranger's. */
export async function personOfAccount(db: Kysely<Database>, account: Account): Promise<KnownPerson | undefined> {
  const row = await db
    .selectFrom('identities')
    .innerJoin('people', 'people.id', 'identities.owner')
    .selectAll('people')
    .where('identities.platform', '=', account.platform)
    .where('identities.person', '=', account.person)
    .executeTakeFirst();
  return row && personFrom(row);
}

export async function findPerson(db: Kysely<Database>, id: string): Promise<KnownPerson | undefined> {
  const row = await db.selectFrom('people').selectAll().where('id', '=', id).executeTakeFirst();
  return row && personFrom(row);
}

/** Everybody, the oldest first. */
export async function listPeople(db: Kysely<Database>): Promise<readonly KnownPerson[]> {
  const rows = await db.selectFrom('people').selectAll().orderBy('created_at').orderBy('id').execute();
  return rows.map(personFrom);
}

/** Of one person, or of everybody, strangers included; always in the same order. */
export async function listAccounts(db: Kysely<Database>, owner?: string): Promise<readonly KnownAccount[]> {
  let query = db.selectFrom('identities').selectAll();
  if (owner !== undefined) query = query.where('owner', '=', owner);
  return (await query.orderBy('platform').orderBy('person').execute()).map(accountFrom);
}

/** Accounts whose owner calls himself so; several may. @param name folded (see `foldName`) */
export async function accountsNamed(db: Kysely<Database>, name: string): Promise<readonly KnownAccount[]> {
  return (await listAccounts(db)).filter((account) => foldName(account.name) === name);
}

export async function addPerson(
  trx: Kysely<Database>,
  { id, name, role, now }: { readonly id: string; readonly name: string; readonly role: Role; readonly now: number },
): Promise<void> {
  await trx
    .insertInto('people')
    .values({ id, name, role, approver_since: roleAllows(role, 'operator') ? now : null, created_at: now })
    .execute();
}

/** Who was an operator goes on being one for as long as before. */
export async function setRole(trx: Kysely<Database>, person: KnownPerson, role: Role, now: number): Promise<void> {
  const since = roleAllows(role, 'operator') ? (person.since ?? now) : null;
  await trx.updateTable('people').set({ role, approver_since: since }).where('id', '=', person.person).execute();
}

/** The accounts stay as strangers'. */
export async function removePerson(trx: Kysely<Database>, id: string): Promise<void> {
  await trx.updateTable('identities').set({ owner: null }).where('owner', '=', id).execute();
  await trx.deleteFrom('people').where('id', '=', id).execute();
}

/** Makes an account somebody's, or a stranger's again. One that never spoke is called by its id. */
export async function giveAccount(
  trx: Kysely<Database>,
  account: Account & { readonly name?: string | undefined },
  owner: string | null,
  now: number,
): Promise<void> {
  const { platform, person, name } = account;
  await trx
    .insertInto('identities')
    .values({ platform, person, owner, name: name ?? person, seen_at: name === undefined ? 0 : now })
    .onConflict((conflict) =>
      conflict.columns(['platform', 'person']).doUpdateSet(name === undefined ? { owner } : { owner, name }),
    )
    .execute();
}

/** All accounts of one person become another's. */
export async function moveAccounts(trx: Kysely<Database>, from: string, to: string): Promise<void> {
  await trx.updateTable('identities').set({ owner: to }).where('owner', '=', from).execute();
}

/** Keeps the name under which somebody speaks; of strangers only the newest are kept. */
export async function rememberAccount(
  db: Kysely<Database>,
  seen: Account & { readonly name: string; readonly at: number },
): Promise<void> {
  const { platform, person, at } = seen;
  const name = seen.name.slice(0, 100);
  const before = await db
    .selectFrom('identities')
    .select(['owner', 'name', 'seen_at'])
    .where('platform', '=', platform)
    .where('person', '=', person)
    .executeTakeFirst();
  if (before && before.name === name && at - before.seen_at < SEEN_MS) return;
  await db
    .insertInto('identities')
    .values({ platform, person, owner: null, name, seen_at: at })
    .onConflict((conflict) => conflict.columns(['platform', 'person']).doUpdateSet({ name, seen_at: at }))
    .execute();
  if (before?.owner != null) await db.updateTable('people').set({ name }).where('id', '=', before.owner).execute();
  if (before) return;
  const old = await db
    .selectFrom('identities')
    .select(['platform', 'person'])
    .where('owner', 'is', null)
    .orderBy('seen_at', 'desc')
    .offset(STRANGERS)
    .limit(100)
    .execute();
  for (const one of old)
    await db
      .deleteFrom('identities')
      .where('platform', '=', one.platform)
      .where('person', '=', one.person)
      .where('owner', 'is', null)
      .execute();
}

/** Has anybody claimed this hub (or been made an admin)? The terminal apart. */
export async function hasAdmin(db: Kysely<Database>): Promise<boolean> {
  const row = await db.selectFrom('people').select('id').where('role', '=', 'admin').executeTakeFirst();
  return row !== undefined;
}

function personFrom(row: Selectable<PersonTable>): KnownPerson {
  return { person: row.id, name: row.name, role: row.role, since: row.approver_since };
}

function accountFrom(row: Selectable<IdentityTable>): KnownAccount {
  const { platform, person, name } = row;
  return { platform, person, owner: row.owner ?? undefined, name, seenAt: row.seen_at };
}
