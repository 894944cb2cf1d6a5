import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { RETENTION_DAYS } from '../src/domain/settings.ts';
import { writeDurably } from '../src/files/durable.ts';

/** What the hub's settings say about this device. Kept, so that it counts while the hub is away. */
export interface AgentSettings {
  /** Days that backups are kept; {@link RETENTION_DAYS} until a hub has said otherwise. */
  readonly retentionDays: number;
  /** Durable when it returns. False where the hub had said so already. @throws the system's error; the old value then counts */
  setRetention(days: number): boolean;
}

/** Additive only: an older agent that is rolled back to reads it as well. */
const Kept = z.object({ retentionDays: z.number().int().nonnegative() });

/** Opens the settings in `path`. A file that can't be read counts as none. */
export function openSettings(path: string): AgentSettings {
  let kept = read(path);
  return {
    get retentionDays() {
      return kept ?? RETENTION_DAYS;
    },
    setRetention(days) {
      if (days === kept) return false;
      writeDurably(path, `${JSON.stringify({ retentionDays: days } satisfies z.infer<typeof Kept>)}\n`);
      kept = days;
      return true;
    },
  };
}

function read(path: string): number | undefined {
  try {
    return Kept.parse(JSON.parse(readFileSync(path, 'utf8'))).retentionDays;
  } catch {
    return undefined;
  }
}
