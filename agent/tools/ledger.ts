import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, writeDurably } from '../../src/files/durable.ts';
import { ToolResult } from '../../src/protocol/messages.ts';

/**
 * What was asked of this device's tools: one file a request, `agent/tools/ID.json`. It is on disk before anything runs, so
 * that a request is carried out once at the most, whatever is killed when and however often it is asked.
 */
const Entry = z.object({
  v: z.literal(1),
  request: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/),
  tool: z.string(),
  startedAt: z.number(),
  /** Absent while it runs. */
  result: ToolResult.optional(),
  acknowledgedAt: z.number().optional(),
});
export type Entry = z.infer<typeof Entry>;

export interface Ledger {
  get(request: string): Entry | undefined;
  /** Durable when it returns. @throws the system's error */
  write(entry: Entry): void;
  list(): readonly Entry[];
  /** Forgets what nobody can ask for again. */
  prune(now: number): void;
}

const DAY_MS = 86_400_000;
/** A hub that was down carries on where it stopped, and may ask again by then: nothing is run twice for it. */
const KEEP_MS = 30 * DAY_MS;
/** The output of what nobody has heard of for so long is given up. */
const OUTPUT_MS = 7 * DAY_MS;

export function openLedger(folder: string): Ledger {
  const entries = new Map<string, Entry>();
  for (const name of namesIn(folder)) {
    const request = name.slice(0, -'.json'.length);
    const entry = read(join(folder, name));
    // One that can't be read was begun all the same: it is not begun again.
    entries.set(request, entry ?? { v: 1, request, tool: '', startedAt: Date.now() });
  }
  const ledger: Ledger = {
    get: (request) => entries.get(request),
    write(entry) {
      makeFolder(folder);
      writeDurably(join(folder, `${entry.request}.json`), `${JSON.stringify(entry)}\n`);
      entries.set(entry.request, entry);
    },
    list: () => [...entries.values()],
    prune(now) {
      for (const entry of entries.values()) {
        if (now - entry.startedAt > KEEP_MS && entry.result) {
          rmSync(join(folder, `${entry.request}.json`), { force: true });
          entries.delete(entry.request);
        } else if (now - entry.startedAt > OUTPUT_MS && entry.result && entry.acknowledgedAt === undefined) {
          ledger.write({ ...entry, result: { ...entry.result, output: '' }, acknowledgedAt: now });
        }
      }
    },
  };
  return ledger;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^[A-Za-z0-9][A-Za-z0-9_-]*\.json$/.test(name));
  } catch {
    return [];
  }
}

function read(path: string): Entry | undefined {
  try {
    return Entry.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}
