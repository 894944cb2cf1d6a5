import { type Redact, redactDeep } from './redact.ts';

/** What a long-lived process says of itself. Everything is redacted here, and nowhere is there another way out. */
export interface LogLines {
  line(text: string): void;
  event(event: string, data: Readonly<Record<string, unknown>>): void;
}

/**
 * One line a call, with the time before it, as `2026-07-03T14:02:11.000Z text`. The lines of a text stay together: those
 * after the first are indented, so that no text passes for a line of the log.
 *
 * @param write is given whole lines; what it throws is lost: a log that can't be written is no reason to end
 */
export function createLogLines(deps: {
  readonly write: (line: string) => void;
  readonly now: () => number;
  readonly redact: Redact;
}): LogLines {
  const line = (text: string) => {
    try {
      const told = deps.redact(text).replace(/\r?\n/g, '\n  ');
      deps.write(`${new Date(deps.now()).toISOString()} ${told}\n`);
    } catch {
      // Nowhere left to say it.
    }
  };
  return {
    line,
    // First by itself: in JSON a name and its value are apart.
    event: (event, data) => line(`${event} ${JSON.stringify(redactDeep(data, deps.redact))}`),
  };
}
