import type { Shown } from './protocol.ts';

/**
 * Which messages are shown for good and which only while they last. A message with progress that is busy is live: it
 * is redrawn in place, and gone when the answer that it led to has come. Edits may come late, after that answer.
 */
export interface Cards {
  /** What a message (or the newer state of one) means for the screen. */
  take(message: Shown): 'live' | 'print' | 'nothing';
  /** Live messages, oldest first. */
  live(): readonly Shown[];
}

export function createCards(): Cards {
  const live = new Map<string, Shown>();
  /** Events that have had their final answer. */
  const answered = new Set<string>();
  return {
    take(message) {
      const { key, reply, final, answers } = message;
      if (final) {
        live.delete(key);
        if (answers !== undefined) {
          answered.add(answers);
          for (const [other, { answers: theirs }] of live) if (theirs === answers) live.delete(other);
        }
        return 'print';
      }
      if (!reply.progress) return live.delete(key) ? 'nothing' : 'print';
      const over = reply.tone !== 'busy' && reply.tone !== 'warn';
      if (over || (answers !== undefined && answered.has(answers))) {
        live.delete(key);
        return 'nothing';
      }
      live.set(key, message);
      return 'live';
    },
    live: () => [...live.values()],
  };
}
