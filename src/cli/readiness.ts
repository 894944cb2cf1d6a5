import type { Kysely } from 'kysely';
import type { Adapter } from '../chat/contract.ts';
import type { Clock } from '../domain/id.ts';
import { readMeta, writeMeta } from '../store/meta.ts';
import type { Database } from '../store/schema.ts';

/** Is this hub as well as the one before it was? That is what its update is measured by. */
export interface Readiness {
  /** What it waits for: empty once it serves. */
  waitingFor(): readonly string[];
  /** Everything was started: from now on the chats' connections count. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const CONNECTED = 'connected-chats';
/** How often it is written down which chats are connected, where that has changed. */
const LOOK_MS = 5_000;
/** A chat that has been away for so long is broken for a reason of its own, which no other hub would mend. */
const GIVEN_UP_MS = 10 * 60_000;

/**
 * A hub serves when the chats that were connected when the last one was well are connected again. A chat that did not
 * work before is no reason to call a new hub ill; which ones did is in the store.
 */
export function createReadiness(deps: {
  readonly db: Kysely<Database>;
  readonly adapters: readonly Adapter[];
  readonly clock: Pick<Clock, 'monotonic'>;
}): Readiness {
  let before: ReadonlySet<string> | undefined;
  let known = '';
  let timer: NodeJS.Timeout | undefined;
  const awaySince = new Map<string, number>();
  let writing: Promise<void> = Promise.resolve();

  const connected = () =>
    deps.adapters.filter((a) => ['connected', 'unattended'].includes(a.connection().state)).map((a) => a.platform);

  function missing(): string[] {
    if (!before) return ['its start'];
    const now = connected();
    return deps.adapters.map((a) => a.platform).filter((platform) => before?.has(platform) && !now.includes(platform));
  }

  function look(): void {
    const now = deps.clock.monotonic();
    const away = missing();
    for (const platform of awaySince.keys()) if (!away.includes(platform)) awaySince.delete(platform);
    for (const platform of away) if (!awaySince.has(platform)) awaySince.set(platform, now);
    // What is missing now may come back; until then it stays in the list, for the next hub to be measured by.
    const missed = away.filter((platform) => now - (awaySince.get(platform) ?? now) < GIVEN_UP_MS);
    const all = [...new Set([...connected(), ...missed])].sort().join(' ');
    if (all === known) return;
    known = all;
    before = new Set(all.split(' '));
    writing = writeMeta(deps.db, CONNECTED, all).catch(() => undefined);
  }

  return {
    waitingFor: missing,
    async start() {
      known = (await readMeta(deps.db, CONNECTED)) ?? '';
      before = new Set(known.split(' '));
      look();
      timer = setInterval(look, LOOK_MS);
    },
    async stop() {
      clearInterval(timer);
      await writing;
    },
  };
}
