import type { Kysely } from 'kysely';
import type { People } from '../commands/index.ts';
import { type Role, roleAllows } from '../domain/app.ts';
import { type Account, accountId, accountOf } from '../domain/person.ts';
import type { Language, Route } from '../domain/reply.ts';
import { rememberAdminChat } from '../store/admin-chats.ts';
import { hasAdmin, listAccounts, listPeople, personOfAccount, rememberAccount } from '../store/people.ts';
import type { Database } from '../store/schema.ts';
import { createClaims } from './claims.ts';
import { createLinks } from './links.ts';
import { createRoles } from './roles.ts';
import { type PeopleDeps, type PeopleWork, TERMINAL } from './work.ts';

/**
 * Who may do what. Invariants: a change, its audit entry and its news are one transaction; an event that is run again
 * changes nothing more; whoever asks for a change is looked up in that transaction, so that of two admins who put each
 * other out one remains.
 */
export interface PeopleOfHub extends People {
  /**
   * `undefined` for strangers.
   *
   * @param within the transaction that asks; the store has one connection
   */
  roleOf(platform: string, person: string, within?: Kysely<Database>): Promise<Role | undefined>;
  /** Is `platform:person` operator or higher now? `within` as above. */
  isOperator(id: string, within?: Kysely<Database>): Promise<boolean>;
  /** One id for all accounts of a person; of strangers and the terminal the account's own. */
  personOf(platform: string, person: string): Promise<string>;
  /** Somebody wrote: the name is kept. */
  spoke(seen: Account & { readonly name: string }): Promise<void>;
  /** An admin gave a command in a chat: news goes there from now on. */
  adminSpoke(seen: {
    readonly route: Route;
    readonly language: Language | undefined;
    readonly person: string;
  }): Promise<void>;
  /** Is there an admin beside the terminal? */
  claimed(): Promise<boolean>;
}

export function createPeople(deps: PeopleDeps): PeopleOfHub {
  const { db, clock } = deps;
  const work: PeopleWork = {
    ...deps,
    async change(run) {
      const result = await db.transaction().execute((trx) => run(trx, clock.now()));
      deps.outbox.wake();
      deps.onChanged?.();
      return result;
    },
    entry: ({ who, route, eventId }, at, what) => ({ at, by: who.id, byName: who.name, route, eventId, ...what }),
  };

  return {
    async roleOf(platform, person, within = db) {
      if (platform === TERMINAL) return 'admin';
      return (await personOfAccount(within, { platform, person }))?.role;
    },
    async isOperator(id, within = db) {
      const account = accountOf(id);
      const role = account.platform === TERMINAL ? 'admin' : (await personOfAccount(within, account))?.role;
      return role !== undefined && roleAllows(role, 'operator');
    },
    async personOf(platform, person) {
      const known = platform === TERMINAL ? undefined : await personOfAccount(db, { platform, person });
      return known?.person ?? accountId({ platform, person });
    },
    async spoke(seen) {
      if (seen.platform !== TERMINAL) await rememberAccount(db, { ...seen, at: clock.now() });
    },
    async adminSpoke({ route, language, person }) {
      const account = { platform: route.platform, person };
      // The role may have gone since the command was let through.
      if (route.platform !== TERMINAL && (await personOfAccount(db, account))?.role !== 'admin') return;
      const by = route.platform === TERMINAL ? {} : { account: accountId(account) };
      await rememberAdminChat(db, { route, language, ...by, at: clock.now() });
    },
    claimed: () => hasAdmin(db),
    async list() {
      const accounts = await listAccounts(db);
      return (await listPeople(db)).map(({ person: id, name, role }) => ({
        id,
        name,
        role,
        accounts: accounts.filter(({ owner }) => owner === id).map(viewOf),
      }));
    },
    async strangers() {
      const accounts = (await listAccounts(db)).filter(({ owner }) => owner === undefined);
      return accounts.sort((a, b) => b.seenAt - a.seenAt).map(viewOf);
    },
    ...createClaims(work),
    ...createRoles(work),
    ...createLinks(work),
  };
}

function viewOf(account: Account & { readonly name: string; readonly seenAt: number }) {
  return { id: accountId(account), name: account.name, seenAt: account.seenAt };
}
