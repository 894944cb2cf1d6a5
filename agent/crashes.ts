import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { AppConfig } from '../config/agent-schema.ts';
import { writeDurably } from '../src/files/durable.ts';
import type { RestartDrivers } from './restart/index.ts';

/** An app that ends unasked so often within {@link WINDOW_MS} keeps crashing. */
export const MANY = 3;
/** Without a further end for so long it has recovered, and the next time is another one. Milliseconds. */
export const WINDOW_MS = 10 * 60_000;

/** What is known of one app's unasked-for ends. */
const Crashes = z.object({
  /** The driver's count at the last look; it starts anew with an update, a restart, a release of a hold. */
  count: z.number(),
  lookedAt: z.number(),
  /** Ends within the last {@link WINDOW_MS}, wall clock, oldest first. */
  ends: z.array(z.number()),
  /** It keeps crashing: since when, and how often since. */
  loop: z.object({ since: z.number(), times: z.number().int() }).optional(),
});
export type Crashes = z.infer<typeof Crashes>;
const File = z.record(z.string(), Crashes);

/** What a driver says of an app at one look. */
export interface CrashLook {
  readonly crashes: number;
  readonly lastExit: { readonly at: number } | null;
}

/**
 * One look more. Pure. What happened while nobody looked for longer than {@link WINDOW_MS} counts once: nobody knows when it was.
 * A clock that went back makes what was seen before count as now.
 */
export function afterLook(before: Crashes | undefined, seen: CrashLook, now: number): Crashes {
  const { crashes: count } = seen;
  // Begun anew: somebody updated or restarted it, and it was well then.
  if (!before || count < before.count) return { count, lookedAt: now, ends: count > 0 && !before ? [now] : [] };
  const fresh = count - before.count;
  const away = Math.abs(now - before.lookedAt) > WINDOW_MS;
  const last = Math.min(now, Math.max(seen.lastExit?.at ?? now, Math.min(before.lookedAt, now)));
  const added = Array.from({ length: away ? Math.min(1, fresh) : fresh }, () => last);
  const ends = [...before.ends.map((at) => Math.min(at, now)), ...added].filter((at) => now - at < WINDOW_MS);
  const times = added.length;
  const loop =
    before.loop && ends.length > 0
      ? { since: before.loop.since, times: before.loop.times + times }
      : ends.length >= MANY
        ? { since: ends[0] ?? now, times: ends.length }
        : undefined;
  return { count, lookedAt: now, ends, ...(loop ? { loop } : {}) };
}

/** Watches apps for crash loops, across restarts of the agent. */
export interface CrashWatch {
  /** True where an app has begun, or ceased, to keep crashing, or crashed once more. Never throws. */
  look(app: string, seen: CrashLook, now: number): boolean;
  /** Since when and how often an app that keeps crashing has ended; `undefined` where it does not. */
  looping(app: string): { readonly since: number; readonly times: number } | undefined;
  /** It is gone, or being updated: what it did before says nothing any more. */
  forget(app: string): void;
}

export function openCrashes(file: string, log: (line: string) => void): CrashWatch {
  const { known, looping } = readCrashes(file);
  function write(): void {
    try {
      writeDurably(file, `${JSON.stringify(Object.fromEntries(known))}\n`);
    } catch (error) {
      // It is in memory; a new agent may tell of the same crashes once more.
      log(`crashes could not be written down: ${String(error)}`);
    }
  }
  return {
    looping,
    look(app, seen, now) {
      const before = known.get(app);
      const after = afterLook(before, seen, now);
      known.set(app, after);
      const changed =
        (before?.count ?? 0) !== after.count || JSON.stringify(before?.loop) !== JSON.stringify(after.loop);
      if (changed) write();
      return JSON.stringify(before?.loop) !== JSON.stringify(after.loop);
    },
    forget(app) {
      if (known.delete(app)) write();
    },
  };
}

/** As the agent wrote it down last. */
export function readCrashes(file: string): Pick<CrashWatch, 'looping'> & { readonly known: Map<string, Crashes> } {
  const known = new Map<string, Crashes>();
  try {
    for (const [app, crashes] of Object.entries(File.parse(JSON.parse(readFileSync(file, 'utf8')))))
      known.set(app, crashes);
  } catch {
    // None yet; or damaged, and then it is counted from now on.
  }
  return { known, looping: (app) => known.get(app)?.loop };
}

/** Looks at every app that is not being updated: then its ends are asked for. Never throws. */
export async function lookForCrashes(deps: {
  readonly apps: Readonly<Record<string, AppConfig>>;
  readonly drivers: Pick<RestartDrivers, 'of'>;
  readonly isBusy: (app: string) => boolean;
  readonly watch: CrashWatch;
  readonly now: () => number;
  readonly log: (line: string) => void;
}): Promise<boolean> {
  let changed = false;
  for (const [app, config] of Object.entries(deps.apps)) {
    try {
      const kept = await deps.drivers.of(app, config).status(app);
      if (!kept || kept.hold || deps.isBusy(app)) continue;
      const before = deps.watch.looping(app);
      if (!deps.watch.look(app, kept, deps.now())) continue;
      changed = true;
      const now = deps.watch.looping(app);
      if (!before && now) deps.log(`ALARM ${app} keeps crashing: ${now.times} times within minutes`);
      if (before && !now) deps.log(`${app} does not crash any more`);
    } catch {
      // Nobody to ask right now: the next look counts what came meanwhile.
    }
  }
  return changed;
}
