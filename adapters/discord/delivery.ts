import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Delivery, Outgoing, PlatformDeps, Sink } from '../../src/chat/contract.ts';
import { type Api, type Failure, failureOf } from './api.ts';
import { nameButtons } from './buttons.ts';
import { jsonOf, type Sent, SentSchema } from './payloads.ts';
import { type DiscordMessage, renderMessage, renderPlain } from './render.ts';
import { type Deferred, livingDeferred, referenceOf } from './requests.ts';
import type { Identity } from './session.ts';

/**
 * Messages to Discord. Invariant: one key is one message. Discord itself recognises a nonce for a few minutes; after
 * that, a message that may have arrived is looked for in its channel. The reply that was promised with an interaction is
 * filled by one key alone, which is on disk before it is filled.
 */

/** Discord remembers a nonce "for the past few minutes"; until then sending anew is safe. */
const NONCE_MS = 60_000;
/** Clocks differ. */
const SKEW_MS = 60_000;
const LOOK_BACK = 100;
const REMEMBERED = 500;
const PLAIN_MS = 10 * 60_000;
/** Promised replies whose key is remembered: long after their token has died, to recognise them. */
const CLAIMS = 200;
const CLAIMS_KEY = 'claims';
/** Claims a promised reply that is taken back. No message has this key. */
const NOBODY = '';

const CODE = {
  unknownWebhook: 10015,
  unknownMessage: 10008,
  invalidForm: 50035,
  empty: 50006,
  tokenExpired: 50027,
  noHistory: 160002,
};
/** The bot is no member there, or may not write there. */
const NO_ACCESS: readonly number[] = [50001, 50013];
const LOADING = 1 << 7;

const ClaimsSchema = z.record(z.string(), z.string());

export interface Deliveries {
  send(message: Outgoing): Promise<Delivery>;
  edit(ref: string, message: Outgoing): Promise<Delivery>;
  /** Takes back the promised reply of a route, where nothing fills it. */
  dismiss(route: Outgoing['route']): Promise<void>;
}

export interface DeliveryDeps {
  readonly api: Api;
  readonly identity: () => Identity | undefined;
  /** See `Events`. */
  readonly acknowledged: (interaction: string) => Promise<void>;
  readonly memory: Sink['memory'];
  readonly shorten: Sink['shorten'];
  readonly clock: PlatformDeps['clock'];
  readonly log: PlatformDeps['log'];
  readonly onFailure: (failure: Failure, route: Outgoing['route']) => void;
}

export function createDeliveries(deps: DeliveryDeps): Deliveries {
  const { api, clock, log } = deps;
  const known = new Map<string, string>();
  /** Channels in which the bot may not embed, and until when (monotonic) that is believed. */
  const plainUntil = new Map<string, number>();
  let claims: Readonly<Record<string, string>> | undefined;
  let claiming: Promise<unknown> = Promise.resolve();

  async function readClaims(): Promise<Readonly<Record<string, string>>> {
    claims ??= ClaimsSchema.catch({}).parse(jsonOf(await deps.memory.get(CLAIMS_KEY)));
    return claims;
  }

  /** Is the promised reply of this event this key's to fill? Who asks first has it, and it is on disk. */
  function claim(event: string, key: string): Promise<boolean> {
    const turn = claiming.then(async () => {
      const held = await readClaims();
      if (held[event] !== undefined) return held[event] === key;
      const next = Object.fromEntries([...Object.entries(held).slice(1 - CLAIMS), [event, key]]);
      await deps.memory.set(CLAIMS_KEY, JSON.stringify(next));
      claims = next;
      return true;
    });
    claiming = turn.catch(() => undefined);
    return turn;
  }

  function remember(key: string, sent: Sent): Delivery {
    const ref = `${sent.channel_id}/${sent.id}`;
    known.set(key, ref);
    const [oldest] = known.keys();
    if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest);
    return { result: 'sent', ref };
  }

  async function attempt(call: () => Promise<unknown>): Promise<Sent | Failure> {
    try {
      return SentSchema.parse(await call());
    } catch (error) {
      if (error instanceof z.ZodError) return { kind: 'unsure', reason: 'an answer that is no message' };
      return failureOf(error);
    }
  }

  /**
   * A message in the form that its channel takes: with an embed; without one where Discord refuses its form, or leaves it
   * out because the bot may not embed there, which it does without a word.
   */
  async function inForm(message: Outgoing, call: (body: DiscordMessage) => Promise<unknown>): Promise<Sent | Failure> {
    const buttons = await nameButtons(message.reply.buttons ?? [], deps.shorten);
    const { chat } = message.route;
    const plainly = () => renderPlain(message.reply, buttons);
    if ((plainUntil.get(chat) ?? 0) > clock.monotonic()) return attempt(() => call(plainly()));
    const body = renderMessage(message.reply, buttons);
    const sent = await attempt(() => call(body));
    if ('kind' in sent) {
      if (sent.kind !== 'refused' || (sent.code !== CODE.invalidForm && sent.code !== CODE.empty)) return sent;
      log('discord_form_refused', { key: message.key, reason: sent.reason });
      return attempt(() => call(plainly()));
    }
    if (body.embeds.length === 0 || sent.embeds.length > 0) return sent;
    log('discord_embeds_missing', { chat });
    if (plainUntil.size >= REMEMBERED) plainUntil.clear();
    plainUntil.set(chat, clock.monotonic() + PLAIN_MS);
    const path = `/channels/${sent.channel_id}/messages/${sent.id}` as const;
    const again = await attempt(() => api.rest.patch(path, { body: plainly() }));
    // The message is there; its title at least is seen.
    return 'kind' in again ? sent : again;
  }

  function ended(failure: Failure, message: Outgoing): Delivery {
    deps.onFailure(failure, message.route);
    switch (failure.kind) {
      case 'limited':
        return { result: 'retry', afterMs: failure.afterMs, reason: failure.reason, notSent: true };
      case 'unauthorized':
        return { result: 'unattended' };
      case 'unreachable':
        return { result: 'retry', afterMs: 0, reason: failure.reason, notSent: true };
      case 'unsure':
        return { result: 'retry', afterMs: 0, reason: failure.reason };
      case 'refused':
        return { result: 'impossible', reason: failure.reason };
    }
  }

  /** Fills the promised reply; `gone` where it is there no more. */
  async function fill(deferred: Deferred, application: string, message: Outgoing): Promise<Delivery | 'gone'> {
    const path = `/webhooks/${application}/${deferred.token}/messages/@original` as const;
    const sent = await inForm(message, (body) => api.rest.patch(path, { body, auth: false }));
    if (!('kind' in sent)) return remember(message.key, sent);
    return sent.kind === 'refused' ? 'gone' : ended(sent, message);
  }

  /** A message of an earlier try, by its nonce where Discord tells it, else by what it says. */
  async function find(
    message: Outgoing,
    since: number,
    nonce: string,
    bot: string,
  ): Promise<Sent | Failure | undefined> {
    let found: readonly Sent[];
    try {
      const listed = await api.rest.get(`/channels/${message.route.chat}/messages`, {
        query: new URLSearchParams({ limit: String(LOOK_BACK) }),
      });
      found = z.array(SentSchema).parse(listed);
    } catch (error) {
      if (error instanceof z.ZodError) return undefined;
      const failure = failureOf(error);
      return failure.kind === 'refused' ? undefined : failure;
    }
    const expected = renderMessage(message.reply, []);
    const claimed = message.answers !== undefined && (await readClaims())[message.answers] === message.key;
    const reference = referenceOf(message.route.message);
    const taken = new Set(known.values());
    return found.find((one) => {
      if (one.author?.id !== bot || (one.flags & LOADING) !== 0) return false;
      if (one.nonce === nonce) return true;
      if (one.interaction_metadata) return claimed && one.interaction_metadata.id === message.answers;
      if (taken.has(`${one.channel_id}/${one.id}`)) return false;
      const refersTo = one.message_reference?.message_id;
      if (refersTo !== undefined && refersTo !== reference) return false;
      if (Date.parse(one.timestamp ?? '') < since - SKEW_MS) return false;
      const same = (a: string | undefined, b: string | undefined) => (a ?? '').trim() === (b ?? '').trim();
      return same(one.content, expected.content) && same(one.embeds[0]?.description, expected.embeds[0]?.description);
    });
  }

  async function post(message: Outgoing, nonce: string, deferred: Deferred | undefined): Promise<Delivery> {
    const reference = referenceOf(message.route.message);
    const to = (body: DiscordMessage, withReference: boolean) =>
      api.rest.post(`/channels/${message.route.chat}/messages`, {
        body: {
          ...body,
          nonce,
          enforce_nonce: true,
          ...(withReference && reference !== undefined
            ? { message_reference: { message_id: reference, fail_if_not_exists: false } }
            : {}),
        },
      });
    let sent = await inForm(message, (body) => to(body, true));
    // A reply needs the permission to read the history; a message does not.
    if ('kind' in sent && sent.kind === 'refused' && sent.code === CODE.noHistory) {
      sent = await inForm(message, (body) => to(body, false));
    }
    if (!('kind' in sent)) return remember(message.key, sent);
    const application = deps.identity()?.application;
    if (sent.kind === 'refused' && NO_ACCESS.includes(sent.code) && deferred && application !== undefined) {
      // Somebody called the bot where it is no member: the interaction's own way is open for a while.
      const path = `/webhooks/${application}/${deferred.token}` as const;
      const followUp = await inForm(message, (body) => api.rest.post(path, { body, auth: false }));
      if (!('kind' in followUp)) return remember(message.key, followUp);
    }
    return ended(sent, message);
  }

  return {
    async dismiss(route) {
      const deferred = livingDeferred(route.message, clock.now());
      const application = deps.identity()?.application;
      if (!deferred || application === undefined || !(await claim(deferred.interaction, NOBODY))) return;
      await deps.acknowledged(deferred.interaction);
      await api.rest.delete(`/webhooks/${application}/${deferred.token}/messages/@original`, { auth: false });
    },
    async send(message) {
      const ref = known.get(message.key);
      if (ref !== undefined) return { result: 'sent', ref };
      const identity = deps.identity();
      const deferred = livingDeferred(message.route.message, clock.now());
      const asked = deferred !== undefined && deferred.interaction === message.answers;
      if (identity && asked && (await claim(deferred.interaction, message.key))) {
        await deps.acknowledged(deferred.interaction);
        const filled = await fill(deferred, identity.application, message);
        if (filled !== 'gone') return filled;
      }
      const nonce = nonceOf(message.key);
      const { maybeSent } = message;
      if (maybeSent && clock.now() - maybeSent.since > NONCE_MS) {
        if (!identity) return { result: 'retry', afterMs: 1_000, reason: 'not connected yet' };
        const found = await find(message, maybeSent.since, nonce, identity.bot.id);
        if (found && 'kind' in found) return ended(found, message);
        if (found) return remember(message.key, found);
      }
      return post(message, nonce, asked ? deferred : undefined);
    },
    async edit(ref, message) {
      const [, channel, id] = /^(\d+)\/(\d+)$/.exec(ref) ?? [];
      if (channel === undefined) return { result: 'impossible', reason: 'no message of Discord' };
      const sent = await inForm(message, (body) => api.rest.patch(`/channels/${channel}/messages/${id}`, { body }));
      return 'kind' in sent ? ended(sent, message) : { result: 'sent', ref };
    },
  };
}

/** At most 25 characters, the same for the same key. */
function nonceOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 24);
}
