import type { Kysely } from 'kysely';
import { peopleCard } from '../chat/render-people.ts';
import type { Asker, People, RoleChange } from '../commands/index.ts';
import { type Role, roleAllows } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import { accountId, accountOf, isShared } from '../domain/person.ts';
import { forgetAdmin } from '../store/admin-chats.ts';
import { addAudit, auditOfEvent } from '../store/audit.ts';
import {
  addPerson,
  giveAccount,
  type KnownPerson,
  listAccounts,
  listPeople,
  personOfAccount,
  removePerson,
  setRole,
} from '../store/people.ts';
import type { Database } from '../store/schema.ts';
import { findNamed, type Named } from './named.ts';
import { askingAccount, newsKey, type PeopleWork, TERMINAL, unusedPersonId } from './work.ts';

/** Who gets and loses a role. The last admin of the chats keeps theirs: the terminal may be out of everybody's reach. */
export function createRoles(work: PeopleWork): Pick<People, 'setRole' | 'remove'> {
  const { announcer, random } = work;

  async function requireAdmin(trx: Kysely<Database>, asker: Asker): Promise<void> {
    const account = askingAccount(asker);
    if (account.platform === TERMINAL) return;
    const role = (await personOfAccount(trx, account))?.role;
    if (role === undefined || !roleAllows(role, 'admin'))
      throw new FettleError('not_allowed', { data: { needed: 'admin', has: role } });
  }

  async function tell(trx: Kysely<Database>, change: RoleChange, asker: Asker, now: number): Promise<void> {
    const reply = (language: 'en' | 'zh') => peopleCard({ what: 'role', ...change, by: asker.who.name }, language);
    await announcer.announce(trx, { key: newsKey(asker), about: 'always', reply, except: asker.route, now });
  }

  /** What an event has done before, told again. */
  async function doneBefore(trx: Kysely<Database>, asker: Asker): Promise<RoleChange | undefined> {
    const done = await auditOfEvent(trx, { eventId: asker.eventId, by: asker.who.id });
    if (done?.action !== 'role' || done.target === undefined) return undefined;
    const [name = '', ...accounts] = done.target.split('\n');
    return { name, accounts, before: done.before as Role | undefined, after: done.after as Role | undefined };
  }

  async function finish(trx: Kysely<Database>, change: RoleChange, asker: Asker, now: number): Promise<RoleChange> {
    const { name, accounts, before, after } = change;
    const target = [name, ...accounts].join('\n');
    await addAudit(trx, work.entry(asker, now, { action: 'role', target, before, after }));
    await tell(trx, change, asker, now);
    return change;
  }

  async function setTo(trx: Kysely<Database>, named: Named, role: Role, now: number): Promise<RoleChange> {
    const { person } = named;
    if (person) {
      if (person.role === 'admin' && role !== 'admin') await requireAnother(trx, person);
      await setRole(trx, person, role, now);
      const accounts = (await listAccounts(trx, person.person)).map(accountId);
      if (role !== 'admin') await forgetAdmin(trx, accounts);
      return { name: person.name, accounts, before: person.role, after: role };
    }
    const id = await unusedPersonId(trx, random);
    await addPerson(trx, { id, name: named.name, role, now });
    await giveAccount(trx, accountOf(named.account), id, now);
    return { name: named.name, accounts: [named.account], after: role };
  }

  return {
    async setRole(typed, role, asker, known) {
      return work.change(async (trx, now) => {
        const done = await doneBefore(trx, asker);
        if (done) return done;
        await requireAdmin(trx, asker);
        const named = await findNamed(trx, typed, { strangers: !known, again: (id) => addCommand(id, role) });
        if (role !== 'viewer' && isShared(accountOf(named.account)))
          throw new FettleError('shared_account', { data: { account: named.account } });
        if (named.person?.role === role) {
          const accounts = (await listAccounts(trx, named.person.person)).map(accountId);
          return { name: named.person.name, accounts, before: role, after: role };
        }
        return finish(trx, await setTo(trx, named, role, now), asker, now);
      });
    },

    async remove(typed, asker) {
      return work.change(async (trx, now) => {
        const done = await doneBefore(trx, asker);
        if (done) return done;
        await requireAdmin(trx, asker);
        const named = await findNamed(trx, typed, { strangers: false, again: (id) => `/admin remove ${id}` });
        const { person } = named;
        if (!person) throw new FettleError('unknown_person', { data: { typed } });
        if (person.role === 'admin') await requireAnother(trx, person);
        const accounts = (await listAccounts(trx, person.person)).map(accountId);
        await forgetAdmin(trx, accounts);
        await removePerson(trx, person.person);
        return finish(trx, { name: person.name, accounts, before: person.role }, asker, now);
      });
    },
  };
}

const addCommand = (id: string, role: Role) => `/admin add ${id} ${role}`;

/** @throws {FettleError} `last_admin` */
export async function requireAnother(trx: Kysely<Database>, person: KnownPerson): Promise<void> {
  const others = (await listPeople(trx)).filter((one) => one.role === 'admin' && one.person !== person.person);
  if (others.length === 0) throw new FettleError('last_admin', { data: { name: person.name } });
}
