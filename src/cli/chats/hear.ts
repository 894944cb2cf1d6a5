import { setTimeout as delay } from 'node:timers/promises';
import type { PlatformName, PlatformSettings } from '../../../adapters/index.ts';
import { askStatus } from '../../../adapters/terminal/index.ts';
import { takeLock } from '../../../agent/keeper/lock.ts';
import type { HomeLayout } from '../../../config/home.ts';
import type { Adapter, PlatformDeps, Request, Sink } from '../../chat/contract.ts';
import type { ProblemText } from '../../chat/messages/index.ts';
import { pause } from '../../chat/pause.ts';
import { openChat } from '../discreet.ts';
import type { Problem } from './contract.ts';

/**
 * Waits for somebody to write to the bot. Where a hub runs it is the hub that hears it: two programs on one bot take
 * each other's events. Where none runs, this process is the hub for that moment, and holds the hub's lock.
 */

/** Who wrote, and from where. */
export interface Heard {
  readonly person: string;
  readonly name?: string | undefined;
  readonly chat: string;
  readonly direct?: boolean | undefined;
  /** Why it could not be answered; only where this process was to answer. */
  readonly unanswered?: string | undefined;
}

export interface Hearing {
  readonly platform: PlatformName;
  readonly layout: HomeLayout;
  /** Ends the waiting: late, skipped, Ctrl-C. */
  readonly signal: AbortSignal;
  /** It is connected: now is the time to write. */
  readonly onConnected: () => void;
  /** It is not, and why; once each. Those that are tried again by themselves as well. */
  readonly onProblem: (problem: ProblemText) => void;
}

const ANSWER_MS = 20_000;
const STOP_MS = 10_000;
const LOOK_MS = 300;
const ASK_MS = 2_000;
const TRIED_AGAIN: readonly string[] = ['chat_unreachable', 'chat_conflict'];

/**
 * `undefined`: nobody wrote, or the connection failed for good.
 * @throws {FettleError} `home_in_use` where a hub is starting
 */
export async function hearAlone(
  { layout, platform, signal, onConnected, onProblem }: Hearing,
  settings: PlatformSettings,
  deps: PlatformDeps,
  textOf: (problem: Problem) => ProblemText,
): Promise<Heard | undefined> {
  const lock = takeLock(layout.hub.lock);
  const adapter = await openChat(platform, settings, deps);
  const heard = Promise.withResolvers<Request | undefined>();
  const told = new Set<string>();
  const end = () => heard.resolve(undefined);
  const look = () => {
    const { state, problem } = adapter.connection();
    if (state === 'connected' && !told.has('connected')) {
      told.add('connected');
      onConnected();
    }
    if (!problem || state === 'connected' || told.has(problem.code)) return;
    told.add(problem.code);
    onProblem(textOf(problem));
    if (state === 'failed' && !TRIED_AGAIN.includes(problem.code)) end();
  };
  signal.addEventListener('abort', end, { once: true });
  // Not every way to a connection is told of.
  const timer = setInterval(look, LOOK_MS);
  try {
    if (!signal.aborted) await adapter.start(sinkOf(heard.resolve, look));
    look();
    const request = signal.aborted ? undefined : await heard.promise;
    if (!request) return undefined;
    const { person, personName, route, direct } = request;
    return { person, name: personName, chat: route.chat, direct, unanswered: await answer(adapter, request) };
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', end);
    // One that hangs is left behind: this process is about to end.
    await within(STOP_MS, adapter.stop()).catch(() => undefined);
    lock.release();
  }
}

/** What comes is kept in memory: what a hub needs of it, it asks for itself. */
function sinkOf(heard: (request: Request) => void, connectionChanged: () => void): Sink {
  const seen = new Set<string>();
  const memory = new Map<string, string>();
  const names = new Map<string, string>();
  return {
    async accept(request) {
      if (seen.has(request.eventId)) return 'duplicate';
      seen.add(request.eventId);
      heard(request);
      return 'stored';
    },
    deliverable: () => undefined,
    answersTo: async () => [],
    complete: async () => [],
    connectionChanged,
    async shorten(command) {
      const name = `setup${names.size}`;
      names.set(name, command);
      return name;
    },
    expand: async (name) => names.get(name),
    memory: {
      get: async (key) => memory.get(key),
      set: async (key, value) => void memory.set(key, value),
    },
  };
}

/** Says that it was heard: so writing is tried, too. The reason why that did not work. */
async function answer(adapter: Adapter, request: Request): Promise<string | undefined> {
  const chinese = request.locale === 'zh';
  const reply = {
    tone: 'good' as const,
    title: chinese ? '收到，Fettle 能看到你的消息了' : 'Fettle hears you',
    text: [
      chinese ? '设置还在进行。hub 启动后即可使用 /update。' : 'It is being set up. /update works once its hub runs.',
    ],
  };
  const message = {
    key: `setup:${request.eventId}`,
    route: request.route,
    reply,
    answers: request.eventId,
    final: true,
    failed: false,
  };
  try {
    const delivery = await within(ANSWER_MS, adapter.send(message));
    if (delivery.result === 'sent') return undefined;
    return delivery.result === 'unattended' ? 'nobody is there to read it' : delivery.reason;
  } catch {
    return 'it could not be sent in time';
  }
}

/** @param since milliseconds since 1970: what was written before does not count */
export async function hearThroughHub(
  hearing: Hearing,
  since: number,
  textOf: (problem: Problem) => ProblemText,
): Promise<Heard | undefined> {
  const { layout, platform, signal, onConnected, onProblem } = hearing;
  const told = new Set<string>();
  while (!signal.aborted) {
    const status = await askStatus(layout.runtime.hubSocket, ASK_MS).catch(() => undefined);
    const chat = status?.chats?.find((one) => one.platform === platform);
    if (chat?.heard && chat.heard.at >= since) return chat.heard;
    if (chat?.state === 'connected' && !told.has('connected')) {
      told.add('connected');
      onConnected();
    }
    if (status && !chat && !told.has('absent')) {
      told.add('absent');
      onProblem({ text: `The hub that runs does not know ${platform} yet.`, next: '/update restart hub' });
    }
    if (chat?.problem && chat.state !== 'connected' && !told.has(chat.problem.code)) {
      told.add(chat.problem.code);
      onProblem(textOf(chat.problem));
      if (chat.state === 'failed' && !TRIED_AGAIN.includes(chat.problem.code)) return undefined;
    }
    await pause(LOOK_MS, signal);
  }
  return undefined;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = new AbortController();
  const end = delay(ms, undefined, { signal: late.signal }).then(() => {
    throw new Error('late');
  });
  end.catch(() => undefined);
  try {
    return await Promise.race([work, end]);
  } finally {
    late.abort();
  }
}
