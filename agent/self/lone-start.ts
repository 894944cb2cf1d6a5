import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { AppFolder } from '../../config/home.ts';
import { switchLink, writeDurably } from '../../src/files/durable.ts';

/** What an agent without a keeper leaves for its next starts, until it is known to be well: what a keeper would keep. */

const Armed = z.object({
  /** The slot to go back to. */
  fallback: z.string(),
  /** Starts from outside since then: each is a crash of the one before. */
  starts: z.number().int(),
  fellBack: z.boolean(),
});
export type Armed = z.infer<typeof Armed>;

/** As the keeper has it. */
const MOST_STARTS = 3;

export function writeArmed(file: string, armed: Armed): void {
  writeDurably(file, `${JSON.stringify(armed)}\n`);
}

/** `undefined` where no agent is being proven, or the file makes no sense. */
export function readArmed(file: string): Armed | undefined {
  try {
    return Armed.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/**
 * Counts a start from outside while a new agent is being proven; the third one goes back: `current` then names the
 * slot before.
 */
export function countStart(file: string, folder: AppFolder): void {
  const armed = readArmed(file);
  if (!armed || armed.fellBack) return;
  const starts = armed.starts + 1;
  const back = starts >= MOST_STARTS && existsSync(join(folder.releases, armed.fallback));
  if (back) switchLink(folder.current, join('releases', armed.fallback));
  writeArmed(file, { ...armed, starts, fellBack: back });
}
