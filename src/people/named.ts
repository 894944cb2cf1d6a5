import type { Kysely } from 'kysely';
import { FettleError } from '../domain/errors.ts';
import { accountId, foldName, readPerson } from '../domain/person.ts';
import {
  accountsNamed,
  findPerson,
  type KnownAccount,
  type KnownPerson,
  listAccounts,
  personOfAccount,
} from '../store/people.ts';
import type { Database } from '../store/schema.ts';
import { TERMINAL } from './work.ts';

/** Whom a command means: a person, or an account of nobody's yet. */
export interface Named {
  readonly person?: KnownPerson | undefined;
  /** `telegram:123` */
  readonly account: string;
  readonly name: string;
}

/**
 * Finds whom a text names. Names are chosen by those who bear them: a stranger's is taken only where nobody else bears
 * it, and then is asked back, with the id.
 *
 * @param options.strangers may it be somebody without a role?
 * @param options.again the same command with an account's id, for buttons
 * @throws {FettleError} `unknown_person` · `bad_person`
 */
export async function findNamed(
  trx: Kysely<Database>,
  typed: string,
  options: { readonly strangers: boolean; readonly again: (account: string) => string },
): Promise<Named> {
  const ref = readPerson(typed);
  if (!ref) throw new FettleError('bad_person', { data: { typed: typed.slice(0, 60) } });
  if (ref.by === 'id') {
    const person = await findPerson(trx, ref.id);
    const [account] = person ? await listAccounts(trx, person.person) : [];
    if (!person || !account) throw unknown(typed);
    return { person, account: accountId(account), name: person.name };
  }
  if (ref.by === 'account') {
    if (ref.platform === TERMINAL) throw new FettleError('bad_person', { data: { typed, reason: 'the terminal' } });
    const person = await personOfAccount(trx, ref);
    if (person) return { person, account: accountId(ref), name: person.name };
    if (!options.strangers) throw unknown(typed);
    const seen = (await listAccounts(trx)).find((one) => accountId(one) === accountId(ref));
    return { account: accountId(ref), name: seen?.name ?? accountId(ref) };
  }
  return byName(trx, typed, foldName(ref.name), options);
}

async function byName(
  trx: Kysely<Database>,
  typed: string,
  name: string,
  options: Parameters<typeof findNamed>[2],
): Promise<Named> {
  const all = await accountsNamed(trx, name);
  const found = onePerPerson(options.strangers ? all : all.filter(({ owner }) => owner !== undefined));
  const [only] = found;
  if (!only) throw unknown(typed);
  const ids = found.slice(0, 5).map(accountId);
  if (found.length > 1)
    throw new FettleError('unknown_person', { data: { typed, several: ids, try: ids.map(options.again) } });
  if (only.owner === undefined) {
    // Anybody may call himself so: the id is what is let in, and an admin sees it first.
    throw new FettleError('unknown_person', {
      data: { typed, account: accountId(only), try: [options.again(accountId(only))] },
    });
  }
  const person = await findPerson(trx, only.owner);
  if (!person) throw unknown(typed);
  return { person, account: accountId(only), name: person.name };
}

function onePerPerson(accounts: readonly KnownAccount[]): readonly KnownAccount[] {
  const key = (one: KnownAccount) => one.owner ?? accountId(one);
  return accounts.filter((one, i) => accounts.findIndex((other) => key(other) === key(one)) === i);
}

function unknown(typed: string): FettleError {
  return new FettleError('unknown_person', { data: { typed: typed.slice(0, 60) } });
}
