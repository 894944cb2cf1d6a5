import { randomUUID } from 'node:crypto';
import { connectTerminal, type Shown } from '../adapters/terminal/index.ts';
import { until } from '../test/support/until.ts';
import type { Home } from './fettle.ts';
import type { Tools } from './figure.ts';

/** One person at a terminal. */
export interface Chat {
  /** Sends a command; resolves with its final answer. @throws {Error} where that is a failure */
  say(text: string): Promise<Said>;
}

export interface Said {
  readonly final: Shown;
  /** From sending the command to its first reply. Milliseconds. */
  readonly firstMs: number;
}

const LIMIT_MS = 120_000;

export async function openChat(tools: Tools, home: Home): Promise<Chat> {
  let open: { id: string; first?: number; done: (message: Shown, at: number) => void } | undefined;
  const client = connectTerminal({
    socket: home.layout.runtime.hubSocket,
    newId: randomUUID,
    mode: 'chat',
    language: 'en',
    connectMs: 10_000,
    reconnectMs: 10_000,
    onState: () => undefined,
    onMessage(message) {
      if (!open || message.answers !== open.id) return;
      open.first ??= performance.now();
      if (message.final) open.done(message, open.first);
    },
  });
  tools.cleanup(() => client.close());
  await until('the chat to connect', () => client.connected);
  return {
    say: (text) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`${text}: no answer in ${LIMIT_MS} ms`)), LIMIT_MS);
        const sent = performance.now();
        const done = (final: Shown, first: number) => {
          clearTimeout(late);
          open = undefined;
          if (final.failed) reject(new Error(`${text}: ${final.reply.title} ${(final.reply.text ?? []).join(' ')}`));
          else resolve({ final, firstMs: first - sent });
        };
        open = { id: client.request(text), done };
      }),
  };
}
