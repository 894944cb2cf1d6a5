import type { Button, Field, Language, Reply } from '../domain/reply.ts';
import { trustInWords } from '../domain/trust-text.ts';
import { isCancellable, isFinal, type UpdateKind, type UpdateState } from '../domain/update.ts';
import { MESSAGES, type Messages, type UpdateLike } from './messages/index.ts';

/** An update under way as a card, and what is left of that card once it is over. Pure. */

/** What a person sees as the steps, in order. States of one step share a place. */
const STEPS: Readonly<Record<'replace' | 'restart' | 'restore' | 'revert', readonly (readonly UpdateState[])[]>> = {
  replace: [
    ['requested', 'announced', 'approving', 'queued', 'sent', 'received'],
    ['fetching'],
    ['staged', 'rehearsing'],
    ['waiting', 'stopping'],
    ['swapping'],
    ['starting'],
    ['probing', 'committing'],
  ],
  restart: [
    ['requested', 'announced', 'approving', 'queued', 'sent', 'received', 'fetching', 'staged', 'rehearsing'],
    ['waiting', 'stopping', 'swapping'],
    ['starting'],
    ['probing', 'committing'],
  ],
  restore: [
    ['requested', 'approving', 'queued', 'sent', 'received', 'fetching'],
    ['staged', 'rehearsing', 'waiting', 'stopping', 'swapping'],
    ['starting'],
    ['probing', 'committing'],
  ],
  revert: [['reverting', 'discarding'], ['restarting'], ['reprobing']],
};

/** The card of an update under way; edited as it goes on. */
export function progressCard(update: UpdateLike, language: Language): Reply {
  const messages = MESSAGES[language];
  const { cards } = messages;
  if (isFinal(update.state)) return endedCard(update, messages);
  const reverting = ['reverting', 'restarting', 'reprobing'].includes(update.state);
  const label = update.cancelRequested && !reverting ? cards.cancelling : doing(update, messages);
  const { step, steps } = stepOf(update.kind, update.state);
  const progress = update.progress;
  const told = update.note && messages.problem(update.note.code, update.note.data);
  // That it waits, and until when, is what matters of a device that is away.
  const until = update.note?.code === 'device_offline' ? [told?.next ?? ''] : [];
  const note = told && [told.text, ...until].filter((part) => part !== '').join(language === 'zh' ? '' : ' ');
  return {
    tone: reverting ? 'warn' : 'busy',
    title: onDevice(titleOf(update, messages), update, language),
    progress: {
      label,
      step,
      steps,
      ...(progress ? { done: progress.done, total: progress.total, detail: progressDetail(progress, messages) } : {}),
    },
    ...(note ? { text: [note] } : {}),
    ...(update.trust ? { fields: trustField(update, messages) } : {}),
    ...(isCancellable(update.state) && !update.cancelRequested
      ? { buttons: [...lockButtons(update, messages), { label: cards.cancel, command: `/update cancel ${update.id}` }] }
      : {}),
  };
}

/** How far the release is trusted: of what is fetched, not of what was there before. */
export function trustField({ kind, trust }: UpdateLike, { cards, language }: Messages): Field[] {
  if (!trust || (kind !== 'update' && kind !== 'install')) return [];
  return [{ name: cards.fieldTrust, value: trustInWords(trust, language) }];
}

/** By the update's id: a press on an old card begins nothing new. */
function lockButtons({ id, state, note }: UpdateLike, { cards }: Messages): Button[] {
  if (state !== 'waiting' || note?.code !== 'locked_by_app') return [];
  return [
    { label: cards.hold, command: `/update hold ${id}` },
    { label: cards.force, command: `/update force ${id}`, style: 'danger' },
  ];
}

function doing({ kind, state }: UpdateLike, { cards }: Messages): string {
  return (kind === 'restore' ? cards.doingRestore[state] : undefined) ?? cards.doing[state];
}

/** The progress card of an update that is over: the final answer is a message of its own. */
function endedCard(update: UpdateLike, messages: Messages): Reply {
  const { steps } = stepOf(update.kind, 'committing');
  const tone = update.state === 'succeeded' ? 'good' : update.state === 'cancelled' ? 'info' : 'bad';
  return {
    tone,
    title: onDevice(titleOf(update, messages), update, messages.language),
    progress: { label: messages.cards.doing[update.state], step: steps, steps },
  };
}

function stepOf(kind: UpdateKind, state: UpdateState): { step: number; steps: number } {
  const path =
    kind === 'restore' ? STEPS.restore : kind === 'restart' || kind === 'rollback' ? STEPS.restart : STEPS.replace;
  for (const steps of [path, STEPS.revert]) {
    const at = steps.findIndex((states) => states.includes(state));
    if (at !== -1) return { step: at + 1, steps: steps.length };
  }
  return { step: path.length, steps: path.length };
}

/** A title that names the device, where there are several. */
export function onDevice(title: string, { on }: Pick<UpdateLike, 'on'>, language: Language): string {
  if (on === undefined) return title;
  return language === 'zh' ? `${title}（${on}）` : `${title} (${on})`;
}

/** `web 2.0.2 → 3.0.1`. */
function titleOf(update: UpdateLike, messages: Messages): string {
  if (update.kind === 'restart') return messages.cards.restartTitle(update.app);
  if (update.kind === 'restore') return messages.cards.restoreTitle(update.app, backupName(update));
  if (update.kind === 'rollback') return messages.cards.rollbackTitle(update.app, update.to);
  return [update.app, update.from && update.from !== update.to ? `${update.from} →` : '', update.to ?? '']
    .filter((part) => part !== '')
    .join(' ');
}

/** `web/3`. */
export function backupName(update: UpdateLike): string {
  const seq = update.outcome?.restored?.seq ?? update.backup;
  return seq === undefined ? update.app : `${update.app}/${seq}`;
}

/** `3.1 MB of 8.0 MB · 1.2 MB/s · 4 s left`, whatever of it is known. */
function progressDetail(progress: NonNullable<UpdateLike['progress']>, messages: Messages): string {
  const { cards } = messages;
  const { done, total, rate, left, unit, text } = progress;
  if (text !== undefined) return text;
  const parts: string[] = [];
  if (unit === 'bytes') {
    parts.push(total === undefined ? messages.bytes(done) : cards.of(messages.bytes(done), messages.bytes(total)));
    if (rate !== undefined && rate > 0) parts.push(messages.rate(rate));
  } else {
    parts.push(unit === 'files' ? cards.files(done, total) : cards.checks(done, total));
  }
  if (left !== undefined && left > 0 && (total === undefined || done < total)) parts.push(cards.left(left));
  return parts.join(' · ');
}
