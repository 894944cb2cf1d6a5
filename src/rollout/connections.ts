import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Adapter, Connection } from '../chat/contract.ts';
import type { Outbox } from '../chat/outbox.ts';
import { awayCard, backCard } from '../chat/render-notice.ts';
import type { Clock } from '../domain/id.ts';
import { readMeta, writeMeta } from '../store/meta.ts';
import type { Database } from '../store/schema.ts';
import type { Announcer } from './announce.ts';

/**
 * Tells the admins, where they can still be told, of a chat that has failed or is away for long, and that it is back.
 * Invariants: each occurrence is told once, whatever restarts, because what was told is written in the transaction of its
 * messages; a connection that comes and goes is told of at most once an hour (what was told is edited meanwhile), because
 * it counts as back only once it has held.
 */
export interface Connections {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Something has changed: it is looked at now. */
  changed(platform: string): void;
}

export interface ConnectionsDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly adapters: readonly Pick<Adapter, 'platform' | 'connection'>[];
  readonly announcer: Pick<Announcer, 'announce'>;
  readonly outbox: Pick<Outbox, 'wake'>;
  readonly log: (event: string, data: Readonly<Record<string, unknown>>) => void;
}

const LOOK_MS = 10_000;
/** Networks and platforms have short gaps; the hub may have been started before the network. */
const AWAY_MS = 60_000;
/** It is back when it has held for so long. */
const HELD_MS = 30_000;
/** A further occurrence is news of its own only after this. */
const QUIET_MS = 60 * 60_000;

/** What was told of a platform. In the store, so it may come from another version. */
const Told = z.object({
  /** Names the messages: the time of the first occurrence that they tell of. */
  id: z.number(),
  /** Why, as it was told last. */
  code: z.string(),
  /** Wall clock. */
  since: z.number(),
  times: z.number(),
  /** It was told that it is back. */
  back: z.boolean(),
});
type Told = z.infer<typeof Told>;

interface Watched {
  state: Connection['state'] | undefined;
  code: string | undefined;
  /** Monotonic; since when it has not held. */
  awaySince: number | undefined;
  /** Monotonic; since when it is connected. */
  upSince: number | undefined;
}

export function createConnections(deps: ConnectionsDeps): Connections {
  const { db, clock, log } = deps;
  const watched = new Map<string, Watched>();
  let timer: NodeJS.Timeout | undefined;
  let working: Promise<void> = Promise.resolve();
  let stopped = false;

  /** What is known of a platform, brought up to date, and said in the log where it has changed. */
  function watch(platform: string, { state, lastError, problem }: Connection): Watched {
    const now = clock.monotonic();
    const fresh: Watched = { state: undefined, code: undefined, awaySince: undefined, upSince: undefined };
    const known = watched.get(platform) ?? fresh;
    watched.set(platform, known);
    if (known.state !== state || known.code !== problem?.code) {
      log('connection', {
        platform,
        state,
        ...(problem ? { code: problem.code } : {}),
        ...(lastError ? { lastError } : {}),
      });
    }
    known.state = state;
    known.code = problem?.code;
    if (isUp({ state, problem })) {
      known.upSince ??= now;
      if (now - known.upSince >= HELD_MS) known.awaySince = undefined;
    } else {
      known.upSince = undefined;
      known.awaySince ??= now;
    }
    return known;
  }

  async function look({ platform, connection }: Pick<Adapter, 'platform' | 'connection'>): Promise<void> {
    const at = connection();
    const { awaySince, upSince } = watch(platform, at);
    // It was told to stop: nothing is wrong with it.
    if (at.state === 'stopped') return;
    const before = await read(platform);
    const now = clock.monotonic();
    if (upSince !== undefined) {
      if (before && !before.back && now - upSince >= HELD_MS) await tellBack(platform, before);
      return;
    }
    const lasts = now - (awaySince ?? now);
    if (at.state !== 'failed' && lasts < AWAY_MS) return;
    const problem = at.problem ?? { code: 'chat_unreachable', data: { platform, reason: at.lastError } };
    if (before && !before.back && before.code === problem.code) return;
    const wall = clock.now();
    const since = before && !before.back ? before.since : wall - lasts;
    const same = before !== undefined && wall - before.id < QUIET_MS && wall >= before.id;
    const told: Told = {
      id: same ? before.id : wall,
      code: problem.code,
      since,
      times: same ? before.times + (before.back ? 1 : 0) : 1,
      back: false,
    };
    await tell(platform, told, `notice/connection/${platform}/${told.id}`, (language, timezone) =>
      awayCard(
        { platform, problem, hears: at.state === 'connected', since, times: told.times },
        { language, timezone, now: wall },
      ),
    );
  }

  function tellBack(platform: string, before: Told): Promise<void> {
    const key = `notice/connection/${platform}/${before.id}/back`;
    const awayMs = clock.now() - before.since - HELD_MS;
    return tell(platform, { ...before, back: true }, key, (language) => backCard(platform, awayMs, language));
  }

  /** Messages and what was told are one transaction. Where nobody can be told now, it is tried at the next look. */
  async function tell(
    platform: string,
    told: Told,
    key: string,
    reply: Parameters<Announcer['announce']>[1]['reply'],
  ): Promise<void> {
    const now = clock.now();
    const done = await db.transaction().execute(async (trx) => {
      const said = await deps.announcer.announce(trx, { key, about: 'failure', except: { platform }, reply, now });
      if (said || told.back) await writeMeta(trx, keyOf(platform), JSON.stringify(told));
      return said;
    });
    if (done) deps.outbox.wake();
  }

  async function read(platform: string): Promise<Told | undefined> {
    const text = await readMeta(db, keyOf(platform));
    if (text === undefined) return undefined;
    const told = Told.safeParse(JSON.parse(text));
    return told.success ? told.data : undefined;
  }

  /** One look after the other: two at once would tell twice. */
  function soon(platform?: string): void {
    if (stopped) return;
    const meant = deps.adapters.filter((adapter) => platform === undefined || adapter.platform === platform);
    working = working.then(async () => {
      for (const adapter of meant) {
        await look(adapter).catch((error: unknown) =>
          log('connection_look_failed', { platform: adapter.platform, error: String(error) }),
        );
      }
    });
  }

  return {
    async start() {
      soon();
      timer = setInterval(soon, LOOK_MS);
      await working;
    },
    async stop() {
      stopped = true;
      clearInterval(timer);
      await working;
    },
    changed: soon,
  };
}

/** `unattended`: the terminal, which nobody has open. One that hears and may not answer is as good as away. */
function isUp({ state, problem }: Pick<Connection, 'state' | 'problem'>): boolean {
  if (problem !== undefined) return false;
  return state === 'connected' || state === 'unattended';
}

const keyOf = (platform: string) => `chat:${platform}:told`;
