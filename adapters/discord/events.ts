import { setTimeout as delay } from 'node:timers/promises';
import type { MenuCommand, PlatformDeps, Request, Sink } from '../../src/chat/contract.ts';
import { pause } from '../../src/chat/pause.ts';
import { type Api, failureOf } from './api.ts';
import { focusedOption, lineOf } from './commands.ts';
import type { GatewayEvent } from './gateway.ts';
import { GuildDeleteSchema, type InteractionPayload, InteractionSchema, MessageSchema } from './payloads.ts';
import { isCommand, isCompletion, requestOfInteraction, requestOfMessage } from './requests.ts';
import type { Session } from './session.ts';

/**
 * What the gateway tells: stored first, then acknowledged. An interaction that could not be stored in time is not
 * acknowledged, and its sender is told so by Discord; a message, which nobody acknowledges, is tried for longer.
 */

/** "You must send an initial response within 3 seconds" (Receiving and Responding). */
const ACKNOWLEDGE_MS = 2_800;
const COMPLETE_MS = 2_300;
/** Between tries to store. */
const STORE_WAITS_MS = [100, 300, 900, 2_000, 5_000, 10_000];
const REMEMBERED = 1_000;

const RESPONSE = { deferred: 5, deferredUpdate: 6, choices: 8 } as const;
/** Not known any more, and acknowledged already: nobody waits for an answer. */
const TOO_LATE: readonly number[] = [10062, 40060];

export interface Events {
  take(event: GatewayEvent): void;
  /** Resolves when an interaction is acknowledged, or can't be any more; before that Discord knows no reply to fill. */
  acknowledged(interaction: string): Promise<void>;
}

export function createEvents(deps: {
  readonly api: Api;
  readonly sink: Sink;
  readonly session: Session;
  readonly commands: readonly MenuCommand[];
  readonly guilds: readonly string[] | undefined;
  readonly clock: PlatformDeps['clock'];
  readonly signal: AbortSignal;
  readonly log: PlatformDeps['log'];
  /** A server has come, or is there again. */
  readonly onGuild: () => void;
}): Events {
  const { api, sink, session, clock, signal, log } = deps;
  const acknowledged = new Set<string>();
  const acknowledging = new Map<string, Promise<void>>();

  async function onMessage(data: unknown): Promise<boolean> {
    const bot = session.identity?.bot.id;
    const parsed = MessageSchema.safeParse(data);
    if (!parsed.success || bot === undefined) return true;
    const request = requestOfMessage(parsed.data, bot, deps.guilds);
    return request === undefined || store(request, Number.POSITIVE_INFINITY);
  }

  async function onInteraction(data: unknown): Promise<boolean> {
    const due = clock.monotonic() + ACKNOWLEDGE_MS;
    const parsed = InteractionSchema.safeParse(data);
    if (!parsed.success) return true;
    const interaction = parsed.data;
    if (isCompletion(interaction)) {
      await complete(interaction);
      return true;
    }
    const { commands, guilds } = deps;
    const request = await requestOfInteraction(interaction, {
      commands,
      guilds,
      expand: (name) => sink.expand(name),
      now: clock.now(),
    });
    if (!request) {
      log('discord_ignored', { event: interaction.id, guild: interaction.guild_id });
      return true;
    }
    // Known before it is stored: an answer may be there sooner than the acknowledgement.
    const over = Promise.withResolvers<void>();
    acknowledging.set(interaction.id, over.promise);
    try {
      if (!(await store(request, due))) return false;
      await acknowledge(interaction, due);
      return true;
    } finally {
      if (acknowledging.get(interaction.id) === over.promise) acknowledging.delete(interaction.id);
      over.resolve();
    }
  }

  /** @param due monotonic; not tried again after it */
  async function store(request: Request, due: number): Promise<boolean> {
    for (const wait of [...STORE_WAITS_MS, undefined]) {
      try {
        await sink.accept(request);
        return true;
      } catch (error) {
        if (signal.aborted || wait === undefined || clock.monotonic() + wait > due) {
          log('discord_event_not_stored', { event: request.eventId, error: String(error).slice(0, 200) });
          return false;
        }
        await pause(wait, signal);
      }
    }
    return false;
  }

  async function acknowledge(interaction: InteractionPayload, due: number): Promise<void> {
    if (acknowledged.has(interaction.id)) return;
    remember(interaction.id);
    const type = isCommand(interaction) ? RESPONSE.deferred : RESPONSE.deferredUpdate;
    for (let wait = 100; ; wait *= 2) {
      const failure = await respond(interaction, { type }, due);
      if (!failure) return;
      const final = failure.kind === 'refused' || failure.kind === 'unauthorized';
      if (final || signal.aborted || clock.monotonic() + wait > due) {
        const late = failure.kind === 'refused' && TOO_LATE.includes(failure.code);
        log(late ? 'discord_acknowledged_late' : 'discord_not_acknowledged', {
          event: interaction.id,
          reason: failure.reason,
        });
        return;
      }
      await pause(wait, signal);
    }
  }

  function remember(id: string): void {
    acknowledged.add(id);
    const [oldest] = acknowledged;
    if (acknowledged.size > REMEMBERED && oldest !== undefined) acknowledged.delete(oldest);
  }

  async function respond({ id, token }: InteractionPayload, body: unknown, due: number) {
    const left = Math.max(1, Math.round(due - clock.monotonic()));
    try {
      await api.rest.post(`/interactions/${id}/${token}/callback`, {
        body,
        auth: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(left)]),
      });
      return undefined;
    } catch (error) {
      return failureOf(error);
    }
  }

  async function complete(interaction: InteractionPayload): Promise<void> {
    const due = clock.monotonic() + ACKNOWLEDGE_MS;
    const { name, options } = interaction.data ?? {};
    const focused = focusedOption(options);
    if (name === undefined || !focused) return;
    const typed = String(focused.value ?? '').trim();
    const before = lineOf({ name, options }, deps.commands, focused.name);
    const timeout = delay(COMPLETE_MS, [] as readonly string[], { signal, ref: false }).catch(() => []);
    const lines = await Promise.race([sink.complete(`${before} ${typed}`).catch(() => []), timeout]);
    const length = before.split(' ').length;
    const values = lines
      .filter((line) => line.split(' ').length > length)
      .map((line) => line.slice(line.lastIndexOf(' ') + 1))
      .filter((value) => value !== '' && value.length <= 100 && !value.startsWith('-') && !value.startsWith('/'));
    const choices = [...new Set(values)].slice(0, 25).map((value) => ({ name: value, value }));
    const failure = await respond(interaction, { type: RESPONSE.choices, data: { choices } }, due);
    if (failure) log('discord_completion_failed', { reason: failure.reason });
  }

  return {
    acknowledged: async (interaction) => acknowledging.get(interaction),
    take({ sequence, type, data }) {
      if (type === 'GUILD_CREATE') {
        deps.onGuild();
        return;
      }
      if (type === 'GUILD_DELETE') {
        const gone = GuildDeleteSchema.safeParse(data);
        // `unavailable` is an outage of Discord's, not the end of a membership.
        if (gone.success && !gone.data.unavailable) log('discord_removed', { guild: gone.data.id });
        return;
      }
      if (type !== 'MESSAGE_CREATE' && type !== 'INTERACTION_CREATE') return;
      const stored = session.begin(sequence);
      const work = type === 'MESSAGE_CREATE' ? onMessage(data) : onInteraction(data);
      work
        .then((isStored) => {
          // What is not stored stays open: the next start is told it again.
          if (!isStored) return undefined;
          stored();
          return session.save();
        })
        .catch((error: unknown) => log('discord_event_failed', { error: String(error).slice(0, 200) }));
    },
  };
}
