import type { Button, Language, Reply } from '../domain/reply.ts';
import { MESSAGES, type UpdateLike } from './messages/index.ts';
import type { PeopleNews } from './messages/people.ts';
import { trustField } from './render-progress.ts';

/** People and approvals as cards. Pure. */

/** What changed among people, for all admins. */
export function peopleCard(news: PeopleNews, language: Language): Reply {
  const { title, text } = MESSAGES[language].people.news(news);
  return { tone: news.what === 'burnt' ? 'warn' : 'info', title, text: [text] };
}

/** An update that waits for somebody's word. */
export interface ApprovalLike {
  readonly mode: 'confirm' | 'second';
  readonly digest: string | null;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Nobody asked for it. */
  readonly automatic: boolean;
  /** Asked for with `--force`. */
  readonly force: boolean;
  /** Nobody but the asker could approve it. */
  readonly alone: boolean;
}

interface Asked extends UpdateLike {
  /** What people call it. */
  readonly device: string;
  readonly requestedBy: string;
  readonly requestedByName: string;
}

/** The question, with its buttons. By the update's id: a press on an old card decides nothing new. */
export function approvalCard(update: Asked, approval: ApprovalLike, language: Language): Reply {
  const { people } = MESSAGES[language];
  const { id } = update;
  const yourself = approval.alone && !approval.automatic && approval.mode === 'confirm';
  const buttons: Button[] = [
    { label: yourself ? people.confirm : people.approve, command: `/update approve ${id}`, style: 'primary' },
    { label: people.reject, command: `/update reject ${id}`, style: 'danger' },
  ];
  const rule = approval.automatic
    ? people.byAnyone
    : yourself
      ? people.byYourself
      : approval.alone
        ? people.byTerminal(id)
        : people.bySecond;
  const until = new Date(approval.expiresAt).toISOString().slice(0, 16).replace('T', ' ');
  return {
    tone: 'warn',
    title: people.approvalTitle(update.app, update.to),
    text: [rule, ...(approval.force ? [people.forced] : [])],
    fields: [...facts(update, approval, language), { name: people.fieldUntil, value: `${until} UTC` }],
    buttons,
  };
}

/** What became of the question. */
export type ApprovalEnd =
  | { readonly what: 'approved' | 'rejected'; readonly by: string }
  | { readonly what: 'lapsed' | 'taken-back' };

/** The card of a question that is answered; it has no buttons any more. */
export function approvalEndCard(update: Asked, approval: ApprovalLike, end: ApprovalEnd, language: Language): Reply {
  const { people } = MESSAGES[language];
  const text =
    end.what === 'approved'
      ? people.approved(end.by)
      : end.what === 'rejected'
        ? people.rejected(end.by)
        : end.what === 'lapsed'
          ? people.lapsed
          : people.takenBack;
  return {
    tone: end.what === 'approved' ? 'good' : 'info',
    title: people.approvalTitle(update.app, update.to),
    text: [text],
    fields: facts(update, approval, language),
  };
}

function facts(update: Asked, approval: ApprovalLike, language: Language) {
  const { people } = MESSAGES[language];
  const version = [update.from && update.from !== update.to ? `${update.from} →` : '', update.to ?? ''];
  const digest = shortDigest(approval.digest);
  return [
    { name: people.fieldAsks, value: approval.automatic ? people.automatic : askerOf(update) },
    { name: people.fieldVersion, value: version.filter((part) => part !== '').join(' ') },
    ...(digest === '' ? [] : [{ name: people.fieldDigest, value: digest }]),
    { name: people.fieldDevice, value: update.device },
    ...trustField(update, MESSAGES[language]),
  ];
}

/** A name is chosen by whoever bears it: the account tells who it is. */
function askerOf({ requestedBy, requestedByName }: Asked): string {
  return requestedBy.endsWith(`:${requestedByName}`) ? requestedBy : `${requestedByName} (${requestedBy})`;
}

/** `sha256 0f3a9c…`: enough to compare by eye. */
export function shortDigest(digest: string | null): string {
  if (digest === null || digest === '') return '';
  const [, kind = '', value = ''] = /^(?:([a-z]+\d*)[-:])?(.*)$/s.exec(digest) ?? [];
  return `${kind}${kind === '' ? '' : ' '}${value.length > 12 ? `${value.slice(0, 12)}…` : value}`;
}
