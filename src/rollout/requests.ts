import type { Kysely } from 'kysely';
import { describeSource, isSelf, type Source } from '../domain/app.ts';
import { type Approval, LOCAL } from '../domain/approval.ts';
import { FettleError, toFettleError } from '../domain/errors.ts';
import type { Clock } from '../domain/id.ts';
import { newestEligible, type Release } from '../domain/release.ts';
import type { Language, Route } from '../domain/reply.ts';
import type { UpdateKind } from '../domain/update.ts';
import { compareVersions, readVersion, sameVersion } from '../domain/version.ts';
import type { BackupReader } from '../gateway/backup-reader.ts';
import type { AppReport } from '../protocol/messages.ts';
import type { ReleaseChecker } from '../releases/index.ts';
import { auditOfEvent } from '../store/audit.ts';
import { type DeviceWithApps, listDevices } from '../store/devices.ts';
import type { Database } from '../store/schema.ts';
import { activeUpdates, endedUpdates, findByEvent } from '../store/updates.ts';
import { givesWay } from './announced.ts';
import { approverOf, hasOthers } from './approvers.ts';
import type { AppChoices } from './choices.ts';
import type { Engine } from './engine.ts';
import { inProgress, type NewUpdate } from './new-update.ts';
import { waitsForLock } from './wishes.ts';

/** What the hub's configuration says of an app, as far as requests need it. */
export interface RequestedApp {
  readonly name: string;
  readonly source?: Source | undefined;
  /** Public keys; what none of them signed is not offered. */
  readonly keys?: readonly string[] | undefined;
  readonly channel: string;
  readonly keep: readonly string[];
  readonly downgrade: 'last-good' | 'any';
  readonly probe: { readonly forMs: number; readonly checks: number; readonly address?: string | undefined };
  readonly graceMs: number;
  /** Whether somebody has to approve its updates; `none` unless given. */
  readonly approval?: Approval | undefined;
}

export interface AskedUpdate {
  readonly kind: Exclude<UpdateKind, 'install'>;
  readonly app: string;
  readonly version?: string | undefined;
  readonly force: boolean;
  readonly withData: boolean;
  /** Which backup a `restore` puts back. */
  readonly backup?: number | undefined;
  readonly who: { readonly id: string; readonly name: string };
  readonly route: Route;
  readonly eventId: string;
  readonly language: Language;
}

/** Everything that was decided about a request, before anything is written. */
export interface Decision {
  readonly kind: UpdateKind;
  readonly app: RequestedApp;
  readonly device: DeviceWithApps;
  readonly report: AppReport | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly release?: Release | undefined;
  /** Which backup is put back. */
  readonly backup?: number | undefined;
  /** Somebody has to approve it first. */
  readonly approval?: Exclude<Approval, 'none'> | undefined;
}

export interface Requests {
  /** Decides; refuses by throwing. Changes nothing but what is known of the source. */
  decide(asked: AskedUpdate, signal: AbortSignal): Promise<Decision>;
  /**
   * Decides and begins; with `force`, the same update that waits for the app's lock goes on instead (`forced`). A second
   * call for one event answers with the first one's id.
   */
  request(asked: AskedUpdate, signal: AbortSignal): Promise<{ readonly id: string; readonly forced?: true }>;
  /** Is a person's request for the app being decided right now? */
  isAsked(app: string): boolean;
  /** A device's file wants an app installed that is not there: done once, asked by nobody. */
  installMissing(device: string, report: AppReport): Promise<void>;
  /** Why an app that its device wants installed could not even be asked for. */
  missingProblem(app: string): FettleError | undefined;
}

export interface RequestsDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly checker: ReleaseChecker;
  readonly engine: () => Pick<Engine, 'begin' | 'insist'>;
  readonly backups: Pick<BackupReader, 'list'>;
  readonly apps: readonly RequestedApp[];
  readonly choices: Pick<AppChoices, 'of' | 'unskip'>;
  /** May they ask still? Sources are slow, and roles change meanwhile. Unless given: whoever was let through may. */
  readonly mayAsk?: ((who: string) => Promise<boolean>) | undefined;
  /** Of what nobody asked for. */
  readonly language: () => Language;
  readonly log: (line: string) => void;
}

/** An installation that nobody asked for is tried again after this. */
const RETRY_INSTALL_MS = 10 * 60_000;

export function createRequests(deps: RequestsDeps): Requests {
  const { db, checker } = deps;
  /** Apps whose first installation is being prepared: inventories come faster than sources answer. */
  const installing = new Set<string>();
  /** Apps that requests are being decided for, one entry a request. */
  const asking: string[] = [];
  const missing = new Map<string, { readonly at: number; readonly error: FettleError }>();

  function appOf(name: string): RequestedApp {
    const app = deps.apps.find((known) => known.name === name);
    if (!app) throw new FettleError('unknown_app', { data: { app: name, known: deps.apps.map((a) => a.name) } });
    return app;
  }

  /** The device that has the app. One machine has one; a fleet's selectors come with the fleet. */
  async function deviceOf(app: string): Promise<{ device: DeviceWithApps; report: AppReport | undefined }> {
    const devices = await listDevices(db);
    const device = devices.find((d) => d.apps.some((report) => report.app === app)) ?? devices[0];
    if (!device) throw new FettleError('device_offline', { data: { app, device: 'this machine' }, retryable: true });
    return { device, report: device.apps.find((report) => report.app === app) };
  }

  async function decide(asked: AskedUpdate, signal: AbortSignal): Promise<Decision> {
    const app = appOf(asked.app);
    const { device, report } = await deviceOf(app.name);
    const [active] = await activeUpdates(db, { app: app.name, device: device.id });
    // An automatic update that has nobody's word yet gives way to what a person asks for.
    if (active && !givesWay(active)) throw inProgress(active);
    const from = report?.version;
    // The hub is updated by the agent beside it, and by no other.
    if (isSelf(app.name) && from === undefined) throw new FettleError('no_updater', { data: { app: app.name } });
    const known = { app, device, report, from };
    if (asked.kind === 'restart') {
      if (from === undefined) throw new FettleError('not_installed', { data: { app: app.name } });
      return { ...known, kind: 'restart', to: from };
    }
    if (asked.kind === 'rollback') {
      if (from === undefined) throw new FettleError('not_installed', { data: { app: app.name } });
      if (report?.lastGood === undefined) throw new FettleError('no_last_good', { data: { app: app.name } });
      return { ...known, kind: 'rollback', to: report.lastGood };
    }
    if (asked.kind === 'restore') {
      if (isSelf(app.name)) throw new FettleError('not_restorable', { data: { app: app.name } });
      if (from === undefined) throw new FettleError('not_installed', { data: { app: app.name } });
      await findBackup(device, app.name, asked.backup, signal);
      return { ...known, kind: 'restore', to: from, backup: asked.backup };
    }
    const { pinned, pinnedBy, skipped } = await deps.choices.of(app.name);
    if (pinned !== undefined && !asked.force && !(asked.version !== undefined && sameVersion(asked.version, pinned))) {
      throw new FettleError('pinned', {
        data: { app: app.name, version: pinned, who: pinnedBy, ...pinnedWays(app, pinned, from) },
      });
    }
    const release = await find(app, asked.version, { from, skipped, signal });
    if (from !== undefined) refuseStep(app, report, from, release, asked);
    if (report?.blocked.includes(release.version) && !asked.force) {
      throw new FettleError('release_blocked', { data: { app: app.name, version: release.version } });
    }
    const approval = await approvalOf(app, asked);
    return { ...known, kind: from === undefined ? 'install' : 'update', to: release.version, release, approval };
  }

  /**
   * What brings a release may need somebody's word; going back, a restart and a restore are ways out of trouble, and
   * don't. @throws {FettleError} `approval_impossible` where nobody could ever give it
   */
  async function approvalOf(app: RequestedApp, { who }: AskedUpdate): Promise<Decision['approval']> {
    if (app.approval === undefined || app.approval === 'none') return undefined;
    const asker = (await approverOf(db, who.id))?.person ?? who.id;
    // Whoever asks in a chat may be answered at the terminal; the terminal can only be answered from a chat.
    if (app.approval === 'second' && asker === LOCAL.person && !(await hasOthers(db, [asker], deps.clock.now())))
      throw new FettleError('approval_impossible', { data: { app: app.name } });
    return app.approval;
  }

  /** Is there such a backup? A device that is away is not asked: it refuses by itself what it does not have. */
  async function findBackup(device: DeviceWithApps, app: string, seq: number | undefined, signal: AbortSignal) {
    if (device.connected !== 1 && seq !== undefined) return;
    const { backups: all } = await deps.backups.list(device.id, device.name, app, signal);
    if (seq !== undefined && all.some((backup) => backup.seq === seq)) return;
    const known = all.slice(0, 10).map((backup) => `${app}/${backup.seq}`);
    const backup = seq === undefined ? undefined : `${app}/${seq}`;
    const commands = known.slice(0, 3).map((id) => `/update restore ${id}`);
    throw new FettleError('unknown_backup', { data: { app, backup, known, try: commands } });
  }

  /** The wanted release; without a version the newest that is not skipped, asked for now. */
  async function find(
    app: RequestedApp,
    version: string | undefined,
    options: { from: string | undefined; skipped: readonly string[]; signal: AbortSignal },
  ): Promise<Release> {
    const { from, skipped, signal } = options;
    if (!app.source) throw new FettleError('no_source', { data: { app: app.name } });
    if (version !== undefined) return checker.resolve(app, version, { signal });
    const { offer, newest } = await checker.check(app, { signal });
    if (!newest || !skipped.includes(newest.version)) return checker.resolve(app, undefined, { signal });
    const next = newestEligible(offer, app.channel, new Set(skipped));
    const newer = (release: Release) => from === undefined || compareVersions(release.version, from) > 0;
    if (next && newer(next)) return checker.resolve(app, next.version, { signal });
    if (!newer(newest)) return newest;
    throw new FettleError('release_skipped', { data: { app: app.name, version: newest.version } });
  }

  /** The update that is asked for is under way already, and waits for nothing but the app's own lock. */
  async function forceWaiting(asked: AskedUpdate): Promise<string | undefined> {
    if (!asked.force) return undefined;
    const done = await auditOfEvent(db, { eventId: asked.eventId, by: asked.who.id });
    if (done?.action === 'force' && done.after !== undefined) return done.after;
    const { device } = await deviceOf(appOf(asked.app).name);
    const [row] = await activeUpdates(db, { app: asked.app, device: device.id });
    if (!row || !waitsForLock(row)) return undefined;
    const same =
      (row.kind === 'install' ? 'update' : row.kind) === asked.kind &&
      (asked.version === undefined || sameVersion(asked.version, row.to_version ?? undefined)) &&
      (asked.kind !== 'rollback' || asked.withData === (row.with_data === 1)) &&
      (asked.kind !== 'restore' || asked.backup === (row.backup ?? undefined));
    if (!same) return undefined;
    const { accepted, state } = await deps.engine().insist(row.id, 'force', asked);
    if (!accepted) throw new FettleError('too_late_to_force', { data: { app: row.app, id: row.id, state } });
    return row.id;
  }

  /** Who asks for a skipped release by its version does not skip it any more. */
  async function count(asked: AskedUpdate, to: string | undefined): Promise<void> {
    if (asked.kind === 'update' && asked.version !== undefined && to !== undefined) {
      await deps.choices.unskip(asked.app, to, asked);
    }
  }

  return {
    decide,

    async request(asked, signal) {
      const before = await findByEvent(db, asked.eventId);
      if (before) {
        await count(asked, before.to_version ?? undefined);
        return { id: before.id };
      }
      const forced = await forceWaiting(asked);
      if (forced !== undefined) return { id: forced, forced: true };
      asking.push(asked.app);
      try {
        const decision = await decide(asked, signal);
        if (deps.mayAsk && !(await deps.mayAsk(asked.who.id)))
          throw new FettleError('not_allowed', { data: { needed: 'operator' } });
        const id = await deps.engine().begin({
          ...rowOf(decision, asked.withData, asked.force),
          approval: decision.approval,
          requestedBy: asked.who.id,
          requestedByName: asked.who.name,
          route: JSON.stringify(asked.route),
          eventId: asked.eventId,
          language: asked.language,
        });
        await count(asked, decision.to);
        return { id };
      } finally {
        asking.splice(asking.indexOf(asked.app), 1);
      }
    },

    isAsked: (app) => asking.includes(app),

    async installMissing(device, report) {
      const app = deps.apps.find((known) => known.name === report.app);
      if (!app?.source || report.install === undefined || report.update !== undefined || installing.has(app.name))
        return;
      installing.add(app.name);
      try {
        const [active] = await activeUpdates(db, { app: app.name, device });
        const [last] = await endedUpdates(db, app.name, 1);
        const tried = Math.max(last?.ended_at ?? 0, missing.get(app.name)?.at ?? 0);
        if (active || deps.clock.now() - tried < RETRY_INSTALL_MS) return;
        const release = await checker.resolve(app, report.install, { signal: AbortSignal.timeout(60_000) });
        const found = (await listDevices(db)).find((d) => d.id === device);
        if (!found) return;
        missing.delete(app.name);
        await deps.engine().begin({
          ...rowOf({ kind: 'install', app, device: found, report, to: release.version, release }, false, false),
          requestedBy: 'fettle',
          requestedByName: 'Fettle',
          route: null,
          eventId: null,
          language: deps.language(),
        });
      } catch (error) {
        missing.set(app.name, { at: deps.clock.now(), error: toFettleError(error, 'internal', { app: app.name }) });
        deps.log(`${app.name} ${report.install} can't be installed now: ${String(error)}`);
      } finally {
        installing.delete(app.name);
      }
    },

    missingProblem: (app) => missing.get(app)?.error,
  };
}

/** What can be done with a held app, as buttons; the version that is held where it is not the one that runs. */
function pinnedWays(app: RequestedApp, pinned: string, from: string | undefined): { try: readonly string[] } {
  const held = sameVersion(pinned, from) ? [] : [`/update now ${app.name}@${pinned}`];
  return { try: [`/update unpin ${app.name}`, ...held] };
}

function refuseStep(
  app: RequestedApp,
  report: AppReport | undefined,
  from: string,
  release: Release,
  asked: AskedUpdate,
): void {
  const step = compareVersions(release.version, from);
  if (step === 0 && asked.version === undefined)
    throw new FettleError('already_latest', { data: { app: app.name, version: from } });
  if (step === 0) throw new FettleError('already_running_version', { data: { app: app.name, version: from } });
  if (step > 0) return;
  // Older than what runs: as a question for the newest it means that there is nothing newer.
  if (asked.version === undefined) throw new FettleError('already_latest', { data: { app: app.name, version: from } });
  const lastGood = report?.lastGood !== undefined && readVersion(report.lastGood) === readVersion(release.version);
  if (app.downgrade !== 'any' && !lastGood) {
    throw new FettleError('downgrade_refused', { data: { app: app.name, from, to: release.version } });
  }
}

function rowOf(
  decision: Decision,
  withData: boolean,
  force: boolean,
): Omit<NewUpdate, 'requestedBy' | 'requestedByName' | 'route' | 'eventId' | 'language'> {
  const { release } = decision;
  return {
    app: decision.app.name,
    device: decision.device.id,
    kind: decision.kind,
    fromVersion: decision.from,
    toVersion: decision.to,
    release: release && { version: release.version, channel: release.channel, digest: release.digest },
    withData,
    force,
    backup: decision.backup,
  };
}

/** What `source` is called in answers; `undefined` where the app has none. */
export function sourceText(app: RequestedApp): string | undefined {
  return app.source && describeSource(app.source);
}
