import type { SessionInfo } from '@discordjs/ws';
import { z } from 'zod';
import type { Sink } from '../../src/chat/contract.ts';
import { jsonOf } from './payloads.ts';

/**
 * The gateway's session, kept over a restart: who resumes is told what was missed meanwhile. The sequence that is kept
 * is that of the last event before the first one that is not stored yet, so that a hub that is killed between an event
 * and the store is told it again.
 */

const KEY = 'session';

const KeptSchema = z.object({
  token: z.string(),
  sessionId: z.string(),
  resumeURL: z.string(),
  sequence: z.number(),
  bot: z.object({ id: z.string(), username: z.string() }),
  application: z.string(),
});

export interface Identity {
  readonly bot: { readonly id: string; readonly username: string };
  readonly application: string;
}

export interface Session {
  readonly identity: Identity | undefined;
  info(): SessionInfo | null;
  /** Reads what was kept; nothing where the token is another one. */
  load(): Promise<void>;
  update(info: SessionInfo | null): void;
  identify(identity: Identity): void;
  /** An event has come and is not stored yet. What it returns is called when it is (or needs no store). */
  begin(sequence: number): () => void;
  /** Writes what is to be kept; resolves when it is on disk. */
  save(): Promise<void>;
}

export function createSession(options: {
  readonly mark: string;
  readonly memory: Sink['memory'];
  readonly onError: (error: unknown) => void;
}): Session {
  /** Each of its own session: numbers begin anew with the next one. */
  const open = new Map<symbol, number>();
  let info: SessionInfo | null = null;
  let identity: Identity | undefined;
  let writing: Promise<void> = Promise.resolve();
  let written = '';

  function kept(): string {
    if (!info || !identity) return '';
    const sequence = open.size > 0 ? Math.min(info.sequence, Math.min(...open.values()) - 1) : info.sequence;
    const { sessionId, resumeURL } = info;
    return JSON.stringify({ token: options.mark, sessionId, resumeURL, sequence, ...identity });
  }

  function save(): Promise<void> {
    writing = writing.then(async () => {
      const text = kept();
      if (text === written) return;
      try {
        await options.memory.set(KEY, text);
        written = text;
      } catch (error) {
        options.onError(error);
      }
    });
    return writing;
  }

  return {
    get identity() {
      return identity;
    },
    info: () => info,
    async load() {
      const text = await options.memory.get(KEY).catch(() => undefined);
      if (!text) return;
      const parsed = KeptSchema.safeParse(jsonOf(text));
      if (!parsed.success || parsed.data.token !== options.mark) return;
      const { sessionId, resumeURL, sequence, bot, application } = parsed.data;
      info = { sessionId, resumeURL, sequence, shardId: 0, shardCount: 1 };
      identity = { bot, application };
      written = text;
    },
    update(next) {
      // What is open of a session that is over can't be told again; it would hold the next one's place for ever.
      if (next?.sessionId !== info?.sessionId) open.clear();
      info = next;
    },
    identify(given) {
      identity = given;
    },
    begin(sequence) {
      const event = Symbol('event');
      open.set(event, sequence);
      return () => void open.delete(event);
    },
    save,
  };
}
