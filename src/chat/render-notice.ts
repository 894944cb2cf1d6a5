import { describeSource, type Source } from '../domain/app.ts';
import type { ErrorData } from '../domain/errors.ts';
import { shortNotes } from '../domain/notes.ts';
import type { Release } from '../domain/release.ts';
import type { Field, Language, Reply } from '../domain/reply.ts';
import { type Trusted, trustInWords } from '../domain/trust-text.ts';
import { timeInWords } from '../domain/wall-clock.ts';
import { platformName } from './messages/format.ts';
import { MESSAGES, type Messages, type UpdateLike } from './messages/index.ts';
import { withdrawnFor } from './messages/notices.ts';
import { finalCard } from './render-update.ts';

/** What is told unasked, as cards. Pure. */

/** Rows and buttons of a digest: what fits on a phone, and what every platform takes. */
const MOST_ROWS = 20;
const MOST_BUTTONS = 4;

/** A release that is news. */
export interface News {
  readonly app: string;
  /** Another app of which this is the release as well. */
  readonly also?: string | undefined;
  readonly from: string;
  readonly release: Release;
  /** Releases that an update jumps over. */
  readonly between: number;
  /** What the device demands of it. */
  readonly trust?: Trusted | undefined;
}

/** A person is to decide. */
export function releaseCard(news: News, language: Language, now: number): Reply {
  const messages = MESSAGES[language];
  const { notices } = messages;
  const target = `${news.app}@${news.release.version}`;
  return {
    ...facts(news, messages, now),
    buttons: [
      { label: notices.update, command: `/update now ${target}`, style: 'primary' },
      ...(news.also === undefined
        ? []
        : [
            {
              label: notices.updateApp(news.also, news.release.version),
              command: `/update now ${news.also}@${news.release.version}`,
            },
          ]),
      { label: notices.later, command: `/update later ${target}` },
      { label: notices.skip, command: `/update skip ${target}` },
    ],
  };
}

/** It comes by itself, unless somebody cancels. @param graceMs until then; 0: now */
export function graceCard(news: News, id: string, graceMs: number, language: Language, now: number): Reply {
  const messages = MESSAGES[language];
  const { app, release } = news;
  const grace = graceMs > 0 ? messages.duration(graceMs).replace(/\.0(?= )/, '') : undefined;
  const card = facts(news, messages, now);
  return {
    ...card,
    // What will happen comes before what it is about.
    text: [messages.notices.begins(app, release.version, grace), ...(card.text ?? [])],
    buttons: [{ label: messages.cards.cancel, command: `/update cancel ${id}` }],
  };
}

/** It did not begin, or ended before it did anything: the card says why. */
export function withdrawnCard(update: UpdateLike, language: Language): Reply {
  const { notices } = MESSAGES[language];
  const reason = withdrawnFor(update);
  return {
    tone: 'info',
    title: notices.withdrawnTitle(update.app, update.to),
    text: [reason ? notices.withdrawn[reason] : notices.declined(update.to)],
  };
}

/** What comes after an automatic update that failed. */
export type After =
  | { readonly what: 'again'; readonly inMs: number }
  | { readonly what: 'left'; readonly tries: number }
  | undefined;

/** The end of an automatic update. */
export function automaticFinalCard(update: UpdateLike, after: After, language: Language): Reply {
  const messages = MESSAGES[language];
  const card = finalCard(update.outcome, update, language, { admin: true });
  if (!after) return card;
  const line =
    after.what === 'again'
      ? messages.notices.triesAgain(messages.duration(after.inMs))
      : messages.notices.leftToYou(after.tries);
  return { ...card, text: [...(card.text ?? []), line] };
}

/** Releases of a day in one message. */
export function digestCard(news: readonly News[], language: Language): Reply {
  const { notices } = MESSAGES[language];
  return {
    tone: 'info',
    title: notices.digestTitle(news.length),
    table: {
      columns: notices.columns,
      rows: news.slice(0, MOST_ROWS).map(({ app, from, release }) => [app, from, release.version]),
    },
    buttons: news.slice(0, MOST_BUTTONS).map(({ app, release }) => ({
      label: notices.updateApp(app, release.version),
      command: `/update now ${app}@${release.version}`,
    })),
    ...(news.length > MOST_BUTTONS
      ? { hints: [...(news.length > MOST_ROWS ? [notices.more(news.length - MOST_ROWS)] : []), '/update now APP'] }
      : {}),
  };
}

/** Who reads a card, and when. */
export interface Reading {
  readonly language: Language;
  /** IANA name: times are shown in it. */
  readonly timezone: string;
  readonly now: number;
}

/** A source whose index nobody vouches for any more, or soon. */
export function expiryCard(app: string, source: Source, expiresAt: number, reading: Reading): Reply {
  const { notices } = MESSAGES[reading.language];
  const past = expiresAt <= reading.now;
  const when = timeInWords(expiresAt, reading.now, reading.timezone);
  return {
    tone: 'warn',
    title: notices.expiresTitle(app, past),
    text: [notices.expires(describeSource(source), when, past)],
    hints: [notices.expiresNext],
  };
}

/** An app that ends again and again. Going back is offered where there is something else to go back to. */
export function crashCard(
  report: { readonly app: string; readonly version?: string | undefined; readonly lastGood?: string | undefined },
  crashing: { readonly since: number; readonly times: number; readonly on: string },
  { language, timezone, now }: Reading,
): Reply {
  const { notices } = MESSAGES[language];
  const { app, version, lastGood } = report;
  const when = timeInWords(crashing.since, now, timezone);
  const back = lastGood !== undefined && lastGood !== version ? lastGood : undefined;
  return {
    tone: 'bad',
    title: notices.crashesTitle(app, version),
    text: [notices.crashes(app, crashing.times, when, crashing.on)],
    buttons: [
      ...(back === undefined
        ? []
        : [{ label: notices.rollBackTo(back), command: `/update rollback ${app}`, style: 'primary' as const }]),
      { label: notices.logs, command: `/update logs ${app}` },
    ],
  };
}

/** A chat that is away, or has failed. */
export interface Away {
  readonly platform: string;
  readonly problem: { readonly code: string; readonly data: ErrorData };
  /** It is connected, and may not answer. */
  readonly hears?: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** How often within the hour, this time included. */
  readonly times: number;
}

/** For the chats that are there. */
export function awayCard(
  { platform, problem, hears, since, times }: Away,
  { language, timezone, now }: Reading,
): Reply {
  const messages = MESSAGES[language];
  const { notices } = messages;
  const { text, next } = messages.problem(problem.code, problem.data, now);
  return {
    tone: 'bad',
    title: (hears ? notices.dumbTitle : notices.awayTitle)(platformName(platform, language)),
    text: [
      text,
      (hears ? notices.dumb : notices.away)(timeInWords(since, now, timezone)),
      ...(times > 1 ? [notices.awayTimes(times)] : []),
    ],
    ...(next ? { hints: [next] } : {}),
    buttons: [{ label: notices.status, command: '/update status' }],
  };
}

/** What an update came to, for admins: whoever asked can't be told. @param to where it could not be told, and why */
export function lostCard(
  update: UpdateLike & { readonly requestedByName: string },
  to: { readonly platform: string; readonly reason: string },
  language: Language,
): Reply {
  const { notices } = MESSAGES[language];
  const card = finalCard(update.outcome, update, language, { admin: true });
  const lost = notices.lost(update.requestedByName, platformName(to.platform, language), to.reason);
  return { ...card, text: [...(card.text ?? []), lost], hints: [...(card.hints ?? []), notices.lostNext] };
}

/** It is back. @param awayMs how long it was away */
export function backCard(platform: string, awayMs: number, language: Language): Reply {
  const messages = MESSAGES[language];
  return {
    tone: 'good',
    title: messages.notices.backTitle(platformName(platform, language)),
    text: [messages.notices.back(messages.duration(Math.max(1_000, Math.round(awayMs / 1_000) * 1_000)))],
  };
}

/** What somebody did on a device itself. */
export function onDeviceCard(update: UpdateLike, by: string, device: string, language: Language): Reply {
  const card = finalCard(update.outcome, update, language, { admin: true });
  return { ...card, text: [MESSAGES[language].notices.onDevice(by, device), ...(card.text ?? [])] };
}

function facts({ app, from, release, between, trust }: News, messages: Messages, now: number): Reply {
  const { notices } = messages;
  const fields: Field[] = [{ name: notices.fieldVersion, value: `${from} → ${release.version}` }];
  if (release.size !== undefined) fields.push({ name: notices.fieldSize, value: messages.bytes(release.size) });
  if (release.publishedAt !== undefined) {
    fields.push({ name: notices.fieldPublished, value: messages.relative(release.publishedAt, now) });
  }
  if (between > 0) fields.push({ name: notices.fieldBetween, value: String(between) });
  if (trust) fields.push({ name: messages.cards.fieldTrust, value: trustInWords(trust, messages.language) });
  const text = shortNotes(release.notes);
  return {
    tone: 'info',
    title: notices.available(app, release.version),
    ...(text.length > 0 ? { text } : {}),
    fields,
  };
}
