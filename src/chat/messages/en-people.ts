import type { ErrorData } from '../../domain/errors.ts';
import type { ProblemWriter } from './contract.ts';
import { because, when } from './en-words.ts';
import { list, number, text as t } from './format.ts';
import type { PeopleCode, PeopleTexts } from './people.ts';

/** English: people, their accounts and roles, approvals. */

const CODE_TROUBLE: Readonly<Record<string, (what: string) => string>> = {
  missing: (what) => `The ${what} code is missing: /admin ${what} CODE`,
  none: (what) => `No ${what} code is good now.`,
  late: (what) => `That ${what} code is too old: they are good for 10 minutes.`,
  tries: (what) => `Too many wrong tries: the ${what} code is worth nothing any more.`,
  used: (what) => `That ${what} code was used already.`,
  burnt: (what) => `That ${what} code was shown where others read it, so it is worth nothing any more.`,
  group: (what) =>
    `A ${what} code is taken in a direct message only. Others have read this one, so it is worth nothing any more.`,
  direct: (what) => `A ${what} code is given and taken in a direct message only.`,
};

const codeTrouble = (d: ErrorData, what: string) => {
  const why = CODE_TROUBLE[t(d.why)];
  if (why) return why(what);
  const left = number(d.left) ?? 0;
  return left > 0
    ? `That is not the ${what} code. ${left === 1 ? 'One try is' : `${left} tries are`} left.`
    : `That is not the ${what} code, and it was the last try.`;
};

const VOID: Readonly<Record<string, string>> = {
  digest: 'the source offers other content under that version now',
  release: 'the source does not offer that version any more',
  device: 'it would go to another device now',
  version: 'the device runs another version by now',
  asker: 'whoever asked for it may not do so any more',
};

export const peopleProblems: Record<PeopleCode, ProblemWriter> = {
  claim_refused: (d) => ({
    text: codeTrouble(d, 'claim'),
    next:
      d.why === 'wrong' && (number(d.left) ?? 0) > 0
        ? 'Mind that nothing is cut off: /admin claim CODE'
        : d.why === 'missing'
          ? "`fettle claim` on the hub's machine prints one. It is good for 10 minutes."
          : "`fettle claim` on the hub's machine prints a new one; type /admin claim and it in a direct message.",
  }),
  link_refused: (d) =>
    d.why === 'lower'
      ? {
          text: `You are ${t(d.has)} here, and the code was made by somebody who is ${t(d.role)}: joined, you would be ${t(d.role)}.`,
          next: 'Make the code here (/admin link) and type it there; or ask an admin to change the role first.',
        }
      : d.why === 'same'
        ? { text: 'This is the account that made the code, or it is joined already.' }
        : d.why === 'terminal'
          ? { text: "The terminal belongs to the hub's machine, not to a person: it can't be joined." }
          : d.why === 'stranger'
            ? {
                text: 'You have no role here, so there is nothing to join this account to.',
                next: 'Type /admin link where you have one, and the code that it gives here.',
              }
            : {
                text: codeTrouble(d, 'link'),
                next: 'Type /admin link in a direct message where you are known already; it gives a new one.',
              },
  unknown_person: (d) => ({
    text:
      list(d.several).length > 0
        ? `Several people are called ${t(d.typed)}.`
        : d.account
          ? `${t(d.typed)} is how ${t(d.account)} is called, and anybody may call themselves so.`
          : `I don't know ${t(d.typed)}.`,
    next:
      list(d.several).length > 0
        ? `Which one: ${list(d.several).join(', ')}?`
        : d.account
          ? 'Is it the right account? Then press the button.'
          : 'They write to me once, then /admin list shows them; or give the id, such as telegram:123456.',
  }),
  bad_person: (d) => ({
    text: `${t(d.typed)} is no person that I could know${because(d)}.`,
    next: 'A person is written feishu:ou_…, discord:123, telegram:123, or @name of somebody who has written to me.',
  }),
  shared_account: (d) => ({
    text: `${t(d.account)} is a group, in whose name any of its admins may write: nobody knows who it is, so it can be a viewer, and nothing more.`,
    next: 'Let in the person: they write under their own name once, then /admin list shows them.',
  }),
  last_admin: (d) => ({
    text: `${t(d.name)} is the last admin in the chats; the terminal on the hub's machine stays one, but nobody may be there.`,
    next: 'Make somebody else an admin first: /admin role PERSON admin',
  }),
  not_your_account: (d) => ({ text: `${t(d.account)} is not your account.`, next: 'An admin can take it off.' }),
  only_account: (d) => ({
    text: `${t(d.account)} is the only account of ${t(d.name)}.`,
    next: `/admin remove ${t(d.account)} takes the person away.`,
  }),
  approval_impossible: (d) => ({
    text: `${t(d.app)} is only updated when a second person approves, and there is none who could.`,
    next: 'It takes another person who has been operator or admin for 24 h: /admin add PERSON operator',
  }),
  approval_refused: (d, now) =>
    d.why === 'own'
      ? {
          text: 'You asked for this yourself (on this account or another of yours): another person has to approve it.',
        }
      : {
          text: `Only who has been operator or admin for 24 h may approve${d.since === undefined ? '' : `; you are since ${when(d.since, now)}`}.`,
        },
  approval_void: (d) => ({
    text: `${t(d.id) || 'The request'} can't be approved any more: ${VOID[t(d.why)] ?? 'things have changed'}.`,
    next: `Ask for it anew: /update now ${t(d.app)}`,
  }),
  approval_rejected: (d) => ({ text: `${t(d.who) || 'Somebody'} rejected it.` }),
  approval_expired: (d) => ({
    text: 'Nobody approved it within 24 h.',
    next: `Ask again when somebody is there: /update now ${t(d.app)}`,
  }),
  asker_gone: (d) => ({
    text: `${t(d.who) || 'Whoever asked for it'} may not ask for it any more. It had not begun, and does not.`,
    next: `Somebody else may ask for it anew: /update now ${t(d.app)}`,
  }),
  nothing_to_approve: () => ({ text: 'Nothing waits for approval.' }),
  not_approving: (d) => ({
    text: d.who
      ? `${t(d.who)} has ${d.decision === 'rejected' ? 'rejected' : 'approved'} ${t(d.id)} already.`
      : `${t(d.id)} does not wait for approval${d.state ? ` (it is ${t(d.state)})` : ''}.`,
  }),
};

const ROLES = { viewer: 'viewer', operator: 'operator', admin: 'admin' } as const;

export const people: PeopleTexts = {
  role: (role) => ROLES[role],
  news(news) {
    switch (news.what) {
      case 'claimed':
        return {
          title: `${news.name} is an admin of this hub now`,
          text: `${news.first ? 'The first one in the chats: ' : ''}${news.account} claimed it with a code from the hub's machine.`,
        };
      case 'burnt':
        return {
          title: `${news.name} showed a code to a group`,
          text: `${news.account} typed a code that was good where others read it. It is worth nothing any more.`,
        };
      case 'role': {
        const who = `${news.accounts.join(', ')} · by ${news.by}`;
        if (news.after === undefined)
          return { title: `${news.name} is out: was ${news.before ?? 'nobody'}`, text: who };
        if (news.before === undefined) return { title: `${news.name} is ${news.after} now`, text: who };
        return { title: `${news.name}: ${news.before} → ${news.after}`, text: who };
      }
      case 'linked':
        return {
          title: `${news.name} joined accounts`,
          text: `${news.accounts.join(' and ')} are one person now, ${news.role}.${news.before && news.before !== news.role ? ` The account that was joined was ${news.before}.` : ''}`,
        };
      case 'unlinked':
        return {
          title: `${news.account} is not ${news.name}'s any more`,
          text: `It can do nothing here now. · by ${news.by}`,
        };
    }
  },
  letMeIn: (account, role) => `An admin lets you in with: /admin add ${account} ${role}`,
  unclaimed:
    'This hub has no admin yet. Is it yours? Run `fettle claim` on its machine and send me what it prints, in a direct message.',

  approvalTitle: (app, to) => `May ${app}${to ? ` go to ${to}` : ' be updated'}?`,
  forced: 'With --force: also where this release failed here, another version is held, or the app must not be stopped.',
  automatic: 'Fettle (automatic update)',
  fieldAsks: 'asks',
  fieldVersion: 'version',
  fieldDigest: 'digest',
  fieldDevice: 'device',
  fieldUntil: 'until',
  approve: 'Approve',
  confirm: 'Confirm',
  reject: 'Reject',
  bySecond: 'Another person has to approve it.',
  byYourself: 'There is nobody else who could approve it: confirm it yourself, once more.',
  byTerminal: (id) =>
    `Another person has to approve it, and nobody in the chats could. On the hub's machine: fettle say /update approve ${id}`,
  byAnyone: 'It begins when somebody approves it.',
  approved: (by) => `Approved by ${by}.`,
  rejected: (by) => `Rejected by ${by}.`,
  lapsed: 'Nobody approved it within 24 h.',
  takenBack: 'It was taken back.',
};
