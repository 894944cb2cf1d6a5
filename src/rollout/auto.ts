import type { Kysely } from 'kysely';
import type { Withdrawn } from '../chat/messages/notices.ts';
import type { Outbox } from '../chat/outbox.ts';
import { graceCard } from '../chat/render-notice.ts';
import { APPROVAL_MS, type Approval } from '../domain/approval.ts';
import type { Clock, RandomBytes } from '../domain/id.ts';
import type { Release } from '../domain/release.ts';
import type { SettingsReader } from '../domain/settings.ts';
import { compareVersions } from '../domain/version.ts';
import type { CheckedApp, ReleaseChecker } from '../releases/index.ts';
import { listDevices } from '../store/devices.ts';
import { addNotice } from '../store/notices.ts';
import type { Database } from '../store/schema.ts';
import { activeUpdates, addUpdate, type UpdateRow, unknownUpdates } from '../store/updates.ts';
import { createAlarm } from './alarm.ts';
import type { Announcer } from './announce.ts';
import { beginAnnounced, givesWay, renewGrace, withdrawAnnounced } from './announced.ts';
import { addQuestion } from './approval-ends.ts';
import { countBetween } from './candidates.ts';
import type { Engine } from './engine.ts';
import { type NewUpdate, rowFor, unusedId } from './new-update.ts';
import { type Outlook, outlookOf } from './outlook.ts';
import { isQuiet, quietEnd } from './quiet.ts';
import type { Telling } from './telling.ts';

/**
 * Updates that nobody asks for. Invariants: at most one at once on a device; each is announced, and durable, before
 * its grace begins; at the end of the grace everything is looked at anew, and only what still holds begins; it
 * begins as a person's would, through the engine.
 */
export interface AutoUpdates {
  /** Takes up what the last hub announced. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Announces what may begin, and withdraws what no longer holds. Answers when it is worth looking again. */
  look(signal: AbortSignal): Promise<number | undefined>;
}

export interface AutoUpdatesDeps {
  readonly db: Kysely<Database>;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly checker: Pick<ReleaseChecker, 'known' | 'resolve'>;
  readonly apps: readonly (CheckedApp & { readonly approval?: Approval | undefined })[];
  readonly settings: Pick<SettingsReader, 'current'>;
  readonly engine: Pick<Engine, 'begin' | 'dispatch'>;
  readonly announcer: Announcer;
  readonly telling: Telling;
  readonly outbox: Pick<Outbox, 'wake'>;
  /** Is somebody's request for this app being decided right now? */
  readonly isAsked: (app: string) => boolean;
  /** Something was withdrawn: another thing may begin. */
  readonly onChange: () => void;
  readonly log: (line: string) => void;
}

const MINUTE = 60_000;
/** A release whose details the source did not give is asked about again after this. */
const UNRESOLVED_MS = 10 * MINUTE;
const RESOLVE_MS = MINUTE;
/** Somebody is just asking for something: their update comes first. */
const ASKED_MS = 2_000;

export function createAutoUpdates(deps: AutoUpdatesDeps): AutoUpdates {
  const { db, clock, settings, log } = deps;
  const graces = createAlarm({
    clock,
    work: endGraces,
    onError: (error) => log(`announced updates could not be begun: ${String(error)}`),
  });

  async function change<T>(work: (trx: Kysely<Database>) => Promise<T>): Promise<T> {
    const result = await db.transaction().execute(work);
    deps.outbox.wake();
    return result;
  }

  async function announcedRows(): Promise<UpdateRow[]> {
    return (await activeUpdates(db)).filter((row) => row.state === 'announced');
  }

  /** Not begun: announced, or waiting for somebody's word. */
  async function openRows(): Promise<UpdateRow[]> {
    return (await activeUpdates(db)).filter(givesWay);
  }

  /** What speaks against an announced update now; `undefined`: nothing. */
  async function objection(row: UpdateRow): Promise<Withdrawn | undefined> {
    // A person's word is no noise.
    if (row.state === 'announced' && isQuiet(settings.current(), clock.now())) return 'quiet';
    const app = deps.apps.find(({ name }) => name === row.app);
    const device = (await listDevices(db)).find(({ id }) => id === row.device);
    const outlook = app && device && (await outlookOf(deps, app, device));
    if (!outlook || outlook.running !== row.from_version) return 'changed';
    const to = row.to_version ?? '';
    if (outlook.choice.pinned !== undefined) return 'pinned';
    if (outlook.choice.auto === 'off') return 'off';
    if (outlook.skipped.includes(to)) return 'skipped';
    if (outlook.report.blocked.includes(to)) return 'blocked';
    if (outlook.known.offer.warning) return 'expired';
    if (outlook.left.includes(to)) return 'left';
    const { auto } = outlook.candidates;
    const same = auto?.version === to && (auto.digest === '' || row.digest === auto.digest);
    if (same) return undefined;
    return auto && compareVersions(auto.version, to) > 0 ? 'superseded' : 'gone';
  }

  async function withdraw(row: UpdateRow, reason: Withdrawn): Promise<void> {
    const moved = await change((trx) => withdrawAnnounced(trx, deps.telling, row, reason, clock.now()));
    if (!moved) return;
    log(`${row.id}: ${row.app} is not updated to ${row.to_version} by itself (${reason})`);
    deps.onChange();
  }

  /** Everything whose grace is over begins, or is withdrawn. Answers when the next one is over. */
  async function endGraces(): Promise<number | undefined> {
    let next: number | undefined;
    for (const row of await announcedRows()) {
      if (row.deadline_at !== null && row.deadline_at > clock.now()) {
        next = Math.min(next ?? row.deadline_at, row.deadline_at);
        continue;
      }
      const reason = await objection(row);
      if (reason) await withdraw(row, reason);
      else if (await change((trx) => beginAnnounced(trx, deps.telling, row, clock.now()))) await deps.engine.dispatch();
    }
    return next;
  }

  async function look(signal: AbortSignal): Promise<number | undefined> {
    for (const row of await openRows()) {
      const reason = await objection(row);
      if (reason) await withdraw(row, reason);
    }
    const now = clock.now();
    if (isQuiet(settings.current(), now)) return quietEnd(settings.current(), now);
    const times: number[] = [];
    for (const device of await listDevices(db)) {
      // What a device that is away runs is not known; its inventory brings us here again.
      if (device.connected !== 1 || device.recovered !== 1) continue;
      for (const app of deps.apps) {
        signal.throwIfAborted();
        const outlook = await outlookOf(deps, app, device);
        if (!outlook?.candidates.auto) continue;
        const at = await takeUp(outlook, outlook.candidates.auto, signal);
        if (at !== undefined) times.push(at);
      }
    }
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Begins what is due and may begin now. Answers when it is worth looking again. */
  async function takeUp(outlook: Outlook, release: Release, signal: AbortSignal): Promise<number | undefined> {
    const { app, device, attempts } = outlook;
    if (attempts.state === 'retry' && attempts.at > clock.now()) return attempts.at;
    if (deps.isAsked(app.name)) return clock.now() + ASKED_MS;
    // Whatever is under way calls for another look when it ends.
    if (await isTaken(db, outlook)) return undefined;
    let resolved: Release;
    try {
      const late = AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_MS)]);
      resolved = await deps.checker.resolve(app, release.version, { signal: late });
    } catch (error) {
      if (signal.aborted) throw error;
      log(`${app.name} ${release.version} can't be taken now: ${String(error)}`);
      return clock.now() + UNRESOLVED_MS;
    }
    const update = newUpdate(outlook, resolved);
    const mode = deps.apps.find(({ name }) => name === app.name)?.approval ?? 'none';
    if (mode !== 'none') {
      if (!(await ask(outlook, update, mode))) return undefined;
      log(`${app.name} ${release.version} waits for approval`);
      // The engine looks at deadlines, and hears of this one here.
      await deps.engine.dispatch();
      return undefined;
    }
    if (attempts.state === 'retry') {
      log(`${app.name} is updated to ${release.version} by itself, try ${attempts.tries + 1}`);
      await deps.engine.begin(update);
      return undefined;
    }
    const deadline = await announce(outlook, resolved, update);
    if (deadline !== undefined) graces.ring(deadline);
    log(`${app.name} on ${device.name} updates to ${release.version} by itself`);
    return undefined;
  }

  /** Row, notice and cards in one transaction. Answers when the grace ends; `undefined` where somebody was faster. */
  async function announce(outlook: Outlook, release: Release, update: NewUpdate): Promise<number | undefined> {
    const { app, known, running } = outlook;
    const now = clock.now();
    const { grace } = settings.current();
    return change(async (trx) => {
      if (await isTaken(trx, outlook)) return undefined;
      const id = await unusedId(trx, deps.random);
      const row = { ...rowFor(id, update, now), state: 'announced' as const, deadline_at: now + grace };
      await addUpdate(trx, row, 'hub');
      const between = countBetween(known.offer, app.channel, running, release.version);
      const news = { app: app.name, from: running, release, between, trust: outlook.report.trust };
      const told = await deps.announcer.announce(trx, {
        key: `${id}/card`,
        about: 'news',
        reply: (language) => graceCard(news, id, grace, language, now),
        now,
      });
      if (told) await addNotice(trx, { kind: 'release', app: app.name, version: release.version, at: now });
      return row.deadline_at;
    });
  }

  /** Row, question and cards in one transaction; each try is asked for. False where somebody was faster. */
  async function ask(outlook: Outlook, update: NewUpdate, mode: 'confirm' | 'second'): Promise<boolean> {
    const now = clock.now();
    return change(async (trx) => {
      if (await isTaken(trx, outlook)) return false;
      const id = await unusedId(trx, deps.random);
      const row = { ...rowFor(id, update, now), state: 'approving' as const, deadline_at: now + APPROVAL_MS };
      await addUpdate(trx, row, 'hub');
      await addQuestion(trx, row, mode, now);
      await deps.telling.card(trx, row, now);
      await addNotice(trx, { kind: 'release', app: update.app, version: update.toVersion ?? '', at: now });
      return true;
    });
  }

  function newUpdate({ app, device, running }: Outlook, { version, channel, digest }: Release): NewUpdate {
    return {
      app: app.name,
      device: device.id,
      kind: 'update',
      fromVersion: running,
      toVersion: version,
      release: { version, channel, digest },
      withData: false,
      force: false,
      requestedBy: 'fettle',
      requestedByName: 'Fettle',
      route: null,
      eventId: null,
      language: settings.current().language,
      automatic: true,
    };
  }

  return {
    async start() {
      const now = clock.now();
      const deadline = now + settings.current().grace;
      for (const row of await announcedRows()) {
        // Its end passed while nobody could cancel: people get the time anew.
        if (row.deadline_at !== null && row.deadline_at < now) await renewGrace(db, row, deadline);
      }
      graces.ring(now);
    },
    stop: () => graces.stop(),
    look,
  };
}

/** Is an update of the app under way, or an automatic one of any app on the device? */
async function isTaken(db: Kysely<Database>, { app, device }: Outlook): Promise<boolean> {
  const active = await activeUpdates(db, { device: device.id });
  // One that waits for approval may do so for a day: it holds up no other app.
  const holds = (row: UpdateRow) => row.automatic === 1 && row.state !== 'approving';
  if (active.some((row) => row.app === app.name || holds(row))) return true;
  // One device after the other, as far as they are there: one that is away holds up nobody.
  const there = new Set((await listDevices(db)).filter((one) => one.connected === 1).map(({ id }) => id));
  const elsewhere = await activeUpdates(db, { app: app.name });
  if (elsewhere.some((row) => row.device !== device.id && there.has(row.device) && holds(row))) return true;
  return (await unknownUpdates(db, { device: device.id })).length > 0;
}
