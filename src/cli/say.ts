import { randomUUID } from 'node:crypto';
import type { Writable } from 'node:stream';
import { connectTerminal, createPlainOutput, type Shown } from '../../adapters/terminal/index.ts';
import type { Language } from '../domain/reply.ts';

/** `fettle say TEXT`: one message, its replies until the final one, an exit code. */

const CONNECT_MS = 5_000;
/** A hub that is updated is back in seconds; one that is brought back after a failure, in a minute. */
const RECONNECT_MS = 120_000;

export interface SayOptions {
  readonly socket: string;
  readonly text: string;
  /** One JSON object a line: `{type, key, reply, answers, final, failed}`. */
  readonly json: boolean;
  readonly output: Writable;
  readonly language: Language;
  /** Plain text has no colours; taken so that all commands are called alike. */
  readonly color?: boolean | undefined;
  readonly timeoutMs: number;
}

const TEXT = {
  en: {
    never: 'The hub does not answer. Start it with `fettle up`; that of a service of root’s is reached with sudo.',
    gone: 'The hub went away and has not come back. What was asked for goes on without it; `fettle doctor` says what is wrong.',
    late: 'No final answer in time. What was asked for goes on; `fettle chat` shows its answer.',
    reconnecting: 'reconnecting to the hub …',
  },
  zh: {
    never: 'hub 没有响应。请用 `fettle up` 启动它；root 的服务需用 sudo 访问。',
    gone: 'hub 已断开，一直没有恢复。操作会继续；`fettle doctor` 会说明问题。',
    late: '没有及时得到最终答复。操作会继续；`fettle chat` 会显示结果。',
    reconnecting: '正在重新连接 hub……',
  },
} as const;

/** @returns 0 after a good final answer; 1 after a bad one, without one in time, and without a hub */
export async function runSay(options: SayOptions): Promise<number> {
  const text = TEXT[options.language];
  const done = Promise.withResolvers<number>();
  const plain = createPlainOutput(
    (line) => options.output.write(line),
    () => performance.now(),
  );
  const refuse = (reason: string) => {
    if (options.json)
      options.output.write(`${JSON.stringify({ type: 'error', text: reason, final: true, failed: true })}\n`);
    else plain.line(reason);
    done.resolve(1);
  };
  let attached = false;
  const client = connectTerminal({
    socket: options.socket,
    newId: randomUUID,
    mode: 'say',
    language: options.language,
    connectMs: Math.min(CONNECT_MS, options.timeoutMs),
    reconnectMs: Math.min(RECONNECT_MS, options.timeoutMs),
    onMessage(message) {
      if (options.json) options.output.write(`${JSON.stringify(jsonOf(message))}\n`);
      else plain.message(message);
      if (message.final && message.answers === eventId) done.resolve(message.failed ? 1 : 0);
    },
    onState(state) {
      if (state === 'connected') attached = true;
      if (state === 'reconnecting' && !options.json) plain.line(text.reconnecting);
      if (state === 'gone') refuse(attached ? text.gone : text.never);
    },
  });
  const eventId = client.request(options.text);
  const late = setTimeout(() => refuse(text.late), options.timeoutMs);
  const code = await done.promise;
  clearTimeout(late);
  client.close();
  return code;
}

function jsonOf({ type, key, reply, answers, final, failed }: Shown) {
  return { type, key, reply, answers, final, failed };
}
