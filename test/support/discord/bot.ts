import { createAdapter } from '../../../adapters/discord/index.ts';
import type { Adapter, Outgoing, PlatformDeps, Reply, Request } from '../../../src/chat/contract.ts';
import { COMMANDS } from '../../../src/commands/index.ts';
import { FakeSink } from '../../contract/adapter.ts';
import { until } from '../until.ts';
import type { DiscordPlatform } from './index.ts';

/** An adapter with what it is given, as tests of Discord use it. */

export interface Bot {
  readonly adapter: Adapter;
  readonly sink: FakeSink;
  readonly logs: { readonly event: string; readonly data: Readonly<Record<string, unknown>> }[];
  /** Lets time pass for the adapter. */
  advance(ms: number): void;
  /** Somebody types; resolves with the request that came of it. */
  asked(text?: string, from?: Parameters<DiscordPlatform['type']>[1]): Promise<Request>;
}

export interface BotOptions {
  readonly settings?: Partial<Parameters<typeof createAdapter>[0]>;
  readonly deps?: Partial<PlatformDeps>;
  /** The core of an earlier adapter: the next start of one hub. */
  readonly sink?: FakeSink;
}

export function platformDeps(deps: Partial<PlatformDeps> = {}): PlatformDeps {
  return {
    commands: COMMANDS,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: () => 0.5,
    log: () => undefined,
    environment: {},
    ...deps,
  };
}

export function makeBot(discord: DiscordPlatform, { settings, deps, sink = new FakeSink() }: BotOptions = {}): Bot {
  const logs: Bot['logs'] = [];
  let shift = 0;
  const clock = { now: () => Date.now() + shift, monotonic: () => performance.now() };
  const log = (event: string, data: Readonly<Record<string, unknown>>) => void logs.push({ event, data });
  const adapter = createAdapter(
    { token: discord.token, api: discord.api, ...settings },
    platformDeps({ clock, log, ...deps }),
  );
  return {
    adapter,
    sink,
    logs,
    advance(ms) {
      shift += ms;
    },
    async asked(text = '/update', from = {}) {
      const id = await discord.type(text, from);
      return until('the request', () => sink.accepted.find(({ eventId }) => eventId === id));
    },
  };
}

/** Starts it and waits until it is connected. */
export async function startBot(discord: DiscordPlatform, options: BotOptions = {}): Promise<Bot> {
  const bot = makeBot(discord, options);
  await bot.adapter.start(bot.sink);
  await until('the connection', () => bot.adapter.connection().state === 'connected');
  await discord.connected();
  return bot;
}

/** A message that answers a request. */
export function answer(to: Request, key: string, title: string, more: Partial<Reply> = {}, final = true): Outgoing {
  const reply: Reply = { tone: 'info', title, ...more };
  return { key, route: to.route, reply, answers: to.eventId, final, failed: false };
}
