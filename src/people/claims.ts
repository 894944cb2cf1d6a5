import type { Kysely } from 'kysely';
import { peopleCard } from '../chat/render-people.ts';
import type { Asker, People } from '../commands/index.ts';
import { FettleError } from '../domain/errors.ts';
import { type Account, accountId } from '../domain/person.ts';
import { rememberAdminChat } from '../store/admin-chats.ts';
import { addAudit, auditOfEvent } from '../store/audit.ts';
import { addPerson, giveAccount, hasAdmin, personOfAccount, setRole } from '../store/people.ts';
import { type CodeVerdict, countWrong, endCode, isCode, judge, newestCode } from '../store/person-codes.ts';
import type { Database } from '../store/schema.ts';
import { askingAccount, newsKey, type PeopleWork, TERMINAL, unusedPersonId } from './work.ts';

/** Whoever has a code from the hub's machine is an admin: the first one, or one who lost every other way in. */
export function createClaims(work: PeopleWork): Pick<People, 'claim'> {
  const { announcer, random } = work;

  /** A right code that others have read. What is wrong is not told apart: the answer would be one try more. */
  async function inGroup(trx: Kysely<Database>, typed: string, asker: Asker, now: number): Promise<CodeVerdict> {
    const code = await newestCode(trx, 'claim');
    if (code?.ended === null && now < code.expires_at && isCode(code, typed)) {
      await endCode(trx, code, 'burnt');
      await addAudit(trx, work.entry(asker, now, { action: 'claim-burnt', target: asker.who.id }));
      const news = { what: 'burnt', name: asker.who.name, account: asker.who.id } as const;
      const reply = (language: 'en' | 'zh') => peopleCard(news, language);
      await announcer.announce(trx, { key: newsKey(asker), about: 'always', reply, now });
    }
    return { bad: 'burnt' };
  }

  async function makeAdmin(trx: Kysely<Database>, asker: Asker, now: number): Promise<boolean> {
    const account = askingAccount(asker);
    const { name } = asker.who;
    const first = !(await hasAdmin(trx));
    const known = await personOfAccount(trx, account);
    const id = known?.person ?? (await unusedPersonId(trx, random));
    if (known) await setRole(trx, known, 'admin', now);
    else {
      await addPerson(trx, { id, name, role: 'admin', now });
      await giveAccount(trx, { ...account, name }, id, now);
    }
    const what = { action: 'claim', target: accountId(account), before: known?.role, after: first ? 'first' : 'admin' };
    await addAudit(trx, work.entry(asker, now, what));
    await rememberAdminChat(trx, { route: asker.route, language: undefined, account: accountId(account), at: now });
    const news = { what: 'claimed', name, account: accountId(account), first } as const;
    const reply = (language: 'en' | 'zh') => peopleCard(news, language);
    await announcer.announce(trx, { key: newsKey(asker), about: 'always', reply, except: asker.route, now });
    return first;
  }

  return {
    async claim(typed, asker, direct) {
      const result = await work.change(async (trx, now) => {
        const done = await auditOfEvent(trx, { eventId: asker.eventId, by: asker.who.id });
        if (done?.action === 'claim') return { already: false, first: done.after === 'first' };
        if (done?.action === 'claim-burnt') return { verdict: { bad: 'burnt' } as CodeVerdict };
        if (!direct) return { verdict: await inGroup(trx, typed, asker, now) };
        if ((await isAdmin(trx, askingAccount(asker))) === true) return { already: true, first: false };
        const code = await newestCode(trx, 'claim');
        const event = `${asker.who.id}\n${asker.eventId}`;
        const verdict = judge(code, typed, event, now);
        if (verdict === 'good' && code) {
          await endCode(trx, code, 'used');
          return { already: false, first: await makeAdmin(trx, asker, now) };
        }
        if (code && verdict !== 'good' && verdict.bad === 'wrong') await countWrong(trx, code, event);
        return { verdict };
      });
      if (!('verdict' in result)) return result;
      throw refused('claim_refused', result.verdict, direct);
    },
  };
}

async function isAdmin(trx: Kysely<Database>, account: Account): Promise<boolean> {
  return account.platform === TERMINAL || (await personOfAccount(trx, account))?.role === 'admin';
}

/** A code that is worth nothing, as an error. */
export function refused(
  error: 'claim_refused' | 'link_refused',
  verdict: CodeVerdict | undefined,
  direct: boolean,
): FettleError {
  if (!direct) return new FettleError(error, { data: { why: 'group' } });
  if (verdict === undefined || verdict === 'good') return new FettleError(error, { data: { why: 'none' } });
  return new FettleError(error, {
    data: { why: verdict.bad, ...(verdict.bad === 'wrong' ? { left: verdict.left } : {}) },
  });
}
