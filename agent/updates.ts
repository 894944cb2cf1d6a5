import { setTimeout as delay } from 'node:timers/promises';
import type { AppConfig } from '../config/agent-schema.ts';
import { isSelf } from '../src/domain/app.ts';
import { FettleError, toFettleError } from '../src/domain/errors.ts';
import { isFinal, stateOf } from '../src/domain/update.ts';
import type { AppReport, BackupReport, Order, StrangeBackup } from '../src/protocol/messages.ts';
import { createShelf } from './backup/shelf.ts';
import type { CrashWatch } from './crashes.ts';
import { openInstallation } from './install/index.ts';
import type { Slots } from './install/slots.ts';
import { createInventory } from './inventory.ts';
import type { JournalEntry } from './journal.ts';
import { peekKeepFile } from './keeper/keep-file.ts';
import { createLetGo } from './let-go.ts';
import { messageOf, type OutcomeMessage } from './outcome-message.ts';
import type { Policy } from './policy.ts';
import { madeFrom } from './rescue/known-app.ts';
import type { RestartDrivers } from './restart/index.ts';
import type { Self } from './self/index.ts';
import { createStranded } from './stranded.ts';
import { newEntry } from './updater/new-entry.ts';
import { mayHaveRun, resume, resumeSelf } from './updater/recover.ts';
import { runUpdate } from './updater/run.ts';
import { createTask, outcomeOf, type Task, type UpdaterDeps } from './updater/task.ts';

/** All updates of this device: at most one of an app at a time. */
export interface Updates {
  /** Brings the device to order after a start; resolves once every app is kept and every interrupted update runs again. */
  recover(): Promise<void>;
  /**
   * Takes an order; `onTaken` is called before anything of it is on disk, and what it throws refuses it. False where its
   * update is known already, which is no error: the hub may not have heard the answer.
   * @throws {FettleError} what the policy says, or `in_progress`
   */
  take(order: Order, hubNow: number, onTaken: () => void): boolean;
  /** The same for an order that was given on this device. */
  takeLocal(order: Order, onTaken: () => void): boolean;
  /** `undefined` where there is no such update here. */
  cancel(update: string): { readonly accepted: boolean; readonly state: string } | undefined;
  /** Passes the app's lock, or goes on waiting for it with the deadline anew. `undefined` where there is no such update here. */
  insist(update: string, on: 'force' | 'hold'): { readonly accepted: boolean; readonly state: string } | undefined;
  inventory(): Promise<AppReport[]>;
  /** Tells of every update under way where it stands: the hub may have missed it. */
  tell(): void;
  /** Outcomes that the hub is to be offered at a connect: those that it has not acknowledged first. */
  outcomes(): readonly OutcomeMessage[];
  acknowledge(update: string): void;
  /** Is this agent itself being switched? Then its update says when it is well. */
  replacingSelf(): boolean;
  /** Is an update of the app under way? */
  isBusy(app: string): boolean;
  /** The backups of an app, newest first. @throws {FettleError} `capability_denied` */
  backups(app: string): { readonly backups: readonly BackupReport[]; readonly strange: readonly StrangeBackup[] };
  /** Tries again to start what an update left stopped and no keeper keeps. Never throws. */
  retryStranded(): Promise<void>;
  /** Removes backups that are no longer kept; of an app that is being updated, when that is over. Never throws. */
  pruneBackups(): void;
  /** Stops at the journal's next safe point; the next start goes on. */
  stop(): Promise<void>;
}

export interface UpdatesDeps extends UpdaterDeps {
  readonly policy: Policy;
  readonly drivers: RestartDrivers;
  readonly self: Self;
  readonly crashes: Pick<CrashWatch, 'looping'>;
  readonly onOutcome: (message: OutcomeMessage) => void;
  /** Something else runs than before. Never throws. */
  readonly onChange: () => Promise<void>;
}

/** Has an update gone past the point where the app never noticed? */
function isTouched(entry: JournalEntry): boolean {
  const { phase } = stateOf(entry.state);
  return phase === 'switching' || phase === 'reverting';
}

/** Is the release there, so that the update takes part in how many there are at once? */
function isFetched({ state }: JournalEntry): boolean {
  return state !== 'received' && state !== 'fetching';
}

/** Between attempts at taking up what was interrupted. */
const TAKE_UP_MS = 5_000;

export function createUpdates(deps: UpdatesDeps): Updates {
  const { journal, policy, clock, layout } = deps;
  const shutdown = new AbortController();
  const tasks = new Map<string, { readonly task: Task; readonly done: Promise<void> }>();
  const slotsOf = new Map<string, Slots>();
  const letGo = createLetGo(deps);
  /** Apps whose backups were to be looked at while they were being updated. */
  const pruneLater = new Set<string>();

  function slots(app: string, config = everyConfig(app)): Slots {
    const known = slotsOf.get(app) ?? openInstallation(layout.app(app), config);
    slotsOf.set(app, known);
    return known;
  }
  const driver = (app: string, config: AppConfig) =>
    isSelf(app) ? deps.self.driver(app) : deps.drivers.of(app, config);
  const everyConfig = (app: string): AppConfig | undefined => ({ ...policy.apps, ...deps.self.apps })[app];
  const stranded = createStranded({
    journal,
    apps: () => Object.entries(policy.apps).filter(([app]) => !tasks.has(app)),
    driver: (app, config) => driver(app, config),
    now: () => clock.monotonic(),
    log: deps.log,
  });
  const shelf = createShelf({ ...deps, running: (app) => slots(app).current() });
  const takeInventory = createInventory({
    ...deps,
    slots,
    driver,
    underWay: (app) => tasks.get(app)?.task.entry,
  });
  const everything = () => Object.entries({ ...policy.apps, ...deps.self.apps });

  function begin(entry: JournalEntry, config: AppConfig): void {
    const { app } = entry.order;
    const self = isSelf(app) ? deps.self.parts(app) : undefined;
    const task = createTask(deps, { config, slots: slots(app), driver: driver(app, config), self }, entry);
    const done = follow(task);
    tasks.set(entry.order.app, { task, done });
    deps.onReport(entry);
  }

  async function follow(task: Task): Promise<void> {
    try {
      await runUpdate(task, shutdown.signal);
      if (shutdown.signal.aborted && !isFinal(task.entry.state)) return;
      await settle(task);
    } catch (error) {
      deps.log(`${task.entry.order.update} ${task.app}: ${String(error)}`);
    }
    // What runs is told before how it ended, so that nobody hears "3.0.1" and then sees 2.0.2.
    await deps.onChange();
    const ended = messageOf(task.entry);
    if (ended) deps.onOutcome(ended);
    tasks.delete(task.app);
    deps.gate.leave(task.app);
    deps.bound.leave(task.app);
    if (pruneLater.delete(task.app)) shelf.prune(task.app);
    await deps.onChange();
  }

  /** After the end the keeper alone keeps the app; where going back failed too, it goes on trying. */
  async function settle(task: Task): Promise<void> {
    if (task.entry.state === 'rollback-failed') {
      await task.driver.start(task.app).catch(() => task.driver.keepTrying?.(task.app).catch(() => undefined));
    }
    if (slots(task.app).current() !== undefined) await task.driver.release(task.app);
  }

  /** An app without an update under way is kept as its file says, and runs if it is installed. */
  async function keep(app: string, config: AppConfig): Promise<void> {
    const current = slots(app).current();
    if (current === undefined) return;
    const kept = await driver(app, config).status(app);
    await driver(app, config).define(app, config);
    if (kept?.hold) await driver(app, config).release(app);
    if (!kept || (kept.desired === 'stopped' && !kept.running) || kept.hold) await driver(app, config).start(app);
  }

  /** The file no longer names an app in mid-switch: the slot that ran before runs again, its data is left alone. */
  async function abandon(entry: JournalEntry): Promise<void> {
    const { app } = entry.order;
    if (entry.from === null || !isTouched(entry)) return;
    try {
      const spec = peekKeepFile(layout.keeper.keep).records.get(app)?.spec;
      if (!spec) return;
      const config = madeFrom(app, spec, layout.app(app));
      const driver = deps.drivers.of(app, config);
      await driver.stop(app, config);
      slots(app).activate(entry.from);
      await driver.start(app);
      await driver.release(app);
    } catch (error) {
      deps.log(`${app} could not be taken back: ${String(error)}`);
    }
  }

  /** A full disk at the start: the ballast is what there is room in. */
  function writeOrMakeRoom(entry: JournalEntry): void {
    try {
      journal.write(entry);
    } catch {
      deps.ballast.drop();
      journal.write(entry);
    }
  }

  /**
   * A journal that can't be read says nothing about data, so data is left alone: the held app goes back to the slot
   * that its hold names, and runs.
   */
  async function distrust(update: string, app: string, config: AppConfig): Promise<void> {
    const kept = await driver(app, config).status(app);
    const fallback = kept?.hold?.fallback?.split('/').pop();
    if (fallback !== undefined && slots(app).record(fallback)) {
      await driver(app, config).stop(app, config);
      slots(app).activate(fallback);
    }
    deps.log(
      `${update}: its journal could not be read; ${app} runs from its last committed slot, its data was not touched`,
    );
    await keep(app, config);
  }

  function accept(order: Order, admit: () => AppConfig, onTaken: () => void): boolean {
    if (journal.get(order.update)) return false;
    const running = tasks.get(order.app);
    if (running) {
      throw new FettleError('in_progress', {
        data: { app: order.app, id: running.task.entry.order.update, state: running.task.entry.state },
      });
    }
    // One that could not go on yet.
    const left = journal.list().find(({ order: { app }, state }) => app === order.app && !isFinal(state));
    if (left) {
      const { update: id } = left.order;
      throw new FettleError('in_progress', { data: { app: order.app, id, state: left.state } });
    }
    const config = admit();
    // Before anything is written: an order that nothing here can carry out is refused.
    driver(order.app, config);
    onTaken();
    const entry = newEntry(order, clock.now());
    try {
      journal.write(entry);
    } catch (error) {
      throw toFettleError(error, 'io_failed', { app: order.app });
    }
    begin(entry, config);
    return true;
  }

  /** The hub is started by whoever set it up; but a hold that nobody will ever end must not outlive its update. */
  async function freeHub(): Promise<void> {
    const config = deps.self.apps.hub;
    if (!config) return;
    const kept = await driver('hub', config).status('hub');
    if (!kept?.hold) return;
    if (journal.unreadable.length > 0) await distrust(journal.unreadable.join(', '), 'hub', config);
    else await driver('hub', config).release('hub');
  }

  async function resumption(entry: JournalEntry, config: AppConfig) {
    const { app } = entry.order;
    const { kind, status } = driver(app, config);
    // The keeper alone knows. Who starts the app may not answer now: that must not keep it from being put in order.
    const entryWithKeeper = await (isSelf(app) ? status(app) : deps.drivers.kept.status(app));
    const { fellBack, fellBackFor } = entryWithKeeper ?? { fellBack: false };
    if (app === 'agent') return resumeSelf(entry, { fellBack, fellBackFor, runs: deps.self.runs() });
    return resume(entry, { fellBack, mayHaveRun: mayHaveRun(entry, kind, slots(app).current()) });
  }

  /** An interrupted update goes on. @throws where its journal can't be written, or the keeper does not answer */
  async function takeUp(entry: JournalEntry): Promise<void> {
    const { app, update } = entry.order;
    const config = policy.app(app);
    if (!config) {
      // The file no longer names the app: nothing may be done to it any more, and the asker is told.
      await abandon(entry);
      const problem = { code: 'capability_denied', data: { app }, retryable: false };
      const ended: JournalEntry = { ...entry, state: 'failed', problem, seq: entry.seq + 1_000 };
      writeOrMakeRoom({ ...ended, outcome: outcomeOf(ended, 'failed', clock.now()) });
      return;
    }
    const { state, patch } = await resumption(entry, config);
    const next = { ...entry, ...patch, state, seq: entry.seq + 1_000 };
    writeOrMakeRoom(next);
    deps.log(`${update} ${app}: was interrupted in ${entry.state}, goes on in ${state}`);
    begin(next, config);
  }

  /** One update that can't go on must not keep the others, nor the agent, from their work. Never throws. */
  async function takeUpLater(entry: JournalEntry): Promise<void> {
    for (;;) {
      await delay(TAKE_UP_MS, undefined, { signal: shutdown.signal }).catch(() => undefined);
      if (shutdown.signal.aborted) return;
      try {
        return await takeUp(entry);
      } catch {
        // Told once; the keeper's hold stands behind it.
      }
    }
  }

  return {
    async recover() {
      journal.setAside();
      journal.prune(clock.now());
      const interrupted = journal.list().filter((entry) => !isFinal(entry.state));
      const busy = new Set(interrupted.map((entry) => entry.order.app));
      const handing = await letGo.changed(new Set(interrupted.filter(isTouched).map(({ order }) => order.app)));
      for (const [app, config] of Object.entries(policy.apps)) {
        if (busy.has(app) || handing.has(app)) continue;
        try {
          if (journal.unreadable.length > 0) await distrust(journal.unreadable.join(', '), app, config);
          else await keep(app, config);
        } catch (error) {
          deps.log(`${app} could not be started: ${deps.redact(app, String(error))}`);
        }
      }
      if (!busy.has('hub')) await freeHub();
      await letGo.unnamed(busy);
      // Before the first of them goes on: whoever was past the gate is past it still.
      for (const entry of interrupted)
        if (isTouched(entry) && policy.app(entry.order.app)) deps.gate.force(entry.order.app);
      for (const entry of interrupted)
        if (policy.app(entry.order.app) && isFetched(entry)) deps.bound.force(entry.order.app);
      for (const entry of interrupted) {
        try {
          await takeUp(entry);
        } catch (error) {
          deps.log(`ALARM ${entry.order.update} ${entry.order.app}: can't go on yet: ${String(error)}`);
          void takeUpLater(entry);
        }
      }
      // Not before: while something is interrupted, the room is for its journal.
      if (interrupted.length === 0) deps.ballast.fill();
    },

    take: (order, hubNow, onTaken) => accept(order, () => policy.admit(order, hubNow), onTaken),

    takeLocal: (order, onTaken) => accept(order, () => policy.admitLocal(order), onTaken),

    cancel(update) {
      for (const { task } of tasks.values()) {
        if (task.entry.order.update === update) return { accepted: task.cancel(), state: task.entry.state };
      }
      const entry = journal.get(update);
      return entry && { accepted: entry.state === 'cancelled', state: entry.state };
    },

    insist(update, on) {
      for (const { task } of tasks.values()) {
        if (task.entry.order.update !== update) continue;
        const accepted = on === 'force' ? task.force() : task.hold();
        if (accepted) deps.log(`${update} ${task.app}: a person wants to ${on}`);
        return { accepted, state: task.entry.state };
      }
      const entry = journal.get(update);
      return entry && { accepted: false, state: entry.state };
    },

    inventory: () => takeInventory(everything()),

    tell() {
      for (const { task } of tasks.values()) deps.onReport(task.entry, undefined, task.waitsFor);
    },

    outcomes() {
      const ended = journal.list().filter((entry) => entry.outcome !== null && isFinal(entry.state));
      return ended
        .sort((a, b) => Number(a.acknowledgedAt !== null) - Number(b.acknowledgedAt !== null))
        .flatMap((entry) => messageOf(entry) ?? []);
    },

    acknowledge(update) {
      const entry = journal.get(update);
      if (entry && entry.acknowledgedAt === null) journal.write({ ...entry, acknowledgedAt: clock.now() });
    },

    isBusy: (app) => tasks.has(app),

    replacingSelf: () =>
      journal.list().some((entry) => entry.order.app === 'agent' && !isFinal(entry.state) && isTouched(entry)),
    backups(app) {
      if (!policy.app(app)) throw new FettleError('capability_denied', { data: { app, what: `the app ${app}` } });
      return shelf.list(app);
    },

    retryStranded: () => stranded.retry(),

    pruneBackups() {
      const busy = new Set(journal.list().flatMap((entry) => (isFinal(entry.state) ? [] : [entry.order.app])));
      for (const [app] of everything()) {
        if (tasks.has(app) || busy.has(app)) pruneLater.add(app);
        else shelf.prune(app);
      }
    },

    async stop() {
      shutdown.abort();
      await Promise.allSettled([...tasks.values()].map(({ done }) => done));
    },
  };
}
