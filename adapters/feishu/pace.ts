/**
 * "5 messages a second to one user, and to one group" ("Send message", limits): sending is spread, so that a burst is
 * not refused. Another bot in the group may use the same five; then the platform's refusal is obeyed.
 */

const AT_ONCE = 5;
/** A second, and what the way to the platform may shorten it by. */
const WINDOW_MS = 1_200;
/** Chats that were quiet for the time of a window are forgotten beyond this many. */
const MAX_CHATS = 1_000;

export interface Pace {
  /** Milliseconds to wait before sending there; the place is taken by asking. */
  take(chat: string, now: number): number;
}

export function createPace(): Pace {
  /** When the last few were, or will be, sent, by chat. */
  const chats = new Map<string, number[]>();
  return {
    take(chat, now) {
      if (chats.size > MAX_CHATS) {
        for (const [name, times] of chats) if ((times.at(-1) ?? 0) < now - WINDOW_MS) chats.delete(name);
      }
      const times = chats.get(chat) ?? [];
      chats.set(chat, times);
      const at = Math.max(now, (times.at(-AT_ONCE) ?? Number.NEGATIVE_INFINITY) + WINDOW_MS);
      times.push(at);
      if (times.length > AT_ONCE) times.shift();
      return at - now;
    },
  };
}
