import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { ReadStream, WriteStream } from 'node:tty';
import { connectTerminal, createPlainOutput, createScreen } from '../../adapters/terminal/index.ts';
import type { Language } from '../domain/reply.ts';

/** The terminal's chat: a prompt for people, or the lines of a script one after the other. */

/** A hub that was never reached is given up sooner than one that restarts (an update of the hub takes a while). */
const CONNECT_MS = 5_000;
const RECONNECT_MS = 2 * 60_000;

export interface ChatOptions {
  readonly socket: string;
  readonly input: Readable;
  readonly output: Writable;
  readonly language: Language;
  readonly color: boolean;
  /** Each input line is a message and waits for the answer of the one before. Default: where input is no terminal. */
  readonly script?: boolean | undefined;
  /** A script is told what it asked, and nothing else: news waits for somebody who reads it. Default: it is told all. */
  readonly onlyAnswers?: boolean | undefined;
  /** Ends the chat. */
  readonly signal?: AbortSignal | undefined;
  readonly connectMs?: number | undefined;
  readonly reconnectMs?: number | undefined;
}

const TEXT = {
  en: {
    prompt: 'fettle> ',
    reconnecting: 'reconnecting to the hub …',
    reconnected: 'connected again',
    never:
      "The hub does not answer. Start it with `fettle up`, or look at logs/hub.log in Fettle's home; that of a service of root's is reached with sudo.",
    gone: 'The hub has been away for too long. Start it with `fettle up`; what you asked for is answered at the next `fettle chat`.',
    bye: 'What runs goes on; its answer waits for the next `fettle chat`.',
  },
  zh: {
    prompt: 'fettle> ',
    reconnecting: '正在重新连接 hub……',
    reconnected: '已重新连接',
    never: 'hub 没有响应。请用 `fettle up` 启动它，或查看 Fettle 主目录中的 logs/hub.log；root 的服务需用 sudo 访问。',
    gone: 'hub 离开太久了。请用 `fettle up` 启动它；您的请求会在下次 `fettle chat` 时得到答复。',
    bye: '正在进行的操作会继续，结果会在下次 `fettle chat` 时显示。',
  },
} as const;

/**
 * Talks to the hub until the person leaves or the script is done.
 *
 * @returns the exit code: 1 where the hub was not there (any more) or, in a script, where a command failed
 */
export function runChat(options: ChatOptions): Promise<number> {
  const { input, output } = options;
  const people = input instanceof ReadStream && output instanceof WriteStream && input.isTTY && output.isTTY;
  if (options.script === true || !people) return runScript(options);
  return runScreen(options, input, output);
}

async function runScreen(options: ChatOptions, input: ReadStream, output: WriteStream): Promise<number> {
  const text = TEXT[options.language];
  const done = Promise.withResolvers<number>();
  const open = new Set<string>();
  const screen = createScreen({
    input,
    output,
    color: options.color,
    prompt: text.prompt,
    onLine(line) {
      const typed = line.trim();
      if (typed === '') return;
      if (/^\/?(exit|quit|bye|退出)$/i.test(typed)) done.resolve(0);
      else open.add(client.request(typed));
    },
    onEnd: () => done.resolve(0),
    complete: (typed) => client.complete(typed),
  });
  let attached = false;
  const client = connectTerminal({
    socket: options.socket,
    newId: randomUUID,
    mode: 'chat',
    language: options.language,
    connectMs: options.connectMs ?? CONNECT_MS,
    reconnectMs: options.reconnectMs ?? RECONNECT_MS,
    onMessage(message) {
      if (message.final && message.answers !== undefined) open.delete(message.answers);
      screen.message(message);
    },
    onState(state) {
      if (state === 'reconnecting') screen.banner(text.reconnecting);
      if (state === 'connected') {
        screen.banner(undefined);
        if (attached) screen.notice(text.reconnected, 'good');
        attached = true;
      }
      if (state === 'gone') {
        screen.banner(undefined);
        screen.notice(attached ? text.gone : text.never, 'bad');
        done.resolve(1);
      }
    },
  });
  const ended = () => done.resolve(0);
  if (options.signal?.aborted) ended();
  options.signal?.addEventListener('abort', ended, { once: true });
  const code = await done.promise;
  options.signal?.removeEventListener('abort', ended);
  client.close();
  screen.close();
  if (code === 0 && open.size > 0) output.write(`${text.bye}\n`);
  return code;
}

async function runScript(options: ChatOptions): Promise<number> {
  const text = TEXT[options.language];
  const plain = createPlainOutput(
    (line) => options.output.write(line),
    () => performance.now(),
  );
  const gone = Promise.withResolvers<'gone'>();
  const answers = new Map<string, PromiseWithResolvers<boolean>>();
  const answerTo = (eventId: string) => {
    const found = answers.get(eventId) ?? Promise.withResolvers<boolean>();
    answers.set(eventId, found);
    return found;
  };
  let attached = false;
  const client = connectTerminal({
    socket: options.socket,
    newId: randomUUID,
    mode: options.onlyAnswers ? 'say' : 'chat',
    language: options.language,
    connectMs: options.connectMs ?? CONNECT_MS,
    reconnectMs: options.reconnectMs ?? RECONNECT_MS,
    onMessage(message) {
      plain.message(message);
      if (message.final && message.answers !== undefined) answerTo(message.answers).resolve(message.failed);
    },
    onState(state) {
      if (state === 'reconnecting') plain.line(text.reconnecting);
      if (state === 'connected' && attached) plain.line(text.reconnected);
      if (state === 'connected') attached = true;
      if (state === 'gone') {
        plain.line(attached ? text.gone : text.never);
        gone.resolve('gone');
      }
    },
  });
  const stopped = Promise.withResolvers<'stopped'>();
  const stop = () => stopped.resolve('stopped');
  if (options.signal?.aborted) stop();
  options.signal?.addEventListener('abort', stop, { once: true });

  let failed = false;
  const lines = createInterface({ input: options.input, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    const each = lines[Symbol.asyncIterator]();
    for (;;) {
      const line = await Promise.race([each.next(), gone.promise, stopped.promise]);
      if (line === 'gone') return 1;
      if (line === 'stopped') return 1;
      if (line.done) break;
      const typed = line.value.trim();
      if (typed === '' || typed.startsWith('#')) continue;
      plain.line(`> ${typed}`);
      const answer = await Promise.race([answerTo(client.request(typed)).promise, gone.promise, stopped.promise]);
      if (answer === 'gone' || answer === 'stopped') return 1;
      failed ||= answer;
    }
    return failed ? 1 : 0;
  } finally {
    options.signal?.removeEventListener('abort', stop);
    lines.close();
    client.close();
  }
}
