import type { Kysely } from 'kysely';
import type { Asker, Choices } from '../commands/index.ts';
import { FettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import { newestEligible } from '../domain/release.ts';
import { AUTO } from '../domain/settings.ts';
import { compareVersions, newestFirst, sameVersion } from '../domain/version.ts';
import type { CheckedApp, ReleaseChecker } from '../releases/index.ts';
import {
  type Change,
  readAppChoice,
  saveAppChoice,
  skippedVersions,
  skipRelease,
  unskipRelease,
} from '../store/app-settings.ts';
import { type AuditEntry, addAudit, auditOfEvent, listAudit } from '../store/audit.ts';
import { listDevices } from '../store/devices.ts';
import type { Database } from '../store/schema.ts';

/**
 * What somebody said about one app: automatic updates, the version that is held, releases to skip. A change and its
 * audit entry are one transaction; what is so already is not written again.
 */
export interface AppChoices extends Choices {
  /** A skipped release was asked for by its version: it counts again. */
  unskip(app: string, version: string, asker: Asker): Promise<void>;
}

export interface ChoicesDeps {
  readonly db: Kysely<Database>;
  readonly clock: Pick<Clock, 'now'>;
  readonly checker: Pick<ReleaseChecker, 'check' | 'resolve'>;
  readonly apps: readonly CheckedApp[];
}

export function createChoices({ db, clock, checker, apps }: ChoicesDeps): AppChoices {
  function appOf(name: string): CheckedApp {
    const app = apps.find((known) => known.name === name);
    if (!app) throw new FettleError('unknown_app', { data: { app: name, known: apps.map((a) => a.name) } });
    return app;
  }

  /**
   * Makes a change with its audit entry. `work` answers what to write down, or nothing where there was nothing to do.
   * An event that is run again finds what it did the first time.
   */
  async function once(
    asker: Asker,
    work: (
      trx: Kysely<Database>,
      change: Change,
    ) => Promise<Pick<AuditEntry, 'action' | 'target' | 'before' | 'after'> | undefined>,
  ): Promise<AuditEntry | undefined> {
    const { who, route, eventId } = asker;
    return db.transaction().execute(async (trx) => {
      const done = await auditOfEvent(trx, { eventId, by: who.id });
      if (done) return done;
      const change = { at: clock.now(), by: who.id, byName: who.name };
      const made = await work(trx, change);
      if (!made) return undefined;
      const entry: AuditEntry = { ...change, route, eventId, ...made };
      await addAudit(trx, entry);
      return entry;
    });
  }

  /** Asked before anything is looked up: "the newest" may be another one than the first time. */
  function doneBefore({ who, eventId }: Asker): Promise<AuditEntry | undefined> {
    return auditOfEvent(db, { eventId, by: who.id });
  }

  /** What runs; undefined where it is not installed. On several devices: the oldest, which has most to gain. */
  async function running(app: string): Promise<string | undefined> {
    const reports = (await listDevices(db)).flatMap((device) => device.apps.filter((report) => report.app === app));
    return newestFirst(reports.flatMap((report) => report.version ?? [])).at(-1);
  }

  return {
    async of(name) {
      const app = appOf(name).name;
      const { auto, pinned, changed } = await readAppChoice(db, app);
      // Who pinned it is in the audit: the choice's own last change may have been another one.
      const [pin] = pinned === undefined ? [] : await listAudit(db, { action: 'pin', target: app }, 1);
      const pinnedBy = pinned === undefined ? undefined : (pin?.byName ?? changed?.byName);
      return { auto, pinned, pinnedBy, skipped: await skippedVersions(db, app) };
    },

    async setAuto(name, auto, asker) {
      const app = appOf(name);
      if (auto !== 'off' && !app.source) throw new FettleError('no_source', { data: { app: app.name } });
      const entry = await once(asker, async (trx, change) => {
        const before = (await readAppChoice(trx, app.name)).auto;
        if (before === auto) return undefined;
        await saveAppChoice(trx, app.name, { auto }, change);
        return { action: 'auto', target: app.name, before, after: auto };
      });
      return { before: AUTO.find((mode) => mode === entry?.before) ?? auto };
    },

    async pin(name, wanted, asker, signal) {
      const app = appOf(name);
      const done = await doneBefore(asker);
      if (done?.after !== undefined) return { version: done.after, before: done.before };
      const runs = await running(app.name);
      const asked = wanted ?? runs;
      if (asked === undefined) throw new FettleError('not_installed', { data: { app: app.name } });
      // What runs may be held without asking anybody, also where its source no longer has it.
      const version = sameVersion(asked, runs) ? asked : (await checker.resolve(app, asked, { signal })).version;
      const entry = await once(asker, async (trx, change) => {
        const before = (await readAppChoice(trx, app.name)).pinned;
        if (before === version) return undefined;
        await saveAppChoice(trx, app.name, { pinned: version }, change);
        return { action: 'pin', target: app.name, before, after: version };
      });
      return entry ? { version: entry.after ?? version, before: entry.before } : { version, before: version };
    },

    async unpin(name, asker) {
      const app = appOf(name).name;
      const entry = await once(asker, async (trx, change) => {
        const before = (await readAppChoice(trx, app)).pinned;
        if (before === undefined) return undefined;
        await saveAppChoice(trx, app, { pinned: null }, change);
        return { action: 'unpin', target: app, before };
      });
      return { before: entry?.before };
    },

    async skip(name, wanted, asker, signal) {
      const app = appOf(name);
      const done = await doneBefore(asker);
      if (done?.after !== undefined) return { version: done.after, already: false };
      const runs = await running(app.name);
      const version = wanted === undefined ? await newestToSkip(app, runs, signal) : await named(app, wanted, signal);
      if (sameVersion(version, runs)) {
        throw new FettleError('already_running_version', { data: { app: app.name, version } });
      }
      const entry = await once(asker, async (trx, change) => {
        const skipped = await skipRelease(trx, app.name, version, change);
        return skipped ? { action: 'skip', target: app.name, after: version } : undefined;
      });
      return { version, already: entry === undefined };
    },

    async unskip(app, version, asker) {
      await once(asker, async (trx) => {
        const counted = await unskipRelease(trx, app, version);
        return counted ? { action: 'unskip', target: app, before: version } : undefined;
      });
    },
  };

  /** A version that the source has, as the source writes it. */
  async function named(app: CheckedApp, version: string, signal: AbortSignal): Promise<string> {
    if (!app.source) throw new FettleError('no_source', { data: { app: app.name } });
    return (await checker.resolve(app, version, { signal })).version;
  }

  async function newestToSkip(app: CheckedApp, runs: string | undefined, signal: AbortSignal): Promise<string> {
    const { offer, newest } = await checker.check(app, { signal });
    // Nothing on the channel: the checker says so in its own words.
    if (!newest) return (await checker.resolve(app, undefined, { signal })).version;
    const skipped = new Set(await skippedVersions(db, app.name));
    const newer = (version: string | undefined) =>
      version !== undefined && (runs === undefined || compareVersions(version, runs) > 0);
    const candidate = newestEligible(offer, app.channel, skipped)?.version;
    if (candidate !== undefined && newer(candidate)) return candidate;
    const skippedOne = newer(newest.version) && skipped.has(newest.version);
    throw new FettleError(skippedOne ? 'release_skipped' : 'already_latest', {
      data: { app: app.name, version: skippedOne ? newest.version : (runs ?? '') },
    });
  }
}
