import { constants } from 'node:os';
import { basename } from 'node:path';
import type { UpdateState } from '../../src/domain/update.ts';
import { isFinal, stateOf } from '../../src/domain/update.ts';
import type { Problem } from '../../src/protocol/messages.ts';
import { openDeviceAudit } from '../audit/index.ts';
import type { JournalEntry } from '../journal.ts';
import type { KeptApp, Started } from '../keeper/protocol.ts';
import { findByStartId } from '../keeper/scan.ts';
import { UNCOMMITTED_STARTS } from '../keeper/times.ts';
import { readTail } from '../updater/log-tail.ts';
import { asOurs, bring, type State, stateNow } from './bring.ts';
import { candidates, findSlots, isWhole, type SlotsFound } from './candidates.ts';
import { type Charge, refuseOtherUser, takeCharge } from './charge.ts';
import { contextOf } from './context.ts';
import { type Found, Refused, type RescueOptions, type RescueReport } from './contract.ts';
import { endInterrupted, interruptedUpdate, peekJournal } from './go-back.ts';
import { type KnownApp, knowApp } from './known-app.ts';
import { mendKeeper, startScript } from './start-script.ts';

const LOG_LINES = 15;
const LOG_BYTES = 6_000;

/**
 * Gets one app to run again, whatever else is dead: what is there if nothing speaks against it, else its last good
 * version. An update that was interrupted past the point of no return is taken back first, with its data.
 *
 * @returns what came of it; refusals too
 * @throws {FettleError} `home_not_writable`; the signal's reason where it ended the rescue
 */
export async function rescueApp(options: RescueOptions): Promise<RescueReport> {
  const found: Found[] = [];
  const find = (one: Found) => {
    found.push(one);
    options.say({ step: 'found', found: one });
  };
  const bare = { app: options.app, found, already: false, watched: false, log: options.layout.appLog(options.app) };
  let charge: Charge | undefined;
  try {
    refuseOtherUser(options.layout);
    // Before anything is taken: a name that nobody knows must not leave anything behind.
    knowApp(options);
    charge = await takeCharge(options);
    const known = knowApp(options);
    const report = await rescueWith(options, charge, known, { found, find });
    if (charge.agentIsOurs()) {
      const { app, to } = options;
      openDeviceAudit(options).note({ what: 'rescue', app, to, uid: process.getuid?.(), result: report.result });
    }
    return report;
  } catch (error) {
    if (error instanceof Refused) return { ...bare, result: 'refused', refusal: error.refusal };
    throw asOurs(error);
  } finally {
    await charge?.release();
  }
}

interface Finding {
  readonly found: readonly Found[];
  readonly find: (found: Found) => void;
}

async function rescueWith(
  options: RescueOptions,
  charge: Charge,
  first: KnownApp,
  { found, find }: Finding,
): Promise<RescueReport> {
  const { layout, app, signal } = options;
  const { own } = charge;
  const folder = layout.app(app);
  const known = withSpecThatStarts(options, first, (spec) => findSlots(folder, spec, options.environment));
  const context = contextOf(options, charge, known);
  const { slots, driver, journal } = context;
  const look = () => findSlots(folder, known.spec, options.environment);

  await adoptWhatIsThere();
  if (!known.configured) find({ kind: 'no-configuration' });
  if (journal.unreadable.length > 0) find({ kind: 'journal-unreadable', files: journal.unreadable });
  // What the agent does with its own updates it does when it starts.
  const entry = app === 'agent' ? undefined : interruptedUpdate(journal, app);
  if (entry && !charge.agentIsOurs()) {
    if (!options.force) throw new Refused({ why: 'update-runs', update: entry.order.update, state: entry.state });
    await charge.takeAgent();
  }

  // Also what runs without being in `keep.json` is taken charge of by this.
  if (known.kept?.spec !== known.spec) await driver.define(app, known.config);
  const held = (await driver.status(app))?.hold?.fallback?.split('/').at(-1);
  const before = look();
  tellOfCurrent(before, find);
  let ended: JournalEntry | undefined;
  const now = entry && charge.agentIsOurs() ? peekJournal(layout.agent.journal).get(entry.order.update) : undefined;
  if (now && !isFinal(now.state) && stateOf(now.state).phase !== 'safe') {
    find({ kind: 'interrupted', update: now.order.update, state: now.state });
    ended = await endInterrupted(context, now);
    signal.throwIfAborted();
  }

  let state = await stateNow(context);
  let slotsNow = look();
  const stands = slotsNow.current !== undefined && isWhole(slotsNow.current);
  const runsThere = state.started !== undefined && (await runsFrom(state.started));
  const wanted = options.to !== undefined || (options.force && ended === undefined);
  // An agent without a keeper does nothing, however well it is.
  const alone = app === 'agent' && own !== undefined;
  const well = state.result === 'well' && stands && runsThere && !wanted && !alone;
  if (!well && state.result === 'well' && !wanted && !alone && mendLink(slotsNow, state)) {
    slotsNow = look();
  } else if (!well) {
    state = await tryAll();
    slotsNow = look();
  }

  mendLastGood(slotsNow);
  // Nothing is started after this but by a keeper that lives.
  own?.settle();
  if ((await driver.status(app)) && slots.current() !== undefined && app !== 'agent') {
    // Where the disk refuses it, the hold runs out by itself.
    await driver.release(app).catch((error: unknown) => options.log(`the hold stays: ${String(error)}`));
  }
  return report();

  /** An executable that was put there by hand is what there is: it can be started, and gone back from. */
  async function adoptWhatIsThere(): Promise<void> {
    const there = slots.current();
    if (there === undefined || !slots.binary?.isStranger()) return;
    try {
      await slots.binary.adopt(there, slots.record(there)?.version ?? '', options.clock.now(), signal);
    } catch (error) {
      // A full or read-only disk: it is started all the same, where something else names it.
      options.log(`${app}: what is installed could not be kept: ${String(error)}`);
    }
  }

  async function runsFrom(started: Started): Promise<boolean> {
    const current = slotsNow.current?.slot;
    if (!slots.binary || current === undefined) return basename(started.slot) === current;
    return slots.runs(current, await driver.pids(app, started.startId));
  }

  async function tryAll(): Promise<State> {
    const crashes = crashesInRow(await driver.status(app));
    if (state.started !== undefined && state.result !== 'well') tellOfState(state, slotsNow.current?.record?.version);
    else if (crashes > 0) find({ kind: 'crashed', times: crashes });
    const failedNow = state.started !== undefined && !alone;
    const trustCurrent = !options.force && crashes === 0 && !failedNow && ended?.state !== 'rollback-failed';
    const list = candidates({
      found: slotsNow,
      to: options.to,
      // A journal that can be read says more than a hold.
      held: entry || held === '.' ? undefined : held,
      trustCurrent,
    });
    if (list.length === 0) {
      const names = slotsNow.all.map(({ slot, record }) => ({ slot, ...(record ? { version: record.version } : {}) }));
      throw new Refused(
        options.to === undefined && names.length === 0
          ? { why: 'not-installed' }
          : { why: 'no-such-slot', slots: names },
      );
    }
    const waiting = now && stateOf(now.state).phase === 'safe' && !isFinal(now.state) ? now : undefined;
    if (waiting) ended = await endInterrupted(context, waiting);
    let last: State = { result: 'not-started' };
    for (const [index, target] of list.entries()) {
      last = app === 'agent' && own ? await bringAgent(target.slot) : await bring(context, target);
      if (last.result === 'well') return last;
      if (index < list.length - 1) tellOfState(last, target.record?.version ?? target.slot);
    }
    return last;
  }

  /** An agent works under a keeper alone: the device's own start script starts both, and everything else. */
  async function bringAgent(slot: string): Promise<State> {
    slots.activate(slot);
    mendKeeper(layout, slots.path(slot));
    await charge.release();
    options.say({ step: 'keeper-starting' });
    return startScript(options);
  }

  /** It runs and is well, but `current` names something else: only the link has to be mended. */
  function mendLink(seen: SlotsFound, { started }: State): boolean {
    // Of one executable, what is installed is seen.
    const slot = slots.binary ? (slots.current() ?? '') : basename(started?.slot ?? '');
    const there = seen.all.find((one) => one.slot === slot);
    if (!there || !isWhole(there)) return false;
    slots.activate(slot);
    return true;
  }

  function mendLastGood({ lastGood, current, all }: SlotsFound): void {
    if (!lastGood || isWhole(lastGood) || lastGood.fault === undefined) return;
    const whole = all.filter(isWhole).toSorted((a, b) => (b.record?.sealedAt ?? 0) - (a.record?.sealedAt ?? 0));
    const other = whole.find(({ slot }) => slot !== current?.slot) ?? whole[0];
    if (other) slots.setLastGood(other.slot);
    find({ kind: 'last-good', slot: lastGood.slot, fault: lastGood.fault, now: other?.slot ?? null });
  }

  function tellOfState({ result, problem }: State, version = ''): void {
    if (result !== 'well' && problem) find({ kind: result, version, problem });
  }

  async function report(): Promise<RescueReport> {
    const { current } = slotsNow;
    const bad = state.result !== 'well';
    const problem: Problem | undefined = bad ? state.problem : undefined;
    const tail = bad ? known.redact(readTail(layout.appLog(app), LOG_LINES, LOG_BYTES)) : '';
    return {
      app,
      found,
      result: state.result,
      already: well && ended === undefined,
      ...(current?.record ? { version: current.record.version, slot: current.slot } : {}),
      ...(state.started ? { pid: ownPid(state.started.startId) ?? state.started.pid } : {}),
      ...(known.config.healthy.http === undefined ? {} : { address: new URL(known.config.healthy.http).origin }),
      ...(ended ? { update: endOf(ended) } : {}),
      ...(problem ? { problem: { ...problem, data: redacted(problem.data, known) } } : {}),
      ...(tail === '' ? {} : { logTail: tail }),
      log: layout.appLog(app),
      watched: own === undefined || (app === 'agent' && state.result === 'well'),
    };
  }
}

/** The app's own process, not the shell above it. */
function ownPid(startId: string): number | undefined {
  return findByStartId(startId)
    .filter(({ wrapper, unborn }) => !wrapper && !unborn)
    .toSorted((a, b) => a.startTime - b.startTime)[0]?.pid;
}

function tellOfCurrent({ current, all }: SlotsFound, find: (found: Found) => void): void {
  if (!current && all.length > 0) find({ kind: 'current', slot: null, fault: 'no-link' });
  else if (current?.fault) find({ kind: 'current', slot: current.slot, fault: current.fault });
}

function endOf({ order, state, restored, setAside }: JournalEntry): NonNullable<RescueReport['update']> {
  const dataRestored = state !== 'succeeded' && restored.length > 0;
  return { id: order.update, state: state satisfies UpdateState, dataRestored, ...(setAside ? { setAside } : {}) };
}

/**
 * Crashes of an app that was failing again and again when it was last seen; 0 where it was stopped, or failed seldom:
 * counts of weeks ago say nothing against a version.
 */
function crashesInRow(kept: KeptApp | undefined): number {
  const asked = kept?.lastExit?.code === 0 || kept?.lastExit?.code === 128 + constants.signals.SIGTERM;
  return kept && !kept.running && !asked && kept.crashes >= UNCOMMITTED_STARTS ? kept.crashes : 0;
}

/** `keep.json` may name a program that is gone (a Node that was removed): the configuration may know better. */
function withSpecThatStarts(
  { spec }: RescueOptions,
  known: KnownApp,
  look: (spec: KnownApp['spec']) => SlotsFound,
): KnownApp {
  const starts = (one: KnownApp['spec']) => look(one).all.some(isWhole);
  return spec && spec !== known.spec && !starts(known.spec) && starts(spec) ? { ...known, spec } : known;
}

function redacted(data: Problem['data'], known: KnownApp): Problem['data'] {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, typeof value === 'string' ? known.redact(value) : value]),
  );
}
