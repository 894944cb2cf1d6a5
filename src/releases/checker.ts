import type { Kysely } from 'kysely';
import { describeSource, releasedAs, type Source } from '../domain/app.ts';
import { namesCommit } from '../domain/commit-version.ts';
import { FettleError, toFettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import { newestEligible, type Offer, type Release } from '../domain/release.ts';
import { newestFirst, readVersion } from '../domain/version.ts';
import { sourceKey } from '../origin/source-key.ts';
import {
  readSource,
  type StoredProblem,
  type StoredSource,
  saveAnswer,
  saveProblem,
  saveResolved,
  saveUnchanged,
} from '../store/releases.ts';
import type { Database } from '../store/schema.ts';
import { type ReleaseSources, sourceOfKind } from './release-source.ts';

/** Asks sources what is new: once for all who ask at the same time, and remembers the answer. */

/** What the checker has to know of an app. */
export interface CheckedApp {
  readonly name: string;
  readonly source?: Source | undefined;
  /** Of this machine's file. */
  readonly keys?: readonly string[] | undefined;
  readonly channel: string;
}

/** An offer with what a person should know about it. */
export interface CheckedOffer extends Offer {
  readonly expiresAt?: number | undefined;
  /** Set once the offer has expired: fine for a person's update, none for an automatic one. */
  readonly warning?:
    | { readonly code: 'source_expired'; readonly data: { source: string; expiredAt: string } }
    | undefined;
}

export interface Checked {
  readonly offer: CheckedOffer;
  /** The newest that an app on this channel may have. */
  readonly newest?: Release | undefined;
  /** Milliseconds since 1970. */
  readonly checkedAt: number;
}

/** What the store says, without asking. */
export interface Known extends Omit<Checked, 'checkedAt'> {
  /** Of the last answer; `undefined` where there was none yet. */
  readonly checkedAt?: number | undefined;
  /** Why the source could not be read the last time. */
  readonly problem?: StoredProblem | undefined;
  readonly nextAt?: number | undefined;
}

export interface ReleaseChecker {
  /**
   * Asks the app's source: one upstream request, shared with everybody who asks the same source meanwhile.
   *
   * @param options.automatic nobody waits: while a failed source is given time, its problem is thrown without asking
   * @throws {FettleError} `no_source`; `source_unreachable`, `source_invalid`, `source_rolled_back` with {source,
   *   reason, nextAt}. What was offered before stays in the store.
   */
  check(
    app: CheckedApp,
    options: { readonly signal: AbortSignal; readonly automatic?: boolean | undefined },
  ): Promise<Checked>;
  /** The stored offer; `undefined` where the source was never asked (or there is none). */
  known(app: CheckedApp): Promise<Known | undefined>;
  /**
   * The release that an order can name: with its digest. Answers from the store; asks the source where it has no
   * offer, or a version is wanted that the offer does not have and the offer is older than a minute.
   *
   * @param version as a person wrote it (`v1.2.3`, of a branch also `abc1234`); the newest of the app's channel unless given
   * @throws {FettleError} `unknown_version` {version, newest: the newest five}, and those of {@link check}
   */
  resolve(app: CheckedApp, version: string | undefined, options: { readonly signal: AbortSignal }): Promise<Release>;
  /** Called when a source has been asked, by whom ever, and its answer or problem is stored. Answers how to end it. */
  onAsked(listener: (asked: { readonly answered: boolean }) => void): () => void;
}

export interface CheckerDeps {
  readonly db: Kysely<Database>;
  readonly sources: ReleaseSources;
  readonly clock: Clock;
  /** For one question to a source, milliseconds. */
  readonly timeoutMs?: number | undefined;
}

const MINUTE = 60_000;
/** 1, 2, 4 … 60 minutes between questions to a source that fails. */
const backoff = (failures: number) => Math.min(MINUTE * 2 ** (failures - 1), 60 * MINUTE);

interface Flight {
  readonly result: Promise<StoredSource>;
  readonly controller: AbortController;
  askers: number;
}

export function createReleaseChecker(deps: CheckerDeps): ReleaseChecker {
  const { db, clock, sources } = deps;
  const flights = new Map<string, Flight>();
  const listeners = new Set<(asked: { readonly answered: boolean }) => void>();
  const tell = (answered: boolean) => {
    for (const listener of listeners) listener({ answered });
  };

  const check: ReleaseChecker['check'] = async (app, { signal, automatic }) => {
    const source = need(app);
    const key = sourceKey(source, releasedAs(app.name));
    if (automatic) {
      const stored = await readSource(db, key);
      if (stored?.problem && stored.nextAt !== undefined && clock.now() < stored.nextAt)
        throw problemError(stored.problem);
    }
    const stored = await join(key, source, app, signal);
    return { ...view(app, source, stored), checkedAt: stored.checkedAt ?? clock.now() };
  };

  /** Waits for the question that is under way, or asks. The last asker that goes away calls it off. */
  const join = async (key: string, source: Source, app: CheckedApp, signal: AbortSignal): Promise<StoredSource> => {
    signal.throwIfAborted();
    let flight = flights.get(key);
    if (!flight || flight.controller.signal.aborted) {
      const controller = new AbortController();
      const started: Flight = { controller, askers: 0, result: ask(key, source, app, controller.signal) };
      const land = () => {
        if (flights.get(key) === started) flights.delete(key);
      };
      started.result.then(land, land);
      flights.set(key, started);
      flight = started;
    }
    flight.askers += 1;
    const shared = flight;
    const left = Promise.withResolvers<never>();
    const onAbort = () => left.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([shared.result, left.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      shared.askers -= 1;
      if (shared.askers === 0) shared.controller.abort();
    }
  };

  const ask = async (
    key: string,
    source: Source,
    { name, keys }: CheckedApp,
    calledOff: AbortSignal,
  ): Promise<StoredSource> => {
    const app = releasedAs(name);
    const before = await readSource(db, key);
    const signal = AbortSignal.any([calledOff, AbortSignal.timeout(deps.timeoutMs ?? 90_000)]);
    let answer: Awaited<ReturnType<typeof read>>;
    const read = () => sourceOfKind(sources, source.kind).read(source, { app, keys, etag: before?.etag, signal });
    try {
      answer = await read();
    } catch (error) {
      const text = describeSource(source);
      const known = toFettleError(error, 'source_unreachable', { source: text });
      if (calledOff.aborted) throw known;
      const failures = (before?.problem?.failures ?? 0) + 1;
      const nextAt = clock.now() + backoff(failures);
      const data = { ...known.data, nextAt: new Date(nextAt).toISOString() };
      await saveProblem(db, key, { code: known.code, data, retryable: known.retryable, failures }, nextAt);
      tell(false);
      throw new FettleError(known.code, { data, retryable: known.retryable, cause: error });
    }
    const at = clock.now();
    if (answer === 'unchanged') await saveUnchanged(db, key, at);
    else await saveAnswer(db, key, { ...answer, at });
    tell(true);
    const stored = await readSource(db, key);
    if (!stored) throw new FettleError('internal', { data: { reason: 'a source that was saved is not there' } });
    return stored;
  };

  const view = (app: CheckedApp, source: Source, stored: StoredSource): Omit<Checked, 'checkedAt'> => {
    const { expiresAt } = stored;
    const expired = expiresAt !== undefined && clock.now() > expiresAt;
    return {
      offer: {
        ...stored.offer,
        expiresAt,
        warning: expired
          ? {
              code: 'source_expired',
              data: { source: describeSource(source), expiredAt: new Date(expiresAt).toISOString() },
            }
          : undefined,
      },
      newest: newestEligible(stored.offer, app.channel),
    };
  };

  const known: ReleaseChecker['known'] = async (app) => {
    if (!app.source) return undefined;
    const stored = await readSource(db, sourceKey(app.source, releasedAs(app.name)));
    if (!stored) return undefined;
    const { checkedAt, problem, nextAt } = stored;
    return { ...view(app, app.source, stored), checkedAt, problem, nextAt };
  };

  const resolve: ReleaseChecker['resolve'] = async (app, version, { signal }) => {
    const source = need(app);
    const wanted = version === undefined ? undefined : (readVersion(version) ?? version);
    const pick = (found: Pick<Known, 'offer' | 'newest'>) =>
      wanted === undefined ? found.newest : find(found.offer.releases, wanted);
    let found: Pick<Known, 'offer' | 'newest' | 'checkedAt'> | undefined = await known(app);
    // A folder is read, nobody is asked: what was published just now is there.
    const recent = source.kind !== 'folder' && found?.checkedAt !== undefined && clock.now() - found.checkedAt < MINUTE;
    if (found?.checkedAt === undefined || (!pick(found) && !recent)) found = await check(app, { signal });
    const release = pick(found);
    if (!release) {
      const { releases } = found.offer;
      const here = releases.filter((r) => r.channel === app.channel).map((r) => r.version);
      const newest = newestFirst(here.length > 0 ? here : releases.map((r) => r.version)).slice(0, 5);
      throw new FettleError('unknown_version', { data: { app: app.name, version: version ?? app.channel, newest } });
    }
    if (release.digest !== '') return release;
    const resolved = await sourceOfKind(sources, source.kind).resolve(source, release, { signal });
    await saveResolved(db, sourceKey(source, releasedAs(app.name)), resolved);
    return resolved;
  };

  const onAsked: ReleaseChecker['onAsked'] = (listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };

  return { check, known, resolve, onAsked };
}

/** By its version; of a branch also by the commit's id. */
function find(releases: readonly Release[], wanted: string): Release | undefined {
  return (
    releases.find(({ version }) => version === wanted) ?? releases.find(({ version }) => namesCommit(wanted, version))
  );
}

function need(app: CheckedApp): Source {
  if (!app.source) throw new FettleError('no_source', { data: { app: app.name } });
  return app.source;
}

function problemError(problem: StoredProblem): FettleError {
  return new FettleError(problem.code, { data: problem.data, retryable: problem.retryable });
}
