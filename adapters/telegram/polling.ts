import type { Connection, PlatformDeps } from '../../src/chat/contract.ts';
import { pause } from '../../src/chat/pause.ts';
import type { TelegramClient } from './client.ts';
import { isFatal } from './deliveries.ts';
import { ALLOWED_UPDATES, Me, PLATFORM, Update } from './events.ts';
import { type Failure, failureOf, NotTelegram, reasonOf } from './failure.ts';

/**
 * Long polling (https://core.telegram.org/bots/api#getupdates). Invariant: the offset, which confirms, is never above an
 * update that is not stored; after a restart Telegram tells everything unconfirmed again, and the store knows it. So the
 * offset is kept nowhere: one that is too high (ids begin anew after a quiet week) would lose events.
 */

/** Milliseconds unless they say otherwise. */
export interface Timings {
  readonly callMs: number;
  readonly pollSeconds: number;
  /** A poll that is not answered so long after its end is dead. */
  readonly pollGraceMs: number;
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** Another poller is normal for so long: the hub before a restart. */
  readonly conflictMs: number;
  readonly settleMs: number;
  /** Between two edits in one group. */
  readonly groupEditMs: number;
}

export const TIMINGS: Timings = {
  callMs: 20_000,
  pollSeconds: 25,
  pollGraceMs: 10_000,
  firstRetryMs: 500,
  lastRetryMs: 30_000,
  conflictMs: 60_000,
  settleMs: 2_000,
  groupEditMs: 3_000,
};

export interface PollingDeps {
  readonly client: TelegramClient;
  readonly clock: PlatformDeps['clock'];
  readonly random: () => number;
  readonly log: PlatformDeps['log'];
  readonly timings: Timings;
  /** The proxy as it is shown to people. */
  readonly proxy: string | undefined;
  /** Who the bot is: known before the first event. */
  readonly onMe: (me: Me) => Promise<void> | void;
  /** Stores an update. What it throws leaves the update unconfirmed. */
  readonly onUpdate: (update: Update) => Promise<void>;
  readonly onChange: () => void;
}

export interface Polling {
  start(): void;
  stop(): Promise<void>;
  connection(): Connection;
  /** A call was refused for good. */
  refused(failure: Failure): void;
}

/** What is said where the credentials are wrong. */
export const TOKEN = { platform: PLATFORM, what: 'token', where: '@BotFather (/mybots, API Token)' } as const;
/** `123456789:` and 35 characters. */
export const TOKEN_SHAPE = /^\d{5,20}:[\w-]{30,60}$/;
export const TOKEN_EXPECTED = 'digits, a colon and 35 letters, digits, - or _';

/** @throws {NotTelegram} where the answer has no bot in it */
export function meOf(answer: unknown): Me {
  const me = Me.safeParse(answer);
  if (!me.success) throw new NotTelegram(200);
  return me.data;
}

export function createPolling(deps: PollingDeps): Polling {
  const { client, clock, log, timings } = deps;
  const stopping = new AbortController();
  let connection: Connection = { state: 'stopped', since: clock.now() };
  let running: Promise<void> | undefined;
  let conflict: { since: number; last: number } | undefined;

  function set(state: Connection['state'], more: Pick<Connection, 'lastError' | 'problem'> = {}): void {
    const { since, ...before } = connection;
    const next = { state, ...more };
    if (JSON.stringify(before) === JSON.stringify(next)) return;
    connection = { ...next, since: before.state === state ? since : clock.now() };
    try {
      deps.onChange();
    } catch (error) {
      log('telegram_change_not_told', { error: String(error) });
    }
  }

  function refused(failure: Failure): void {
    if (failure.kind !== 'refused' || connection.state === 'stopped') return;
    const { description } = failure;
    if (connection.state !== 'failed') log('telegram_refused', { reason: description });
    const problem = { code: 'chat_credentials_refused', data: { ...TOKEN, reason: description } } as const;
    set('failed', { lastError: description, problem });
  }

  async function run(): Promise<void> {
    let me: Me | undefined;
    let offset = 0;
    let failures = 0;
    let refusals = 0;
    while (!stopping.signal.aborted && connection.state !== 'failed') {
      try {
        if (!me) {
          me = meOf(await client.api.raw.getMe(client.within(timings.callMs, stopping.signal)));
          await deps.onMe(me);
          if (connection.lastError === undefined) connected();
        }
        // After a failure it shows soon whether all is well again.
        const timeout = failures > 0 ? Math.min(conflict ? 2 : 0, timings.pollSeconds) : timings.pollSeconds;
        const updates = await client.api.raw.getUpdates(
          { offset, limit: 100, timeout, allowed_updates: [...ALLOWED_UPDATES] },
          client.within(timeout * 1_000 + timings.pollGraceMs, stopping.signal),
        );
        if (!Array.isArray(updates)) throw new NotTelegram(200);
        failures = 0;
        connected();
        const { next, whole } = await store(updates, offset);
        offset = next;
        refusals = whole ? 0 : refusals + 1;
        if (!whole) await pause(backoff(refusals), stopping.signal);
      } catch (error) {
        if (stopping.signal.aborted) return;
        failures += 1;
        const waitMs = await afterFailure(failureOf(error), failures);
        if (waitMs !== undefined) await pause(waitMs, stopping.signal);
      }
    }
  }

  /** The next offset. Stops at the first update that could not be stored: then it is not `whole`. */
  async function store(
    raw: readonly unknown[],
    offset: number,
  ): Promise<{ readonly next: number; readonly whole: boolean }> {
    const numbered = raw
      .map((one) => ({ one, id: Number((one as { update_id?: unknown } | null)?.update_id) }))
      .filter(({ id }) => Number.isSafeInteger(id));
    // What has no number can't be confirmed: it comes again and again.
    if (numbered.length < raw.length) await pause(timings.lastRetryMs, stopping.signal);
    let next = offset;
    for (const { one, id } of numbered.sort((a, b) => a.id - b.id)) {
      const update = Update.safeParse(one);
      if (update.success) {
        try {
          await deps.onUpdate(update.data);
        } catch (error) {
          log('telegram_event_not_stored', {
            event: id,
            error: error instanceof Error ? error.message : String(error),
          });
          return { next, whole: false };
        }
      } else {
        log('telegram_event_unreadable', { event: id, error: update.error.issues[0]?.message ?? '' });
      }
      // What is told once more has a lower id.
      next = Math.max(next, id + 1);
    }
    return { next, whole: true };
  }

  function connected(): void {
    const now = clock.monotonic();
    if (conflict && now - conflict.last > timings.conflictMs) conflict = undefined;
    // Two programs take turns: that ours was answered once does not mean that all is well.
    if (conflict && now - conflict.since > timings.conflictMs) return;
    if (connection.state !== 'stopped' && connection.state !== 'failed') set('connected');
  }

  function backoff(failures: number): number {
    const longest = Math.min(timings.firstRetryMs * 2 ** Math.min(failures - 1, 20), timings.lastRetryMs);
    return longest * (0.5 + deps.random() / 2);
  }

  /** Milliseconds to wait; `undefined`: for ever. */
  async function afterFailure(failure: Failure, failures: number): Promise<number | undefined> {
    const waitMs = backoff(failures);
    if (failure.kind === 'unreached') {
      const { reason } = failure;
      const data = { platform: PLATFORM, reason, ...(deps.proxy === undefined ? {} : { proxy: deps.proxy }) };
      log('telegram_unreachable', { reason, failures });
      set('connecting', { lastError: reason, problem: { code: 'chat_unreachable', data } });
      return waitMs;
    }
    const { code, description, retryAfterMs } = failure;
    if (isFatal(code)) {
      refused(failure);
      return undefined;
    }
    log('telegram_poll_refused', { reason: description, failures });
    if (code === 409) {
      const now = clock.monotonic();
      conflict = { since: conflict?.since ?? now, last: now };
      const reason = /webhook/i.test(description) ? 'a webhook was set' : undefined;
      if (reason) await takeWebhookAway();
      const lasting = now - conflict.since >= timings.conflictMs;
      const data = { platform: PLATFORM, ...(reason ? { reason } : {}) };
      set('connecting', { lastError: description, ...(lasting ? { problem: { code: 'chat_conflict', data } } : {}) });
      return waitMs;
    }
    set('connecting', { lastError: description });
    return Math.max(retryAfterMs ?? 0, waitMs);
  }

  /** Nothing is told to a poll while a webhook is set: another program's, or one that was tried once. */
  async function takeWebhookAway(): Promise<void> {
    try {
      await client.api.raw.deleteWebhook({}, client.within(timings.callMs, stopping.signal));
    } catch (error) {
      log('telegram_webhook_stays', { reason: reasonOf(failureOf(error)) });
    }
  }

  return {
    start() {
      set('connecting');
      running = run();
    },
    async stop() {
      set('stopped');
      stopping.abort();
      await running;
    },
    connection: () => connection,
    refused,
  };
}
