/**
 * What waits for the bot, and its long polls (core.telegram.org/bots/api#getupdates): an update is confirmed by a call
 * with an offset higher than its id; a poll is ended with 409 by the next one (`abort_long_poll` of
 * telegram-bot-api's Client.cpp).
 */

export interface Update {
  readonly update_id: number;
  readonly [kind: string]: unknown;
}

interface Waiting {
  readonly update: Update;
  readonly visibleAt: number;
  /** Place in an answer; the id unless two were swapped. */
  place: number;
  /** The first answer that carries it is lost on its way. */
  lose: boolean;
  duplicate: boolean;
  /** Told once more: an offset confirms it only after that. */
  again: boolean;
}

interface Poll {
  readonly limit: number;
  readonly end: (answer: PollAnswer) => void;
  readonly timer: NodeJS.Timeout;
}

export type PollAnswer =
  | { readonly updates: readonly Update[]; readonly lose: boolean }
  | 'conflict'
  | 'conflict-webhook'
  | 'gone';

export interface EventFault {
  readonly do: 'delay' | 'duplicate' | 'lose' | 'reorder';
  readonly ms?: number | undefined;
}

export interface Updates {
  /** Puts one into the queue; `undefined`: the bot did not ask for this kind. */
  add(kind: string, body: unknown, fault: EventFault | undefined): string;
  /** Tells one once more, whatever was confirmed. */
  repeat(id: string): void;
  poll(ask: { offset: number; limit: number; timeout: number; allowed: readonly string[] | undefined }): {
    readonly confirmed: number;
    readonly answer: Promise<PollAnswer>;
    readonly leave: () => void;
  };
  polls(): number;
  acknowledgedAfter(id: string): number | undefined;
  /** Would this call confirm something? */
  confirms(offset: number): boolean;
  /** Another program polls with the same token: each poll of ours is ended. */
  rival(on: boolean): void;
  webhook(address: string): void;
  readonly webhookUrl: string;
  close(): void;
}

/** Not sent unless asked for (#getupdates). */
const UNASKED = ['chat_member', 'message_reaction', 'message_reaction_count'];

export function createUpdates(now: () => number): Updates {
  let nextId = 870_000_001;
  let waiting: Waiting[] = [];
  const known = new Map<string, Update>();
  const told = new Map<string, number>();
  const confirmedAt = new Map<string, number>();
  let polls: Poll[] = [];
  let allowed: readonly string[] = [];
  let rival = false;
  let webhookUrl = '';
  /** Held back until the next one is there. */
  let held: Waiting | undefined;
  const timers = new Set<NodeJS.Timeout>();

  function due(): Waiting[] {
    const at = now();
    return waiting.filter((one) => one.visibleAt <= at && one !== held).sort((a, b) => a.place - b.place);
  }

  /** An offset confirms everything below it, told or not: whoever counts wrong loses events. */
  function covers(offset: number, one: Waiting): boolean {
    return one.update.update_id < offset && one.visibleAt <= now() && one !== held && !one.again;
  }

  function answer(): void {
    const [poll] = polls;
    const ready = due();
    if (!poll || ready.length === 0) return;
    const given = ready.slice(0, poll.limit);
    finish(poll, { updates: given.map(({ update }) => update), lose: given.some(({ lose }) => lose) });
    for (const one of given) {
      const id = String(one.update.update_id);
      if (!one.lose && !told.has(id)) told.set(id, now());
      one.lose = false;
      one.again = false;
      if (one.duplicate) {
        one.duplicate = false;
        // Once it is confirmed it comes again.
        later(() => again(one.update), 30);
      }
    }
  }

  function again(update: Update): void {
    waiting.push({ update, visibleAt: now(), place: update.update_id, lose: false, duplicate: false, again: true });
    answer();
  }

  function finish(poll: Poll, result: PollAnswer): void {
    polls = polls.filter((one) => one !== poll);
    clearTimeout(poll.timer);
    poll.end(result);
  }

  function later(run: () => void, ms: number): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    timers.add(timer);
  }

  return {
    add(kind, body, fault) {
      const update: Update = { update_id: nextId, [kind]: body };
      nextId += 1;
      const id = String(update.update_id);
      const asked = allowed.length === 0 ? !UNASKED.includes(kind) : allowed.includes(kind);
      if (!asked) return id;
      known.set(id, update);
      const ms = fault?.do === 'delay' ? (fault.ms ?? 0) : 0;
      const one: Waiting = {
        update,
        visibleAt: now() + ms,
        place: update.update_id,
        lose: fault?.do === 'lose',
        duplicate: fault?.do === 'duplicate',
        // One that comes late is not confirmed by an offset that was meant for those that were told before it.
        again: ms > 0,
      };
      waiting.push(one);
      if (held) {
        [held.place, one.place] = [one.place, held.place];
        held = undefined;
      } else if (fault?.do === 'reorder') held = one;
      if (ms > 0) later(answer, ms + 1);
      answer();
      return id;
    },
    repeat(id) {
      const update = known.get(id);
      if (!update) throw new Error(`no event ${id}`);
      again(update);
    },
    confirms: (offset) => waiting.some((one) => covers(offset, one)),
    poll({ offset, limit, timeout, allowed: kinds }) {
      if (kinds) allowed = kinds;
      const confirmed = waiting.filter((one) => covers(offset, one));
      for (const { update } of confirmed) {
        const id = String(update.update_id);
        if (!confirmedAt.has(id)) confirmedAt.set(id, now());
      }
      waiting = waiting.filter((one) => !confirmed.includes(one));
      for (const poll of polls) finish(poll, 'conflict');
      const ended = Promise.withResolvers<PollAnswer>();
      if (webhookUrl !== '') ended.resolve('conflict-webhook');
      const poll: Poll = {
        limit,
        end: ended.resolve,
        timer: setTimeout(() => finish(poll, { updates: [], lose: false }), timeout * 1_000),
      };
      if (webhookUrl === '') {
        polls.push(poll);
        if (rival) later(() => polls.includes(poll) && finish(poll, 'conflict'), 20);
        answer();
      } else clearTimeout(poll.timer);
      return { confirmed: confirmed.length, answer: ended.promise, leave: () => finish(poll, 'gone') };
    },
    polls: () => polls.length,
    acknowledgedAfter(id) {
      const [first, last] = [told.get(id), confirmedAt.get(id)];
      return first === undefined || last === undefined ? undefined : last - first;
    },
    rival(on) {
      rival = on;
      if (on) for (const poll of polls) finish(poll, 'conflict');
    },
    webhook(address) {
      webhookUrl = address;
      if (address !== '') for (const poll of polls) finish(poll, 'conflict-webhook');
    },
    get webhookUrl() {
      return webhookUrl;
    },
    close() {
      for (const timer of timers) clearTimeout(timer);
      for (const poll of polls) finish(poll, 'gone');
    },
  };
}
