import type { Delivery, Outgoing, PlatformDeps, Sink } from '../../src/chat/contract.ts';
import { keyboardOf } from './buttons.ts';
import type { TelegramClient } from './client.ts';
import { PLATFORM } from './events.ts';
import { type Failure, failureOf, NotTelegram } from './failure.ts';
import { isSupergroup, type Ledger, type OpenPage } from './ledger.ts';
import { findLostMessage, type Probe } from './lost-message.ts';
import { renderHtml, renderPlain } from './render.ts';

/** Messages to Telegram, each shown once. Promise: at most one message for a key, also over a kill at any instant. */

export interface DeliveriesDeps {
  readonly client: TelegramClient;
  readonly ledger: Ledger;
  readonly sink: Pick<Sink, 'shorten' | 'memory'>;
  readonly clock: PlatformDeps['clock'];
  readonly log: PlatformDeps['log'];
  /** The token is refused. */
  readonly onRefused: (failure: Failure) => void;
  /** A call that is not answered within this time is given up. Milliseconds. */
  readonly callMs: number;
  /** Between two edits in one group, whatever the messages. Milliseconds. */
  readonly groupEditMs: number;
  /** A message whose answer was lost may still be under way for this long. Milliseconds. */
  readonly settleMs: number;
}

export interface Deliveries {
  send(message: Outgoing): Promise<Delivery>;
  edit(ref: string, message: Outgoing): Promise<Delivery>;
  /** A group got another id. */
  moved(from: string, to: string): Promise<void>;
}

/** A search that asks long is gone on with at the next try. Milliseconds. */
const SEARCH_MS = 40_000;
/** What Telegram asks for is obeyed, up to a day. */
const MAX_WAIT_MS = 24 * 60 * 60_000;

export function createDeliveries(deps: DeliveriesDeps): Deliveries {
  const { client, ledger, sink, clock, log } = deps;
  /** Telegram asked to wait with this chat until then; monotonic. A wait for edits holds back no message: it is tried. */
  const quietUntil = { send: new Map<string, number>(), edit: new Map<string, number>() };
  /** When a message of a group was edited last; monotonic. */
  const editedAt = new Map<string, number>();
  /** What a search has found out already, by the key that is looked for. */
  const searches = new Map<string, Map<number, Probe>>();

  /** Where a chat is now. */
  async function currentChat(chat: string): Promise<string> {
    return (await sink.memory.get(`moved:${chat}`)) ?? chat;
  }

  function waitOf(chat: string, what: keyof typeof quietUntil): Delivery | undefined {
    const afterMs = (quietUntil[what].get(chat) ?? 0) - clock.monotonic();
    return afterMs > 0 ? { result: 'retry', afterMs, reason: 'Telegram asked to wait', notSent: true } : undefined;
  }

  /** Several cards of one group take turns: twenty messages a minute are allowed there, and edits count. */
  function turnOf(chat: string): Delivery | undefined {
    if (!chat.startsWith('-')) return undefined;
    const now = clock.monotonic();
    const afterMs = (editedAt.get(chat) ?? Number.NEGATIVE_INFINITY) + deps.groupEditMs - now;
    if (afterMs > 0) return { result: 'retry', afterMs, reason: 'another card of the group was edited', notSent: true };
    if (editedAt.size > 1_000) editedAt.clear();
    editedAt.set(chat, now);
    return undefined;
  }

  function noteWait(chat: string, what: keyof typeof quietUntil, failure: Failure): void {
    if (failure.kind !== 'refused' || failure.code !== 429) return;
    const until = clock.monotonic() + waitMsOf(failure);
    for (const waits of what === 'send' ? [quietUntil.send, quietUntil.edit] : [quietUntil.edit]) {
      if (waits.size > 1_000) waits.clear();
      waits.set(chat, until);
    }
  }

  async function call(
    chat: string,
    what: keyof typeof quietUntil,
    run: () => Promise<unknown>,
  ): Promise<Failure | { readonly kind: 'done'; readonly id: number }> {
    try {
      const result = await run();
      const id = Number((result as { message_id?: unknown }).message_id);
      if (!Number.isSafeInteger(id)) throw new NotTelegram(200);
      return { kind: 'done', id };
    } catch (error) {
      const failure = failureOf(error);
      noteWait(chat, what, failure);
      if (failure.kind === 'refused' && isFatal(failure.code)) deps.onRefused(failure);
      return failure;
    }
  }

  async function content(message: Outgoing, plain: boolean) {
    const buttons = await keyboardOf(message.reply.buttons ?? [], (command) => sink.shorten(command));
    return {
      text: plain ? renderPlain(message.reply) : renderHtml(message.reply),
      ...(plain ? {} : { parse_mode: 'HTML' as const }),
      link_preview_options: { is_disabled: true },
      reply_markup: { inline_keyboard: buttons.map((row) => [...row]) },
    };
  }

  type Content = Awaited<ReturnType<typeof content>>;

  async function post(chat: string, message: Outgoing, made: Content, withThread: boolean) {
    const { route, reply, answers } = message;
    const replyTo = Number(answers === undefined ? undefined : route.message);
    return call(chat, 'send', () =>
      client.api.raw.sendMessage(
        {
          chat_id: chat,
          ...made,
          // A group that became a supergroup has other ids.
          ...(Number.isInteger(replyTo) && chat === route.chat
            ? { reply_parameters: { message_id: replyTo, allow_sending_without_reply: true } }
            : {}),
          ...(route.thread === undefined || !withThread ? {} : { message_thread_id: Number(route.thread) }),
          // What only goes on makes no sound; what ended does.
          ...(reply.tone === 'busy' ? { disable_notification: true } : {}),
        },
        client.within(deps.callMs),
      ),
    );
  }

  async function editAt(chat: string, id: number, message: Outgoing, withoutMarkup = false): Promise<Delivery> {
    const made = await content(message, withoutMarkup);
    const outcome = await call(chat, 'edit', () =>
      client.api.raw.editMessageText({ chat_id: chat, message_id: id, ...made }, client.within(deps.callMs)),
    );
    if (outcome.kind === 'done' || isUnmodified(outcome)) return { result: 'sent', ref: refOf(chat, id) };
    if (!withoutMarkup && isContentRefused(outcome)) {
      log('telegram_content_refused', { reason: outcome.description });
      return editAt(chat, id, message, true);
    }
    return deliveryOf(outcome);
  }

  /** Finds out what became of the message that was under way; `undefined`: it is known now. */
  async function settlePending(page: OpenPage, chat: string, key: string): Promise<Delivery | undefined> {
    const { pending } = page;
    if (!pending) return undefined;
    const retry = (afterMs: number, reason: string): Delivery => ({
      result: 'retry',
      afterMs,
      reason,
      ...(pending.key === key ? {} : { notSent: true as const }),
    });
    const since = clock.now() - pending.at;
    if (since >= 0 && since < deps.settleMs) return retry(deps.settleMs - since, 'an answer was lost');
    const wait = waitOf(chat, 'edit');
    if (wait?.result === 'retry') return retry(wait.afterMs, wait.reason);
    const found = searches.get(pending.key) ?? new Map<number, Probe>();
    searches.set(pending.key, found);
    const end = clock.monotonic() + SEARCH_MS;
    try {
      const id = await findLostMessage({
        after: pending.after,
        seen: ledger.lastOf(chat),
        dense: isSupergroup(chat),
        probe: async (candidate) => {
          if (clock.monotonic() > end) throw new SearchEnds(retry(100, 'a lost message is looked for'));
          const known = found.get(candidate);
          if (known) return known;
          const made = await probe(chat, candidate, retry);
          found.set(candidate, made);
          return made;
        },
      });
      log('telegram_lost_message', { key: pending.key, found: id !== undefined, asked: found.size });
      if (id === undefined) await page.failed();
      else await page.arrived(id);
    } catch (error) {
      if (!(error instanceof SearchEnds)) throw error;
      if (error.delivery) return error.delivery;
      await page.failed();
    }
    searches.delete(pending.key);
    return undefined;
  }

  /** @throws {SearchEnds} where nothing can be asked now, or ever */
  async function probe(chat: string, id: number, retry: (afterMs: number, reason: string) => Delivery): Promise<Probe> {
    const outcome = await call(chat, 'edit', () =>
      client.api.raw.editMessageCaption({ chat_id: chat, message_id: id }, client.within(deps.callMs)),
    );
    // Only a picture has a caption, and Fettle sends none.
    if (outcome.kind === 'done') return 'other';
    if (outcome.kind === 'unreached') throw new SearchEnds(retry(0, outcome.reason));
    if (outcome.code === 429) throw new SearchEnds(retry(waitMsOf(outcome), 'Telegram asked to wait'));
    if (isFatal(outcome.code)) throw new SearchEnds(retry(60_000, outcome.description));
    if (/no caption in the message/i.test(outcome.description)) return 'own';
    if (/message (?:to edit )?not found|MESSAGE_ID_INVALID/i.test(outcome.description)) return 'none';
    // The bot is no longer there: nobody can be shown anything twice.
    if (outcome.code === 403 || /chat not found|upgraded to a supergroup/i.test(outcome.description))
      throw new SearchEnds();
    return 'other';
  }

  async function sendTo(page: OpenPage, chat: string, message: Outgoing): Promise<Delivery> {
    const unsettled = await settlePending(page, chat, message.key);
    if (unsettled) return unsettled;
    const known = page.sentAs(message.key);
    if (known !== undefined) {
      const edited = await editAt(chat, known, message);
      if (edited.result !== 'impossible') return edited;
      // Somebody deleted it before it was known to have arrived.
      page.forget(message.key);
    }
    const wait = waitOf(chat, 'send');
    if (wait) return wait;
    let made = await content(message, false);
    let plain = false;
    let withThread = message.route.thread !== undefined;
    await page.begin({ key: message.key, at: clock.now() });
    for (;;) {
      const outcome = await post(chat, message, made, withThread);
      if (outcome.kind === 'done') {
        await page.arrived(outcome.id);
        return { result: 'sent', ref: refOf(chat, outcome.id) };
      }
      if (outcome.kind === 'unreached' && outcome.done === 'maybe') return deliveryOf(outcome);
      if (!plain && isContentRefused(outcome)) {
        log('telegram_content_refused', { reason: outcome.description });
        plain = true;
        made = await content(message, true);
        continue;
      }
      if (withThread && isThreadGone(outcome)) {
        withThread = false;
        continue;
      }
      await page.failed();
      if (outcome.kind === 'refused' && outcome.movedTo !== undefined) {
        await moved(chat, outcome.movedTo);
        return { result: 'retry', afterMs: 1, reason: 'the group has another id', notSent: true };
      }
      return deliveryOf(outcome);
    }
  }

  async function moved(from: string, to: string): Promise<void> {
    log('telegram_group_moved', { from, to });
    await sink.memory.set(`moved:${from}`, to);
  }

  return {
    moved,
    async send(message) {
      const chat = await currentChat(message.route.chat);
      const answered = Number(message.route.message);
      if (chat === message.route.chat && Number.isInteger(answered)) ledger.saw(chat, answered);
      return ledger.exclusively(chat, (page) => sendTo(page, chat, message));
    },
    async edit(ref, message) {
      const place = placeOf(ref);
      if (!place) return { result: 'impossible', reason: 'not a message of Telegram' };
      return waitOf(place.chat, 'edit') ?? turnOf(place.chat) ?? editAt(place.chat, place.id, message);
    },
  };
}

/** The search can't go on: `delivery` says when it may; without one nothing is there to be found. */
class SearchEnds extends Error {
  readonly delivery: Delivery | undefined;
  constructor(delivery?: Delivery) {
    super('the search ends');
    this.delivery = delivery;
  }
}

const refOf = (chat: string, id: number) => `${chat}/${id}`;

function placeOf(ref: string): { readonly chat: string; readonly id: number } | undefined {
  const [, chat, id] = /^(-?\d+)\/(\d+)$/.exec(ref) ?? [];
  return chat === undefined ? undefined : { chat, id: Number(id) };
}

/** 401: the token was revoked. 404: no such bot (https://core.telegram.org/bots/api#making-requests). */
export function isFatal(code: number): boolean {
  return code === 401 || code === 404;
}

function waitMsOf(failure: Failure): number {
  const asked = failure.kind === 'refused' ? failure.retryAfterMs : undefined;
  return Math.min(asked ?? 5_000, MAX_WAIT_MS);
}

// Telegram tells apart what is wrong by words alone: all of them are here.

function isUnmodified(failure: Failure): boolean {
  return failure.kind === 'refused' && /message is not modified/i.test(failure.description);
}

function isContentRefused(failure: Failure): failure is Extract<Failure, { kind: 'refused' }> {
  return (
    failure.kind === 'refused' &&
    failure.code === 400 &&
    /can't parse entities|message is too long|MESSAGE_TOO_LONG|ENTIT|REPLY_MARKUP|BUTTON|inline keyboard|reply markup/i.test(
      failure.description,
    )
  );
}

function isThreadGone(failure: Failure): boolean {
  return (
    failure.kind === 'refused' &&
    /message thread not found|TOPIC_(?:DELETED|CLOSED)|topic (?:closed|deleted)/i.test(failure.description)
  );
}

/** What a failure means for a message. */
function deliveryOf(failure: Failure): Delivery {
  if (failure.kind === 'unreached') {
    const { reason, done } = failure;
    return { result: 'retry', afterMs: 0, reason, ...(done === 'no' ? { notSent: true as const } : {}) };
  }
  const { code, description } = failure;
  if (code === 429)
    return { result: 'retry', afterMs: waitMsOf(failure), reason: 'Telegram asked to wait', notSent: true };
  // A token that is revoked may be replaced: what is to be said waits.
  if (isFatal(code)) return { result: 'unattended' };
  if (code === 400 || code === 403) return { result: 'impossible', reason: `${PLATFORM}: ${description}` };
  return { result: 'retry', afterMs: 0, reason: description, notSent: true };
}
