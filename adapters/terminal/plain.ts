import { type Cards, createCards } from './cards.ts';
import { type Look, layout, NO_PAINT, progressText } from './layout.ts';
import type { Shown } from './protocol.ts';
import { clean } from './width.ts';

/** Output that is no terminal: lines of text, in order, nothing redrawn. */

/** The same state's numbers are told again at most this often. */
const REPEAT_MS = 3_000;

const LOOK: Look = { paint: NO_PAINT, width: Number.POSITIVE_INFINITY, marks: undefined };

export interface PlainOutput {
  message(message: Shown): void;
  line(text: string): void;
}

/**
 * @param write writes whole lines, each with its end
 * @param now monotonic milliseconds
 */
export function createPlainOutput(write: (text: string) => void, now: () => number): PlainOutput {
  const cards: Cards = createCards();
  const told = new Map<string, { state: string; at: number }>();

  function progress(message: Shown): void {
    const { key, reply } = message;
    const state = `${reply.progress?.step}/${reply.progress?.steps} ${reply.progress?.label}`;
    const before = told.get(key);
    if (before?.state === state && now() - before.at < REPEAT_MS) return;
    told.set(key, { state, at: now() });
    // What it waits for, which a terminal shows below the bar.
    const why = reply.text === undefined ? '' : `. ${reply.text.join(' ')}`;
    write(`${clean(`${reply.title}: ${progressText(reply)}${why}`).replace(/\n/g, ' ')}\n`);
  }

  return {
    message(message) {
      const what = cards.take(message);
      if (what === 'live') progress(message);
      if (what === 'print') write(`${layout(message.reply, LOOK).join('\n')}\n`);
    },
    line: (text) => write(`${text}\n`),
  };
}
