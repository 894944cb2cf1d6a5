import type { Kysely } from 'kysely';
import { type Role, roleAllows } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import { accountOf, isShared } from '../domain/person.ts';
import type { Redact } from '../domain/redact.ts';
import type { Language, Reply, Route } from '../domain/reply.ts';
import { commandOfName, keepCommand } from '../store/button-commands.ts';
import { finishEvent, forgetEvent, pruneEvents, storeEvent, unfinishedEvents } from '../store/inbox.ts';
import { readMeta, writeMeta } from '../store/meta.ts';
import type { Database } from '../store/schema.ts';
import { auditCommand, type Said } from './command-audit.ts';
import type { CommandAnswer, CommandTable } from './command-table.ts';
import type { Request, Sink } from './contract.ts';
import { createLane, type Lane } from './lane.ts';
import { createLanguages } from './languages.ts';
import { MESSAGES, type Messages } from './messages/index.ts';
import type { Outbox } from './outbox.ts';
import { pause } from './pause.ts';
import { createRateLimiter, type Rate } from './rate-limit.ts';
import { MAX_NAME, nameOf, requestOf } from './read-request.ts';
import { renderError } from './render-error.ts';

/**
 * From event to answer: stored, then authorised, understood, run, answered. Invariants: an event is stored before
 * it is acknowledged; its answer and its being done are one transaction, so it is answered exactly once and a
 * crash before that runs it again; the events of a chat begin in the order in which they came.
 */

/** What is older is not done any more: told late, told again, or left behind by a hub that died. */
const TOO_OLD_MS = 24 * 60 * 60_000;
/** Events are recognised as repeated for this long: a day longer, for clocks that do not agree. */
const REMEMBER_MS = 2 * TOO_OLD_MS;
/** A command that takes longer no longer holds up the next one of its chat. */
const HOLD_MS = 2_000;
/** Commands of one chat at once. */
const AT_ONCE = 4;
/** A command that takes longer has failed. */
const COMMAND_DEADLINE_MS = 60_000;
/** Between tries to do and answer an event, where the store refuses. */
const TRY_AGAIN_MS = [500, 2_000, 10_000, 60_000, 5 * 60_000];
/** And then, so that one that can't be answered holds up no chat, all that was left behind together. */
const LEFT_BEHIND_MS = 10 * 60_000;
/** Longer texts are cut: no command is near it. */
const MAX_TEXT = 4_000;
/** A stranger is answered once in this time. */
const STRANGER_MS = 60 * 60_000;
/** What is taken from strangers: enough to mistype a code, too little to try many. */
const STRANGER_RATE: Rate = { burst: 6, perMinute: 1 };
/** What all strangers of a chat, or of a platform, are told together: the rest of a flood is read, and not answered. */
const STRANGERS_TOLD: Readonly<Record<'chat' | 'platform' | 'refused', Rate>> = {
  chat: { burst: 10, perMinute: 0.2 },
  platform: { burst: 30, perMinute: 2 },
  refused: { burst: 60, perMinute: 10 },
};

export interface RouterDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly commands: CommandTable;
  readonly outbox: Outbox;
  /** The person's role; `undefined` for strangers. */
  readonly roleOf: (platform: string, person: string) => Role | undefined | Promise<Role | undefined>;
  /** One name for all accounts of a person: they share one rate. Without it each account is a person. */
  readonly personOf?: ((platform: string, person: string) => string | Promise<string>) | undefined;
  /** Somebody wrote, a stranger too. */
  readonly onSpoken?: ((seen: { platform: string; person: string; name: string }) => Promise<void>) | undefined;
  /** Is there an admin in the chats? Strangers are told how to become the first otherwise. */
  readonly claimed?: (() => Promise<boolean>) | undefined;
  /** Where neither the person nor the chat has a language. Asked each time: it is a setting. */
  readonly language: () => Language;
  /** How much one person and one chat may ask; `undefined`: as much as they like. */
  readonly rateOf: (platform: string) => Rate | undefined;
  /** An admin has given a command in a chat; the language is that of the request, where it has one. */
  readonly onAdmin?:
    | ((seen: { route: Route; language: Language | undefined; person: string }) => Promise<void>)
    | undefined;
  /** A command was run and answered: it may have changed something. */
  readonly onAnswered?: (() => void) | undefined;
  /** Somebody gets no answer: what the platform shows until there is one is to go. */
  readonly onSilence?: ((route: Route) => void) | undefined;
  /** An adapter's connection is another than it was. */
  readonly onConnection?: ((platform: string) => void) | undefined;
  readonly redact: Redact;
  readonly log: (event: string, data: Readonly<Record<string, unknown>>) => void;
}

export interface Router {
  /** What an adapter is given. */
  sink(platform: string): Sink;
  /** Works on what a restart interrupted, and from then on on what comes. */
  start(): Promise<void>;
  /** Ends running commands; they run again at the next start. */
  stop(): Promise<void>;
}

export function createRouter(deps: RouterDeps): Router {
  const { db, clock, log } = deps;
  const stopping = new AbortController();
  const languages = createLanguages(db);
  const lanes = new Map<string, Lane>();
  /** Events that are queued or run, so that a start in between does not queue them twice. */
  const queued = new Set<string>();
  const limiters = new Map<string, ReturnType<typeof createRateLimiter>>();
  const strangers = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let lastReceivedAt = 0;
  let pruneTimer: NodeJS.Timeout | undefined;
  let laterTimer: NodeJS.Timeout | undefined;

  async function accept(platform: string, request: Request): Promise<'stored' | 'duplicate'> {
    if (stopping.signal.aborted) throw new FettleError('busy', { retryable: true });
    // Strictly rising, so that the order survives a restart.
    lastReceivedAt = Math.max(clock.now(), lastReceivedAt + 1);
    const kept: Request = {
      ...request,
      at: request.at ?? lastReceivedAt,
      text: request.text.slice(0, MAX_TEXT),
      ...(request.personName === undefined ? {} : { personName: request.personName.slice(0, MAX_NAME * 4) }),
    };
    const event = { platform, eventId: request.eventId, request: JSON.stringify(kept), receivedAt: lastReceivedAt };
    if (!(await storeEvent(db, event))) return 'duplicate';
    enqueue(platform, kept);
    return 'stored';
  }

  function enqueue(platform: string, request: Request): void {
    const id = `${platform}\n${request.eventId}`;
    if (queued.has(id)) return;
    queued.add(id);
    const name = `${platform}\n${request.route.chat}`;
    const lane = lanes.get(name) ?? createLane({ holdMs: HOLD_MS, atOnce: AT_ONCE, idle: () => lanes.delete(name) });
    lanes.set(name, lane);
    lane.add(() => {
      const work = handleAtLast(platform, request).finally(() => {
        running.delete(work);
        queued.delete(id);
      });
      running.add(work);
      return work;
    });
  }

  /** The store may be full or locked for a while: nobody tells the event again, so it is not left for the next start. */
  async function handleAtLast(platform: string, request: Request): Promise<void> {
    for (const waitMs of [...TRY_AGAIN_MS, undefined]) {
      try {
        return await handle(platform, request);
      } catch (error) {
        log('event_failed', { platform, event: request.eventId, error: explain(error) });
        if (waitMs === undefined) return takeUpLater();
        await pause(waitMs, stopping.signal);
      }
    }
  }

  function takeUpLater(): void {
    clearTimeout(laterTimer);
    if (stopping.signal.aborted) return;
    laterTimer = setTimeout(() => {
      takeUp().catch((error: unknown) => {
        log('inbox_unreadable', { error: explain(error) });
        takeUpLater();
      });
    }, LEFT_BEHIND_MS);
    laterTimer.unref();
  }

  /** What is stored and not done, and that nobody works on. */
  async function takeUp(): Promise<void> {
    for (const event of await unfinishedEvents(db)) {
      const request = requestOf(event.request);
      if (request) enqueue(event.platform, request);
      else log('event_unreadable', { platform: event.platform, event: event.eventId });
    }
  }

  async function handle(platform: string, request: Request): Promise<void> {
    if (stopping.signal.aborted) return;
    const known = (await deps.roleOf(platform, request.person)) !== undefined;
    const spoken = await languages.of(platform, request, known);
    const language = spoken ?? deps.language();
    let answer: CommandAnswer | Quiet;
    const said: Said = {};
    try {
      answer = await answerTo(platform, { ...request, locale: spoken }, language, said);
    } catch (error) {
      // The hub is stopping: the event stays unfinished and runs again.
      if (stopping.signal.aborted) return;
      const failure = asKnown(error, request);
      said.code = failure.code;
      answer = renderError(failure, MESSAGES[language], clock.now());
    }
    if (answer === 'forgotten') {
      await forgetEvent(db, platform, request.eventId);
      deps.onSilence?.(request.route);
      return;
    }
    await db.transaction().execute(async (trx) => {
      if (!(await finishEvent(trx, platform, request.eventId))) return;
      if (answer === 'silence') return;
      await auditCommand(trx, { ...said, platform, request, answer, redact: deps.redact, now: clock.now() });
      if ('deferred' in answer) return;
      await deps.outbox.put(trx, {
        key: `answer:${platform}:${request.eventId}`,
        route: request.route,
        reply: answer.reply,
        answers: request.eventId,
        final: true,
        failed: answer.failed ?? false,
        now: clock.now(),
      });
    });
    if (answer === 'silence') deps.onSilence?.(request.route);
    deps.outbox.wake();
    deps.onAnswered?.();
  }

  async function answerTo(
    platform: string,
    request: Request,
    language: Language,
    said: Said,
  ): Promise<CommandAnswer | Quiet> {
    const now = clock.now();
    const messages = MESSAGES[language];
    const who = { id: `${platform}:${request.person}`, name: nameOf(request) };
    const role = await deps.roleOf(platform, request.person);
    const opening = role === undefined && !request.unknownButton && (await isOpen(request.text));
    if (role === undefined && !opening) {
      // Told again it would be passed over again: nothing of it need be kept, however much of it comes. The clock may
      // have been set back meanwhile.
      if (Math.abs(now - (strangers.get(who.id) ?? Number.NEGATIVE_INFINITY)) < STRANGER_MS) return 'forgotten';
      // An admin sees them in the list all the same.
      await spoken(platform, request);
      if (!mayTell('chat', `${platform}\n${request.route.chat}`, now) || !mayTell('platform', platform, now))
        return 'forgotten';
      if (strangers.size > 10_000) strangers.clear();
      strangers.set(who.id, now);
      said.ran = { name: 'stranger', role: undefined };
      return { reply: await strangerReply(who.id, messages), failed: true };
    }
    const old = request.at !== undefined && now - request.at > TOO_OLD_MS;
    // It was done and answered at its time; only that it came was forgotten since.
    if (old && (await deps.outbox.answersTo(platform, request.eventId)).length > 0) return 'silence';
    const person = (await deps.personOf?.(platform, request.person)) ?? who.id;
    const rate = role === undefined ? STRANGER_RATE : deps.rateOf(platform);
    const waitMs = tooMuch(platform, person, request, rate, now);
    if (waitMs > 0) {
      // One answer for the burst: answering each would double it.
      const told = role === undefined ? { burst: 1, perMinute: 1 / 60 } : { burst: 1, perMinute: 6 };
      if (limiter(`${told.perMinute}`, told, 'told').take(person, now) !== 0) return 'silence';
      throw new FettleError('rate_limited', { data: { retryAfterMs: waitMs }, retryable: true });
    }
    await spoken(platform, request);
    if (old) throw new FettleError('event_too_old', { data: { at: new Date(request.at).toISOString() } });
    if (request.unknownButton) throw new FettleError('button_unknown');
    const meaning = await deps.commands.interpret(request.text);
    if (!meaning.ok) throw meaning.error;
    said.ran = { name: meaning.name, role: meaning.role };
    if (role !== undefined && !roleAllows(role, meaning.role)) {
      log('not_allowed', { who: who.id, command: meaning.name });
      throw new FettleError('not_allowed', { data: { needed: meaning.role, has: role } });
    }
    const { eventId } = request;
    const route: Route = request.direct ? { ...request.route, direct: true } : request.route;
    log('command', { who: who.id, command: meaning.name, event: request.eventId });
    if (role === 'admin') {
      // What comes of it is no part of the answer.
      await deps
        .onAdmin?.({ route, language: request.locale, person: request.person })
        .catch((error: unknown) => log('admin_chat_failed', { error: explain(error) }));
    }
    const direct = request.direct ?? false;
    try {
      return await withDeadline((signal) =>
        meaning.run({ who, role: role ?? 'viewer', route, direct, eventId, language, words: messages, now, signal }),
      );
    } catch (error) {
      // A right code is answered always; wrong ones of many accounts only so often.
      if (role === undefined && error instanceof FettleError && !mayTell('refused', platform, now)) return 'silence';
      throw error;
    }
  }

  /** May one more stranger be answered now? */
  function mayTell(what: keyof typeof STRANGERS_TOLD, name: string, now: number): boolean {
    return limiter(what, STRANGERS_TOLD[what], 'strangers').take(name, now) === 0;
  }

  /** Is it a command that is taken from strangers, too? */
  async function isOpen(text: string): Promise<boolean> {
    const meaning = await deps.commands.interpret(text);
    return meaning.ok && meaning.open === true;
  }

  /** The account's name, as it is now. No part of the answer. */
  async function spoken(platform: string, request: Request): Promise<void> {
    await deps
      .onSpoken?.({ platform, person: request.person, name: nameOf(request) })
      .catch((error: unknown) => log('name_not_kept', { error: explain(error) }));
  }

  async function strangerReply(account: string, { router, people }: Messages): Promise<Reply> {
    const role = isShared(accountOf(account)) ? 'viewer' : 'operator';
    const claimed = deps.claimed === undefined || (await deps.claimed());
    const text = claimed ? [router.stranger, people.letMeIn(account, role)] : [router.stranger, people.unclaimed];
    return { tone: 'info', title: router.strangerTitle, text };
  }

  async function withDeadline<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = AbortSignal.timeout(COMMAND_DEADLINE_MS);
    const signal = AbortSignal.any([late, stopping.signal]);
    const ended = Promise.withResolvers<never>();
    const end = () =>
      ended.reject(new FettleError('deadline_passed', { data: { afterMs: COMMAND_DEADLINE_MS }, retryable: true }));
    signal.addEventListener('abort', end, { once: true });
    try {
      return await Promise.race([run(signal), ended.promise]);
    } catch (error) {
      if (late.aborted && !(error instanceof FettleError)) end();
      else throw error;
      return await ended.promise;
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  /** Milliseconds until the person and the chat may ask again; 0: now. */
  function tooMuch(platform: string, person: string, request: Request, rate: Rate | undefined, now: number): number {
    if (!rate) return 0;
    // Platforms of one rate share it: a person is one, on whatever accounts.
    const waits = limiter('', rate, 'person').take(person, now);
    if (waits > 0) return waits;
    const chatRate = { burst: rate.burst * 3, perMinute: rate.perMinute * 3 };
    return limiter(platform, chatRate, 'chat').take(request.route.chat, now);
  }

  function limiter(of: string, rate: Rate, kind: string) {
    // By rate too: what strangers may ask of a chat holds up nobody who is known there.
    const name = `${of}\n${kind}\n${rate.burst}/${rate.perMinute}`;
    const found = limiters.get(name) ?? createRateLimiter(rate);
    limiters.set(name, found);
    return found;
  }

  /** A FettleError as it is; anything else is ours to mend: logged, and told without its text. */
  function asKnown(error: unknown, request: Request): FettleError {
    if (error instanceof FettleError) return error;
    // What follows may be a code that is still good.
    const text = request.text.replace(/(claim|link)\b.*/is, '$1 …');
    log('command_failed', { event: request.eventId, text: deps.redact(text), error: explain(error) });
    return new FettleError('internal', { cause: error });
  }

  function explain(error: unknown): string {
    return deps.redact(error instanceof Error ? (error.stack ?? error.message) : String(error)).slice(0, 4_000);
  }

  return {
    sink: (platform) => ({
      accept: (request) => accept(platform, request),
      deliverable: () => deps.outbox.deliverable(platform),
      answersTo: (eventId) => deps.outbox.answersTo(platform, eventId),
      complete: (text) => deps.commands.complete(text),
      connectionChanged: () => deps.onConnection?.(platform),
      shorten: (command) => keepCommand(db, command, clock.now()),
      expand: (name) => commandOfName(db, name),
      memory: {
        get: (key) => readMeta(db, `chat:${platform}:${key}`),
        set: (key, value) => writeMeta(db, `chat:${platform}:${key}`, value),
      },
    }),
    async start() {
      const prune = () => {
        pruneEvents(db, clock.now() - REMEMBER_MS).catch((error: unknown) =>
          log('inbox_prune_failed', { error: explain(error) }),
        );
      };
      prune();
      pruneTimer = setInterval(prune, 60 * 60_000);
      pruneTimer.unref();
      await takeUp();
    },
    async stop() {
      clearInterval(pruneTimer);
      clearTimeout(laterTimer);
      stopping.abort();
      while (running.size > 0) await Promise.allSettled(running);
    },
  };
}

/** No answer; `forgotten`: nor is the event known any more. */
type Quiet = 'silence' | 'forgotten';
