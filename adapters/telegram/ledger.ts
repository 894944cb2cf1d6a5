import { z } from 'zod';
import type { Sink } from '../../src/chat/contract.ts';

/**
 * What is known of message ids, on disk before and after each new message. Telegram has no key by which it would know a
 * message that is sent twice, and a bot can't read what is in a chat; but ids rise, so a message whose answer was lost
 * has one above all that were known before it. Invariant: in one chat one new message is under way at a time, and the
 * next is not sent before it is known what became of the last.
 */

/** A message that was handed to Telegram and not answered yet. */
const Pending = z.object({ key: z.string(), after: z.number(), at: z.number() });
export type Pending = z.output<typeof Pending>;

/** Of the chats that count together. */
const Page = z.object({
  /** The highest id that was seen. */
  last: z.number(),
  /** By chat. */
  pending: z.record(z.string(), Pending),
  /** What was sent last: key, chat, id; oldest first. */
  sent: z.array(z.tuple([z.string(), z.string(), z.number()])),
});
type Page = z.output<typeof Page>;

const KEEP = 64;

/**
 * Chats that count together: a supergroup (`-100…`) has ids of its own, all others share the bot's.
 * https://core.telegram.org/bots/api#message
 */
export function spaceOf(chat: string): string {
  return isSupergroup(chat) ? chat : 'box';
}

export function isSupergroup(chat: string): boolean {
  return chat.startsWith('-100') && chat.length > 10;
}

export interface Ledger {
  /** An id was seen; kept on disk with the next message. */
  saw(chat: string, id: number): void;
  /** The highest id that was seen among the chats that count together with this one. */
  lastOf(chat: string): number;
  /** One at a time in a chat. */
  exclusively<T>(chat: string, run: (page: OpenPage) => Promise<T>): Promise<T>;
}

export interface OpenPage {
  readonly pending: Pending | undefined;
  /** The id under which a key was sent. */
  sentAs(key: string): number | undefined;
  forget(key: string): void;
  /** On disk once it resolves. */
  begin(pending: Omit<Pending, 'after'>): Promise<void>;
  /** The message under way arrived. What can't be written is kept in memory and written with the next. */
  arrived(id: number): Promise<void>;
  /** The message under way did not arrive. */
  failed(): Promise<void>;
}

/** @param bot another bot has other ids */
export function createLedger(memory: Sink['memory'], bot: string, log: (error: unknown) => void): Ledger {
  const pages = new Map<string, Page>();
  const seen = new Map<string, number>();
  const queues = new Map<string, Promise<unknown>>();

  async function load(space: string): Promise<Page> {
    const known = pages.get(space);
    if (known) return known;
    const text = await memory.get(nameOf(space));
    const page = Page.safeParse(text === undefined ? undefined : parsed(text));
    // Another chat of the same page may have read it meanwhile: there is one.
    const made = pages.get(space) ?? (page.success ? page.data : { last: 0, pending: {}, sent: [] });
    pages.set(space, made);
    return made;
  }

  const nameOf = (space: string) => `ids:${bot}:${space}`;
  const save = (space: string, page: Page) => memory.set(nameOf(space), JSON.stringify(page));

  return {
    saw(chat, id) {
      const space = spaceOf(chat);
      seen.set(space, Math.max(id, seen.get(space) ?? 0));
    },
    lastOf: (chat) => Math.max(seen.get(spaceOf(chat)) ?? 0, pages.get(spaceOf(chat))?.last ?? 0),
    async exclusively(chat, run) {
      const space = spaceOf(chat);
      const before = queues.get(chat) ?? Promise.resolve();
      const work = before.then(async () => run(openPage(space, chat, await load(space))));
      const settled = work.catch(() => undefined);
      queues.set(chat, settled);
      void settled.then(() => {
        if (queues.get(chat) === settled) queues.delete(chat);
      });
      return work;
    },
  };

  function openPage(space: string, chat: string, page: Page): OpenPage {
    return {
      get pending() {
        return page.pending[chat];
      },
      sentAs: (key) => page.sent.findLast(([one, where]) => one === key && where === chat)?.[2],
      forget(key) {
        page.sent = page.sent.filter(([one]) => one !== key);
      },
      async begin(pending) {
        page.last = Math.max(page.last, seen.get(space) ?? 0);
        page.pending[chat] = { ...pending, after: page.last };
        await save(space, page);
      },
      async arrived(id) {
        const pending = page.pending[chat];
        if (!pending) return;
        page.last = Math.max(page.last, id);
        page.sent = [...page.sent, [pending.key, chat, id] as [string, string, number]].slice(-KEEP);
        delete page.pending[chat];
        await save(space, page).catch(log);
      },
      async failed() {
        delete page.pending[chat];
        await save(space, page).catch(log);
      },
    };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
