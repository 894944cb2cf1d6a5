import type { Button, Language, Reply } from '../domain/reply.ts';
import { isUpdateState } from '../domain/update.ts';
import { about } from './messages/format.ts';
import { MESSAGES, type Messages, type OutcomeLike, type UpdateLike } from './messages/index.ts';
import { backupName, onDevice, trustField } from './render-progress.ts';

/** What an update came to, as a card; while it runs, see `render-progress.ts`. Pure. */

/** The end of a log, as far as a phone shows it; `/update logs` has the rest. */
const LOG_LINES = 12;
const LOG_WIDTH = 300;

export interface Audience {
  /** Ends of logs are for admins only. */
  readonly admin: boolean;
}

/**
 * The final answer. `outcome` is absent where the update ended at the hub (timed out, cancelled or failed
 * before the device took it); `update.state` says how.
 */
export function finalCard(
  outcome: OutcomeLike | undefined,
  update: UpdateLike,
  language: Language,
  audience: Audience,
): Reply {
  const reply = cardOf(outcome, update, language, audience);
  return { ...reply, title: onDevice(reply.title, update, language) };
}

function cardOf(outcome: OutcomeLike | undefined, update: UpdateLike, language: Language, audience: Audience): Reply {
  const messages = MESSAGES[language];
  const state = outcome?.state ?? update.state;
  const facts: Facts = { outcome, update, messages, audience };
  switch (state) {
    case 'succeeded':
      return update.kind === 'restore' ? restored(facts) : succeeded(facts);
    case 'rolled-back':
      return rolledBack(facts);
    case 'rollback-failed':
      return rollbackFailed(facts);
    case 'cancelled':
      return cancelled(facts);
    case 'timed-out':
      return timedOut(facts);
    default:
      return failed(facts);
  }
}

/** Is this end something else than what was asked for? Scripts exit with 1 then. */
export function endedBadly(state: string): boolean {
  return isUpdateState(state) && state !== 'succeeded';
}

interface Facts {
  readonly outcome: OutcomeLike | undefined;
  readonly update: UpdateLike;
  readonly messages: Messages;
  readonly audience: Audience;
}

function succeeded({ outcome, update, messages }: Facts): Reply {
  const { cards } = messages;
  const { app, kind } = update;
  const version = outcome?.running ?? outcome?.to ?? update.to;
  const outage = outcome?.outageMs === undefined ? undefined : messages.duration(outcome.outageMs);
  const title =
    kind === 'install'
      ? cards.installed(app, version)
      : kind === 'restart'
        ? cards.restarted(app, version, outage)
        : kind === 'rollback'
          ? cards.wentBack(app, version, outage)
          : cards.backOnline(app, version, outage);
  const from = outcome?.from ?? update.from;
  const to = outcome?.to ?? update.to;
  const text = [
    ...(outcome?.dataRestored ? [cards.dataRestored] : []),
    ...(outcome?.setAside ? [cards.beforeIsAside(`apps/${update.app}/${outcome.setAside}`)] : []),
    ...gaps({ outcome, messages }),
  ];
  return {
    tone: 'good',
    title,
    ...(text.length > 0 ? { text } : {}),
    fields: [
      ...(from && to && from !== to ? [{ name: cards.fieldWhat, value: `${from} → ${to}` }] : []),
      ...(outcome?.proof
        ? [{ name: cards.fieldProof, value: outcome.proof === 'reported' ? cards.proofReported : cards.proofSlot }]
        : []),
      ...trustField(update, messages),
      ...took({ outcome, update, messages }),
      ...(outcome?.backup === undefined
        ? []
        : [{ name: cards.fieldBackup, value: cards.savedAs(`${app}/${outcome.backup}`) }]),
    ],
    ...(kind === 'update' && from && from !== to
      ? { buttons: [{ label: cards.rollBack, command: `/update rollback ${app}${onName(update)}` }] }
      : {}),
  };
}

function restored(facts: Facts): Reply {
  const { outcome, update, messages } = facts;
  const { cards } = messages;
  const { app } = update;
  const chosen = outcome?.restored;
  const outage = outcome?.outageMs === undefined ? undefined : messages.duration(outcome.outageMs);
  // Both by the device's clock.
  const made = chosen && cards.backupMade(chosen, app, messages.relative(chosen.at, outcome.endedAt));
  const version = outcome?.running ?? update.to;
  return {
    tone: 'good',
    title: cards.restored(app, backupName({ ...update, outcome }), made, outage),
    text: [
      ...(outcome?.backup === undefined ? [] : [cards.beforeIsBackup(`${app}/${outcome.backup}`)]),
      ...(outcome?.setAside ? [cards.beforeIsAside(`apps/${app}/${outcome.setAside}`)] : []),
      ...(chosen?.skipped?.length ? [cards.notKeptNow(chosen.skipped)] : []),
      ...(chosen?.absent?.length ? [cards.notInBackup(chosen.absent)] : []),
      ...gaps(facts),
    ],
    fields: [...(version ? [{ name: cards.fieldWhat, value: version }] : []), ...took(facts)],
  };
}

/** Chinese has no space between sentences. */
function sentences(all: readonly string[], { language }: Messages): string {
  return all.join(language === 'zh' ? '' : ' ');
}

/** What became of the data after an update went back. */
function dataAfter({ outcome, update, messages }: Facts): string {
  const { cards } = messages;
  const restore = update.kind === 'restore';
  const untouched = update.app === 'hub' ? cards.databaseKept : cards.dataKept;
  const kept = outcome?.dataRestored ? (restore ? cards.dataFromBefore : cards.dataRestored) : untouched;
  return sentences([outcome?.dataLeft ? cards.dataLeft : kept, ...aside({ outcome, update, messages })], messages);
}

/** What is missing of a backup, or of the data that was brought back. */
function gaps({ outcome, messages }: Pick<Facts, 'outcome' | 'messages'>): string[] {
  const { cards, problem } = messages;
  const { backupProblem, dataProblem } = outcome ?? {};
  return [
    ...(backupProblem ? [cards.noBackup(problem(backupProblem.code, backupProblem.data).text)] : []),
    ...(dataProblem ? [cards.dataNotBack(problem(dataProblem.code, dataProblem.data).text)] : []),
  ];
}

/** Where what was written meanwhile is. */
function aside({ outcome, update, messages }: Pick<Facts, 'outcome' | 'update' | 'messages'>): string[] {
  if (!outcome?.setAside) return [];
  const { cards } = messages;
  const text = update.kind === 'restore' ? cards.wrongDataAside : cards.setAside;
  return [text(`apps/${update.app}/${outcome.setAside}`)];
}

function rolledBack(facts: Facts): Reply {
  const { outcome, update, messages, audience } = facts;
  const { cards } = messages;
  const tried = outcome?.to ?? update.to;
  const running = outcome?.running ?? outcome?.from ?? update.from;
  const why = reason(facts);
  return {
    tone: 'bad',
    title:
      update.kind === 'restore'
        ? cards.restoreUndone(update.app, backupName({ ...update, outcome }))
        : cards.rolledBack(update.app, update.kind === 'restart' ? undefined : tried),
    text: [
      ...(why ? [why.text] : []),
      sentences(
        [
          cards.serving(update.app, running),
          ...(outcome?.outageMs === undefined ? [] : [cards.outage(messages.duration(outcome.outageMs))]),
        ],
        messages,
      ),
      dataAfter(facts),
      ...gaps(facts),
    ],
    ...trusted(update, messages),
    ...log(outcome, update.app, messages, audience),
    ...hints(why?.next),
    buttons: [tryAgain(update, messages), showLog(update, messages)],
  };
}

/** By the version that was tried; what refuses it says what to do. */
function tryAgain(update: UpdateLike, { cards }: Messages): Button {
  return { label: cards.tryAgain, command: commandOf(update) };
}

function showLog({ id }: UpdateLike, { cards }: Messages): Button {
  return { label: cards.showLog, command: `/update logs ${id}` };
}

function failed(facts: Facts): Reply {
  const { outcome, update, messages, audience } = facts;
  const { cards } = messages;
  const why = reason(facts);
  const running = outcome?.running ?? outcome?.from ?? update.from;
  return {
    tone: 'bad',
    title:
      update.kind === 'install'
        ? cards.notInstalled(update.app, outcome?.to ?? update.to)
        : cards.notUpdated(update.app, outcome?.to ?? update.to, update.kind),
    text: [...(why ? [why.text] : []), ...(running ? [cards.untouched(update.app, running)] : [])],
    ...log(outcome, update.app, messages, audience),
    ...hints(why?.next),
    // A backup that is not whole will not be whole the next time.
    ...(update.kind === 'restore' && ['backup_failed', 'unknown_backup'].includes(outcome?.problem?.code ?? '')
      ? { buttons: [showLog(update, messages)] }
      : { buttons: [{ ...tryAgain(update, messages), style: 'primary' as const }, showLog(update, messages)] }),
  };
}

function rollbackFailed(facts: Facts): Reply {
  const { outcome, update, messages, audience } = facts;
  const { cards } = messages;
  const why = reason(facts);
  return {
    tone: 'bad',
    title: cards.rollbackFailed(update.app),
    text: [
      ...(why ? [why.text] : []),
      outcome?.running ? cards.serving(update.app, outcome.running) : cards.notServing(update.app),
      ...(outcome?.dataLeft ? [cards.dataLeft] : []),
      ...aside(facts),
      ...gaps(facts),
    ],
    ...trusted(update, messages),
    ...log(outcome, update.app, messages, audience),
    hints: [cards.rescue(update.app)],
    buttons: [
      { label: cards.restart, command: `/update restart ${update.app}${onName(update)}`, style: 'primary' },
      showLog(update, messages),
    ],
  };
}

function cancelled({ outcome, update, messages }: Facts): Reply {
  const { cards } = messages;
  const running = outcome?.running ?? outcome?.from ?? update.from;
  return {
    tone: 'info',
    title: cards.cancelled(update.app, outcome?.to ?? update.to, update.kind),
    ...(running ? { text: [cards.untouched(update.app, running)] } : {}),
  };
}

function timedOut(facts: Facts): Reply {
  const { update, messages } = facts;
  const { cards } = messages;
  const why = reason(facts);
  return {
    tone: 'bad',
    title: cards.timedOut(update.app, update.to, update.kind),
    text: [why?.text ?? cards.timedOutWhy],
    // It waits no longer.
    ...(update.note?.code === 'device_offline' ? {} : hints(why?.next)),
    buttons: [{ ...tryAgain(update, messages), style: 'primary' }],
  };
}

/** Of a release that was taken and ran. One that was refused was perhaps none of what the device demands. */
function trusted(update: UpdateLike, messages: Messages) {
  const fields = trustField(update, messages);
  return fields.length > 0 ? { fields } : {};
}

function reason({ outcome, update, messages }: Facts) {
  const problem = outcome?.problem ?? (outcome ? undefined : update.note);
  if (!problem) return undefined;
  return messages.problem(problem.code, about({ ...update, outcome }, problem.data));
}

function took({ outcome, update, messages }: Pick<Facts, 'outcome' | 'update' | 'messages'>) {
  const end = update.endedAt ?? outcome?.endedAt;
  // Hub time where there is one: the device's clock may be another.
  const start = update.endedAt === undefined ? outcome?.startedAt : update.requestedAt;
  if (end === undefined || start === undefined || end < start) return [];
  return [{ name: messages.cards.fieldTook, value: messages.duration(end - start) }];
}

function log(outcome: OutcomeLike | undefined, app: string, messages: Messages, audience: Audience) {
  const tail = outcome?.logTail?.trimEnd();
  if (!audience.admin || !tail) return {};
  const lines = tail.split('\n').slice(-LOG_LINES);
  return { code: [messages.cards.logOf(app), ...lines.map((line) => line.slice(0, LOG_WIDTH))].join('\n') };
}

function hints(next: string | undefined) {
  return next ? { hints: [next] } : {};
}

function commandOf(update: UpdateLike): string {
  const on = onName(update);
  if (update.kind === 'restart') return `/update restart ${update.app}${on}`;
  if (update.kind === 'rollback') return `/update rollback ${update.app}${on}`;
  if (update.kind === 'restore') return `/update restore ${backupName(update)}${on}`;
  return `/update now ${update.app}${update.to ? `@${update.to}` : ''}${on}`;
}

const onName = ({ on }: UpdateLike) => (on === undefined ? '' : ` on ${on}`);
