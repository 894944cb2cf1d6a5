import type { Kysely } from 'kysely';
import type { Outbox } from '../chat/outbox.ts';
import { digestCard, expiryCard, type News, releaseCard } from '../chat/render-notice.ts';
import { describeSource } from '../domain/app.ts';
import { FettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import type { SettingsReader } from '../domain/settings.ts';
import { compareVersions, readVersion } from '../domain/version.ts';
import type { CheckedApp, ReleaseChecker } from '../releases/index.ts';
import { listDevices } from '../store/devices.ts';
import { addNotice, findNotice, readDigestMark, reminders, remindOfRelease, saveDigestMark } from '../store/notices.ts';
import type { Database } from '../store/schema.ts';
import { activeUpdates } from '../store/updates.ts';
import type { Announcer } from './announce.ts';
import { countBetween } from './candidates.ts';
import { type Outlook, outlookOf } from './outlook.ts';
import { isQuiet, nextTimeOfDay, quietEnd } from './quiet.ts';

/**
 * Tells the admins' chats what is new. Invariants: a release is announced once, whatever restarts, because its row in
 * `notices` and its messages are one transaction; nothing is announced in quiet hours, and what came meanwhile is
 * announced at their end.
 */
export interface Notices {
  /** Announces what is due. Answers when the next thing is. */
  look(signal: AbortSignal): Promise<number | undefined>;
  /**
   * A release is announced once more, a day from now, unless it was installed, skipped, pinned or superseded.
   *
   * @param version as typed; without one, the newest that could be announced
   * @throws {FettleError} `unknown_version` · `already_running_version` · `already_latest` · `not_installed`
   */
  later(app: string, version: string | undefined): Promise<{ readonly version: string; readonly at: number }>;
}

export interface NoticesDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly checker: Pick<ReleaseChecker, 'known'>;
  readonly apps: readonly CheckedApp[];
  readonly settings: Pick<SettingsReader, 'current'>;
  readonly announcer: Announcer;
  readonly outbox: Pick<Outbox, 'wake'>;
  /** Is somebody's request for this app being decided right now? */
  readonly isAsked: (app: string) => boolean;
}

const DAY = 24 * 60 * 60_000;
const LATER_MS = DAY;
/** A source's expiry is told so long before. */
const EXPIRY_MS = 14 * DAY;
/** Somebody is just asking for something: that comes first. */
const ASKED_MS = 2_000;

/** A release that could be announced now. */
interface Found extends News {
  /** Told with others, where there is a digest. */
  readonly gathered: boolean;
}

export function createNotices(deps: NoticesDeps): Notices {
  const { db, clock, settings, announcer } = deps;

  async function change<T>(work: (trx: Kysely<Database>) => Promise<T>): Promise<T> {
    const result = await db.transaction().execute(work);
    deps.outbox.wake();
    return result;
  }

  async function outlooksOf(app: CheckedApp): Promise<readonly Outlook[]> {
    const found: Outlook[] = [];
    for (const device of await listDevices(db)) {
      const outlook = await outlookOf(deps, app, device);
      if (outlook) found.push(outlook);
    }
    return found;
  }

  async function announceRelease(found: Found, key: string): Promise<void> {
    const now = clock.now();
    const { app, release } = found;
    await change(async (trx) => {
      const reply = (language: 'en' | 'zh') => releaseCard(found, language, now);
      if (!(await announcer.announce(trx, { key, about: 'news', reply, now }))) return;
      await remindOfRelease(trx, { app, version: release.version, at: null, now });
    });
  }

  /** New releases, those that somebody wants to hear of again, and the digest. */
  async function releases(signal: AbortSignal, times: number[]): Promise<void> {
    const now = clock.now();
    const gathered: Found[] = [];
    /** Hub and agent are one release: it is news once, and once more for the agent when only that is behind. */
    let ofHub: Found | undefined;
    for (const app of deps.apps) {
      signal.throwIfAborted();
      if (deps.isAsked(app.name)) {
        times.push(now + ASKED_MS);
        continue;
      }
      // What an update under way comes to decides what is news; its end brings us here again.
      if ((await activeUpdates(db, { app: app.name })).length > 0) continue;
      if (app.name === 'agent' && (await activeUpdates(db, { app: 'hub' })).length > 0) continue;
      const outlooks = await outlooksOf(app);
      if (outlooks.length === 0) continue;
      const found = newsOf(app, outlooks);
      if (app.name === 'hub') ofHub = found;
      if (app.name === 'agent' && found && found.release.version === ofHub?.release.version) continue;
      await remind(app, found, times);
      if (!found || (await findNotice(db, 'release', app.name, found.release.version))) continue;
      if (settings.current().digest !== null && found.gathered) gathered.push(found);
      else await announceRelease(found, `notice/release/${app.name}/${found.release.version}`);
    }
    await digest(gathered, times);
  }

  async function remind(app: CheckedApp, found: Found | undefined, times: number[]): Promise<void> {
    const now = clock.now();
    for (const { version, remind_at: at } of await reminders(db, app.name)) {
      if (at !== null && at > now) times.push(at);
      else if (found?.release.version === version)
        await announceRelease(found, `notice/release/${app.name}/${version}/${at}`);
      else await change((trx) => remindOfRelease(trx, { app: app.name, version, at: null, now }));
    }
  }

  /** One message a day; what came while nobody could be told is made up for. */
  async function digest(gathered: readonly Found[], times: number[]): Promise<void> {
    const { digest: minute, timezone } = settings.current();
    if (minute === null) return;
    const now = clock.now();
    const before = await readDigestMark(db);
    const mark = before?.minute === minute && before.timezone === timezone ? before : { minute, timezone, at: now };
    if (mark !== before) await saveDigestMark(db, mark);
    const slot = nextTimeOfDay(minute, timezone, mark.at);
    if (slot > now) {
      times.push(slot);
      return;
    }
    await change(async (trx) => {
      await saveDigestMark(trx, { minute, timezone, at: now });
      if (gathered.length === 0) return;
      const reply = (language: 'en' | 'zh') => digestCard(gathered, language);
      if (!(await announcer.announce(trx, { key: `notice/digest/${slot}`, about: 'news', reply, now }))) return;
      for (const { app, release } of gathered)
        await addNotice(trx, { kind: 'release', app, version: release.version, at: now });
    });
    times.push(nextTimeOfDay(minute, timezone, now));
  }

  /** Sources whose index expires soon, or has: once for each date. */
  async function expiries(times: number[]): Promise<void> {
    const now = clock.now();
    const told = new Set<string>();
    for (const app of deps.apps) {
      const expiresAt = (await deps.checker.known(app))?.offer.expiresAt;
      const { source } = app;
      if (expiresAt === undefined || !source) continue;
      if (told.has(describeSource(source))) continue;
      told.add(describeSource(source));
      if (expiresAt - EXPIRY_MS > now) {
        times.push(expiresAt - EXPIRY_MS);
        continue;
      }
      const notice = { kind: 'expiry', app: app.name, version: new Date(expiresAt).toISOString(), at: now } as const;
      if (await findNotice(db, notice.kind, notice.app, notice.version)) continue;
      await change(async (trx) => {
        const key = `notice/expiry/${app.name}/${notice.version}`;
        const reply = (language: 'en' | 'zh', timezone: string) =>
          expiryCard(app.name, source, expiresAt, { language, timezone, now });
        if (await announcer.announce(trx, { key, about: 'failure', reply, now })) await addNotice(trx, notice);
      });
    }
  }

  return {
    async look(signal) {
      const now = clock.now();
      if (isQuiet(settings.current(), now)) return quietEnd(settings.current(), now);
      const times: number[] = [];
      if (announcer.tells('failure')) await expiries(times);
      if (announcer.tells('news')) await releases(signal, times);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    async later(name, typed) {
      const app = deps.apps.find((one) => one.name === name);
      const outlooks = app ? await outlooksOf(app) : [];
      const [outlook] = outlooks;
      if (!app || !outlook) throw new FettleError('not_installed', { data: { app: name } });
      const newest = newsOf(app, outlooks)?.release.version ?? outlook.candidates.auto?.version;
      const version = typed === undefined ? (newest ?? skippedNewest(outlook)) : (readVersion(typed) ?? typed);
      if (version !== undefined && outlook.skipped.includes(version)) {
        throw new FettleError('release_skipped', { data: { app: name, version } });
      }
      if (version === undefined) {
        throw new FettleError('already_latest', { data: { app: name, version: outlook.running } });
      }
      const { releases: all } = outlook.known.offer;
      if (!all.some((release) => release.version === version)) {
        const newestFive = all.slice(0, 5).map((release) => release.version);
        throw new FettleError('unknown_version', { data: { app: name, version, newest: newestFive } });
      }
      if (outlooks.every(({ running }) => running === version)) {
        throw new FettleError('already_running_version', { data: { app: name, version } });
      }
      const now = clock.now();
      const at = now + LATER_MS;
      await remindOfRelease(db, { app: name, version, at, now });
      return { version, at };
    },
  };
}

/** What would be news if nobody had skipped it. */
function skippedNewest({ known, skipped, running }: Outlook): string | undefined {
  const newest = known.newest?.version;
  return newest !== undefined && skipped.includes(newest) && compareVersions(newest, running) > 0 ? newest : undefined;
}

/** The newest release that is for people to decide about, on any device; from the oldest version that runs. */
function newsOf(app: CheckedApp, outlooks: readonly Outlook[]): Found | undefined {
  const [newest] = outlooks
    .flatMap(({ candidates }) => candidates.announce ?? [])
    .sort((a, b) => compareVersions(b.version, a.version));
  if (!newest || outlooks.some(({ candidates }) => candidates.auto?.version === newest.version)) return undefined;
  const [oldest] = [...outlooks].sort((a, b) => compareVersions(a.running, b.running));
  if (!oldest) return undefined;
  const between = countBetween(oldest.known.offer, app.channel, oldest.running, newest.version);
  const also = app.name === 'hub' ? { also: 'agent' } : {};
  return {
    app: app.name,
    ...also,
    from: oldest.running,
    release: newest,
    between,
    trust: oldest.report.trust,
    gathered: oldest.choice.auto === 'off',
  };
}
