import { writeSync } from 'node:fs';

/** One line of the keeper's own log. */
export type Log = (text: string) => void;

/** Lines with the time on stderr. A log that can't be written (full disk, closed pipe) is no reason to end. */
export const logToStderr: Log = (text) => {
  try {
    writeSync(2, `${new Date().toISOString()} keeper: ${text.replaceAll('\n', ' ')}\n`);
  } catch {
    // Nowhere left to say it.
  }
};

/** A short text for whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
