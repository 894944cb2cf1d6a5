import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { RETENTION_DAYS } from '../src/domain/settings.ts';
import { writeDurably } from '../src/files/durable.ts';

/** What the hub's settings say about this device. Kept, so that it counts while the hub is away. */
export interface AgentSettings {
  /** Days that backups are kept; {@link RETENTION_DAYS} until a hub has said otherwise. */
  readonly retentionDays: number;
  /** Durable when it returns. False where it was so already. @throws the system's error; the old value then counts */
  setRetention(days: number): boolean;
}

/** Additive only: an older agent that is rolled back to reads it as well. */
const Kept = z.object({ retentionDays: z.number().int().nonnegative() });

/** Opens the settings in `path`. A file that can't be read counts as none. */
export function openSettings(path: string): AgentSettings {
  let retentionDays = read(path);
  return {
    get retentionDays() {
      return retentionDays;
    },
    setRetention(days) {
      if (days === retentionDays) return false;
      writeDurably(path, `${JSON.stringify({ retentionDays: days } satisfies z.infer<typeof Kept>)}\n`);
      retentionDays = days;
      return true;
    },
  };
}

function read(path: string): number {
  try {
    return Kept.parse(JSON.parse(readFileSync(path, 'utf8'))).retentionDays;
  } catch {
    return RETENTION_DAYS;
  }
}
