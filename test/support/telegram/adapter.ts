import { setTimeout as delay } from 'node:timers/promises';
import { createTelegramAdapter } from '../../../adapters/telegram/adapter.ts';
import type { Timings } from '../../../adapters/telegram/polling.ts';
import type { Adapter, Delivery, Outgoing, PlatformDeps, Reply, Request, Route } from '../../../src/chat/contract.ts';
import { COMMANDS } from '../../../src/commands/index.ts';
import { FakeSink } from '../../contract/adapter.ts';
import { until } from '../until.ts';
import { startTelegram, type TelegramOptions, type TelegramPlatform } from './index.ts';
import { FAST } from './timings.ts';

/** What an adapter is given, with what it said in its log. */
export function makeDeps(
  given: Partial<PlatformDeps> = {},
): PlatformDeps & { readonly logged: { event: string; data: Readonly<Record<string, unknown>> }[] } {
  const logged: { event: string; data: Readonly<Record<string, unknown>> }[] = [];
  return {
    commands: COMMANDS,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    random: () => 0.5,
    log: (event, data) => void logged.push({ event, data }),
    environment: {},
    ...given,
    logged,
  };
}

/** An adapter on a server of its own. `kill` leaves what it was doing, as `kill -9` does, and makes the next one. */
export interface Bench extends AsyncDisposable {
  readonly telegram: TelegramPlatform;
  readonly sink: FakeSink;
  readonly deps: ReturnType<typeof makeDeps>;
  readonly adapter: Adapter;
  kill(): Promise<void>;
  /** Somebody types; resolves with the request that the adapter made of it. */
  asked(text: string, from?: Parameters<TelegramPlatform['say']>[1]): Promise<Request>;
  /** What is sent until it is known, as the outbox does: at most one at a time, with the same key. */
  deliver(message: Outgoing): Promise<Delivery>;
  /** The same; resolves with the number of tries. */
  deliverCounting(message: Outgoing): Promise<number>;
}

export interface BenchOptions extends TelegramOptions {
  readonly settings?: { readonly token?: string; readonly api?: string; readonly proxy?: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly timings?: Partial<Timings>;
  /** So many registrations of the menu are refused. */
  readonly refuseMenu?: number;
  /** Not waited for where the connection fails. */
  readonly connected?: boolean;
}

export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const telegram = await startTelegram(options);
  const sink = new FakeSink();
  const deps = makeDeps(options.environment ? { environment: options.environment } : {});
  const make = () =>
    createTelegramAdapter({ token: telegram.token, api: telegram.url, ...options.settings }, deps, {
      ...FAST,
      ...options.timings,
    });
  telegram.refuseMenus(options.refuseMenu ?? 0);
  let adapter = make();
  const start = async () => {
    await adapter.start(sink);
    if (options.connected === false) return;
    await until('the connection', () => adapter.connection().state === 'connected');
    await telegram.connected();
  };
  await start();
  async function deliver(message: Outgoing): Promise<{ readonly delivery: Delivery; readonly tries: number }> {
    for (let tries = 1; ; tries += 1) {
      const delivery = await adapter.send(message);
      if (delivery.result !== 'retry') return { delivery, tries };
      if (tries > 100) throw new Error(delivery.reason);
      await delay(Math.max(20, delivery.afterMs));
    }
  }
  return {
    telegram,
    sink,
    deps,
    get adapter() {
      return adapter;
    },
    async kill() {
      const old = adapter;
      adapter = make();
      await old.stop();
      await start();
    },
    async asked(text, from) {
      const id = telegram.say(text, { place: 'direct', ...from });
      return until('the request', () => sink.accepted.find(({ eventId }) => eventId === id));
    },
    deliver: async (message) => (await deliver(message)).delivery,
    deliverCounting: async (message) => (await deliver(message)).tries,
    async [Symbol.asyncDispose]() {
      await adapter.stop();
      await telegram.close();
    },
  };
}

/** A message to a place. */
export function outgoing(route: Route, key: string, reply: string | Partial<Reply> = key): Outgoing {
  const card: Reply = { tone: 'info', title: key, ...(typeof reply === 'string' ? { title: reply } : reply) };
  return { key, route, reply: card, answers: 'e1', final: true, failed: false };
}
