import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { askStatus, connectTerminal, type HubStatus } from '../../../adapters/terminal/index.ts';
import type { HomeLayout } from '../../../config/home.ts';

/** The hub of this home, where one runs: whoever may open its socket is its admin. */

const ASK_MS = 2_000;
const CONNECT_MS = 5_000;
const AWAY_MS = 120_000;
const ANSWER_MS = 180_000;

export async function runningHub({ runtime }: HomeLayout): Promise<HubStatus | undefined> {
  if (!existsSync(runtime.hubSocket)) return undefined;
  return askStatus(runtime.hubSocket, ASK_MS).catch(() => undefined);
}

/** The final answer to a command, as plain lines. `undefined`: the hub is gone, or did not answer in time. */
export async function command(
  { runtime }: HomeLayout,
  text: string,
  signal: AbortSignal,
): Promise<{ readonly failed: boolean; readonly lines: readonly string[] } | undefined> {
  const answered = Promise.withResolvers<{ failed: boolean; lines: string[] } | undefined>();
  const client = connectTerminal({
    socket: runtime.hubSocket,
    newId: randomUUID,
    mode: 'say',
    language: undefined,
    connectMs: CONNECT_MS,
    reconnectMs: AWAY_MS,
    onMessage(message) {
      if (!message.final || message.answers !== id) return;
      const { title, text: more = [], hints = [] } = message.reply;
      answered.resolve({ failed: message.failed, lines: [title, ...more, ...hints] });
    },
    onState(state) {
      if (state === 'gone') answered.resolve(undefined);
    },
  });
  const end = () => answered.resolve(undefined);
  const late = setTimeout(end, ANSWER_MS);
  signal.addEventListener('abort', end, { once: true });
  const id = client.request(text);
  try {
    return signal.aborted ? undefined : await answered.promise;
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', end);
    client.close();
  }
}
