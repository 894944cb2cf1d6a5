import type { Kysely } from 'kysely';
import { peopleCard } from '../chat/render-people.ts';
import type { Asker, LinkResult, People } from '../commands/index.ts';
import { type Role, roleAllows } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import { accountId, accountOf } from '../domain/person.ts';
import { forgetAdmin } from '../store/admin-chats.ts';
import { addAudit, auditOfEvent } from '../store/audit.ts';
import {
  findPerson,
  giveAccount,
  type KnownPerson,
  listAccounts,
  moveAccounts,
  personOfAccount,
  removePerson,
} from '../store/people.ts';
import {
  type CodeVerdict,
  countWrong,
  endCode,
  isCode,
  judge,
  makeCode,
  type PersonCode,
  recentCodes,
} from '../store/person-codes.ts';
import type { Database } from '../store/schema.ts';
import { refused } from './claims.ts';
import { findNamed } from './named.ts';
import { askingAccount, newsKey, type PeopleWork, TERMINAL } from './work.ts';

/**
 * Joins one person's accounts. The role of whoever made the code counts, so that nobody gains by having another type
 * it; and whoever would lose by typing it is refused, so that nobody is put down by a trick.
 */
export function createLinks(work: PeopleWork): Pick<People, 'newLink' | 'link' | 'unlink'> {
  const { announcer, random } = work;

  /** The code that was typed, or all that a wrong one could have meant. */
  async function judged(
    trx: Kysely<Database>,
    typed: string,
    event: string,
    now: number,
  ): Promise<{ readonly verdict: CodeVerdict; readonly code?: PersonCode | undefined }> {
    const codes = await recentCodes(trx, 'link', now);
    const meant = codes.find((code) => isCode(code, typed));
    if (meant) return { verdict: judge(meant, typed, event, now), code: meant };
    let verdict: CodeVerdict = { bad: 'none' };
    for (const code of codes) {
      const one = judge(code, typed, event, now);
      if (one === 'good' || one.bad === 'none') continue;
      if (one.bad === 'wrong') await countWrong(trx, code, event);
      if (verdict.bad === 'none' || (one.bad === 'wrong' && verdict.bad !== 'wrong')) verdict = one;
    }
    return { verdict };
  }

  async function join(
    trx: Kysely<Database>,
    owner: KnownPerson,
    asker: Asker,
    now: number,
  ): Promise<LinkResult | FettleError> {
    const account = askingAccount(asker);
    const mine = await personOfAccount(trx, account);
    if (mine?.person === owner.person) return new FettleError('link_refused', { data: { why: 'same' } });
    if (mine && !roleAllows(owner.role, mine.role))
      return new FettleError('link_refused', { data: { why: 'lower', has: mine.role, role: owner.role } });
    if (mine) {
      await moveAccounts(trx, mine.person, owner.person);
      await removePerson(trx, mine.person);
    } else await giveAccount(trx, { ...account, name: asker.who.name }, owner.person, now);
    const accounts = (await listAccounts(trx, owner.person)).map(accountId);
    const result: LinkResult = { name: owner.name, role: owner.role, before: mine?.role, accounts };
    const target = [owner.name, ...accounts].join('\n');
    await addAudit(trx, work.entry(asker, now, { action: 'link', target, before: mine?.role, after: owner.role }));
    const reply = (language: 'en' | 'zh') => peopleCard({ what: 'linked', ...result }, language);
    await announcer.announce(trx, { key: newsKey(asker), about: 'always', reply, except: asker.route, now });
    return result;
  }

  return {
    async newLink(asker, direct) {
      const account = askingAccount(asker);
      if (account.platform === TERMINAL) throw new FettleError('link_refused', { data: { why: 'terminal' } });
      if (!direct) throw new FettleError('link_refused', { data: { why: 'direct' } });
      return work.change(async (trx, now) => {
        const person = await personOfAccount(trx, account);
        if (!person) throw new FettleError('link_refused', { data: { why: 'stranger' } });
        return makeCode(trx, { kind: 'link', owner: person.person }, { random, now });
      });
    },

    async link(typed, asker, direct) {
      if (askingAccount(asker).platform === TERMINAL)
        throw new FettleError('link_refused', { data: { why: 'terminal' } });
      const result = await work.change(async (trx, now) => {
        const done = await auditOfEvent(trx, { eventId: asker.eventId, by: asker.who.id });
        if (done?.action === 'link' && done.target !== undefined) {
          const [name = '', ...accounts] = done.target.split('\n');
          return { name, accounts, role: done.after as Role, before: done.before as Role | undefined };
        }
        if (!direct) {
          const codes = await recentCodes(trx, 'link', now);
          const code = codes.find((one) => one.ended === null && isCode(one, typed));
          if (code) {
            await endCode(trx, code, 'burnt');
            await addAudit(trx, work.entry(asker, now, { action: 'link-burnt', target: code.owner ?? undefined }));
          }
          return refused('link_refused', undefined, false);
        }
        const event = `${asker.who.id}\n${asker.eventId}`;
        const { verdict, code } = await judged(trx, typed, event, now);
        const owner = code?.owner == null ? undefined : await findPerson(trx, code.owner);
        if (verdict !== 'good' || !code) return refused('link_refused', verdict, true);
        // Whoever made it has no role any more.
        if (!owner) return refused('link_refused', { bad: 'none' }, true);
        const joined = await join(trx, owner, asker, now);
        if (!(joined instanceof FettleError)) await endCode(trx, code, 'used');
        return joined;
      });
      if (result instanceof FettleError) throw result;
      return result;
    },

    async unlink(typed, asker) {
      return work.change(async (trx, now) => {
        const done = await auditOfEvent(trx, { eventId: asker.eventId, by: asker.who.id });
        if (done?.action === 'unlink' && done.target !== undefined)
          return { account: done.target, name: done.before ?? '' };
        const { person, account } = await findNamed(trx, typed, {
          strangers: false,
          again: (id) => `/admin unlink ${id}`,
        });
        if (!person) throw new FettleError('unknown_person', { data: { typed } });
        const me = askingAccount(asker);
        const mine = me.platform === TERMINAL ? undefined : await personOfAccount(trx, me);
        const admin = me.platform === TERMINAL || mine?.role === 'admin';
        if (!admin && mine?.person !== person.person) throw new FettleError('not_your_account', { data: { account } });
        if ((await listAccounts(trx, person.person)).length < 2)
          throw new FettleError('only_account', { data: { account, name: person.name } });
        await giveAccount(trx, accountOf(account), null, now);
        await forgetAdmin(trx, [account]);
        await addAudit(trx, work.entry(asker, now, { action: 'unlink', target: account, before: person.name }));
        const news = { what: 'unlinked', name: person.name, account, by: asker.who.name } as const;
        const reply = (language: 'en' | 'zh') => peopleCard(news, language);
        await announcer.announce(trx, { key: newsKey(asker), about: 'always', reply, except: asker.route, now });
        return { account, name: person.name };
      });
    },
  };
}
