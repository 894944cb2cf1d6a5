import { join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import type { App, AppDeps, StopOptions } from './contract.ts';
import { endStart } from './end.ts';
import { afterBoot, leftMs, newHold } from './hold.ts';
import type { KeptRecord } from './keep-file.ts';
import { type Log, reasonOf } from './log.ts';
import { bootId, monotonicMs } from './proc.ts';
import type { Started } from './protocol.ts';
import { adoptedRun, forgetExit, heirOf, ownRun, type Run, readExit } from './run.ts';
import { type FoundProcess, findByStartId } from './scan.ts';
import { currentSlotOf, goToSlot, lastGoodOf } from './slots.ts';
import { prepareStart, spawnApp } from './spawn.ts';
import { after, restartDelay, UNCOMMITTED_STARTS } from './times.ts';

/**
 * One kept app. Everything that changes it goes through one queue, so that requests, crashes, restarts and expired
 * holds come one after the other, each seeing what the one before it left.
 *
 * Invariants: nothing is spawned while any process of an earlier start lives; a start's id is on disk before its
 * spawn; an app under a hold is started by request only (but for the agent, which nobody else could ask for).
 *
 * @param found processes of `startId` that are alive already
 */
export function createApp(deps: AppDeps, found: readonly FoundProcess[]): App {
  const { name, file, times } = deps;
  const isAgent = name === 'agent';
  const counts = isAgent || name === 'hub';
  const log: Log = (text) => deps.log(`${name}: ${text}`);
  const exitFile = (startId: string) => join(deps.exits, startId);

  let run: Run | null = null;
  /** No process of an earlier start can be alive. */
  let clean = found.length === 0;
  let failures = 0;
  let restartTimer: NodeJS.Timeout | undefined;
  let holdTimer: NodeJS.Timeout | undefined;
  let tail: Promise<unknown> = Promise.resolve();

  adopt();

  function queue<T>(work: () => T | Promise<T>): Promise<T> {
    const result = tail.then(work);
    tail = result.catch(() => {});
    return result;
  }

  /** For work that nobody waits for. */
  function soon(work: () => unknown): void {
    queue(work).catch((error: unknown) => log(`ALARM ${reasonOf(error)}`));
  }

  function record(): KeptRecord {
    const found = file.get(name);
    if (!found) throw new FettleError('unknown_app', { data: { app: name } });
    return found;
  }

  /** May only the agent start it? */
  function heldByAgent(): boolean {
    const hold = record().hold;
    return hold !== null && !isAgent && !hold.expired;
  }

  // --- starting

  async function launch(): Promise<Started> {
    if (deps.ending()) throw new FettleError('busy', { data: { reason: 'the keeper is ending' }, retryable: true });
    clearTimeout(restartTimer);
    const { spec, startId: last } = record();
    if (!clean && last !== null && findByStartId(last).length > 0) {
      throw new FettleError('start_failed', { data: { reason: 'processes of the last start are still alive' } });
    }
    clean = true;
    const prepared = prepareStart(spec, deps.environment);
    const startId = idOnDisk();
    const exit = exitFile(startId);
    forgetExit(exit);
    const marks = { FETTLE_START: startId, FETTLE_APP: name };
    const child = await spawnApp(prepared, marks, { log: spec.log, exit }, log);
    const at = Date.now();
    run = ownRun(child, { startId, slot: prepared.slot, at, exitFile: exit, pollMs: times.poll });
    clean = false;
    follow(run);
    file.note(name, {
      startId,
      nextStartId: deps.newStartId(name),
      desired: 'running',
      started: { at, slot: prepared.slot, boot: bootId() },
      starts: counts ? record().starts + 1 : 0,
    });
    file.flush();
    if (last !== null && last !== startId) forgetExit(exitFile(last));
    log(`started from ${run.slot}, pid ${run.pid}`);
    return { startId, pid: run.pid, slot: run.slot, at };
  }

  /**
   * The id for the next start. It was written with the start before, so that none waits for the disk; where the disk
   * is full the last one is taken again, which is as good, since nothing that carries it is alive.
   */
  function idOnDisk(): string {
    const { nextStartId, startId } = record();
    if (nextStartId !== null && file.knows(nextStartId)) return nextStartId;
    const fresh = nextStartId ?? deps.newStartId(name);
    file.note(name, { nextStartId: fresh });
    if (file.flush()) return fresh;
    if (startId !== null && file.knows(startId)) return startId;
    throw new FettleError('no_space', { data: { reason: 'keep.json cannot be written' }, retryable: true });
  }

  /** A start that somebody asked for: where it is not possible it is tried again, and they are told. */
  async function startNow(): Promise<Started> {
    file.note(name, { desired: 'running' });
    try {
      return await launch();
    } catch (error) {
      if (!deps.ending()) await failed(`can't be started: ${reasonOf(error)}`, false);
      throw error;
    }
  }

  /** A start of the keeper's own. */
  async function tryLaunch(): Promise<void> {
    if (deps.ending()) return;
    const { startId } = record();
    if (!clean && startId !== null) await endWhatIsLeft(startId);
    try {
      await launch();
    } catch (error) {
      await failed(`can't be started: ${reasonOf(error)}`, false);
    }
  }

  /** An end nobody asked for, or a start that was not possible. */
  async function failed(what: string, spawned: boolean): Promise<void> {
    const { crashes, starts } = record();
    file.note(name, { started: null, crashes: crashes + 1, ...(counts && !spawned ? { starts: starts + 1 } : {}) });
    log(what);
    const { desired, hold, fellBack } = record();
    if (deps.ending() || desired !== 'running' || heldByAgent()) return;
    if (hold?.expired && !fellBack) return fallBack();
    if (await goToLastGoodWhenUncommitted()) return;
    failures += 1;
    const wait = restartDelay(failures, counts, times);
    log(`restart in ${wait} ms`);
    clearTimeout(restartTimer);
    restartTimer = after(wait, () => soon(restartNow));
  }

  async function restartNow(): Promise<void> {
    const { desired, hold } = record();
    if (run !== null || desired !== 'running' || heldByAgent()) return;
    await (hold?.expired ? fallBack() : tryLaunch());
  }

  /** Three starts of the agent or the hub without `commit`: the version before is started instead. */
  async function goToLastGoodWhenUncommitted(): Promise<boolean> {
    const { starts, hold, spec, lastExit } = record();
    if (!counts || starts < UNCOMMITTED_STARTS) return false;
    if (isAgent) deps.agentFailed();
    const slot = hold?.fallback ?? lastGoodOf(spec.dir);
    if (slot === undefined || switchTo(slot) !== 'switched') return false;
    log(`ALARM ${starts} starts without commit: ${slot} is started instead`);
    clearTimeout(holdTimer);
    const fellBackFor = { why: 'ends', code: lastExit?.code ?? null } as const;
    file.note(name, { starts: 0, hold: null, fellBack: true, fellBackFor });
    failures = 0;
    await tryLaunch();
    return true;
  }

  function switchTo(slot: string): 'switched' | 'there' | 'failed' {
    try {
      return goToSlot(record().spec.dir, slot) ? 'switched' : 'there';
    } catch (error) {
      log(`ALARM current can't be pointed at ${slot}: ${reasonOf(error)}`);
      return 'failed';
    }
  }

  // --- ending

  function follow(followed: Run): void {
    void followed.ended.then((code) => soon(() => hasEnded(followed, code)));
  }

  async function hasEnded(ended: Run, code: number | null): Promise<void> {
    if (run !== ended) return;
    run = heldByAgent() ? heirOf(ended, record().spec, times.poll) : null;
    if (run !== null) return follow(run);
    const steady = monotonicMs() - ended.since >= times.steady;
    if (steady) failures = 0;
    // The agent proves a hub from outside, so one that lived was well; an agent that hangs has to say so itself.
    const wasWell = steady && !isAgent;
    file.note(name, { lastExit: { code, at: Date.now() }, ...(wasWell ? { starts: 0 } : {}) });
    await endWhatIsLeft(ended.startId);
    await failed(`ended by itself, exit ${code ?? 'unknown'}`, true);
  }

  /** What a crashed app leaves behind would hold its ports and files. */
  async function endWhatIsLeft(startId: string): Promise<void> {
    const { stopSignal: signal, graceMs } = record().spec;
    clean = await endStart(startId, { signal, graceMs, survivorMs: times.survivor, log });
    if (!clean) log('ALARM processes of the last start outlived SIGKILL');
  }

  async function end(how: StopOptions): Promise<{ gone: boolean; exit: number | null }> {
    clearTimeout(restartTimer);
    failures = 0;
    const { spec, hold, desired, startId, starts, lastExit } = record();
    if (!how.keepDesired && desired !== 'stopped') file.note(name, { desired: 'stopped' });
    // Under a hold it is not started anyway, so the disk may wait; otherwise it is written while the app ends.
    let toWrite = !how.keepDesired && desired !== 'stopped' && hold === null;
    const write = () => {
      if (toWrite) file.flush();
      toWrite = false;
    };
    const ending = run;
    let exit = lastExit?.code ?? null;
    if (startId !== null && (ending !== null || !clean)) {
      clean = await endStart(startId, {
        signal: how.signal ?? spec.stopSignal,
        graceMs: how.graceMs ?? spec.graceMs,
        ...(ending?.own ? { ended: ending.ended } : {}),
        afterSignal: write,
        survivorMs: times.survivor,
        log,
      });
      run = null;
      if (ending !== null) {
        exit = ending.own && clean ? await ending.ended : readExit(exitFile(startId));
        file.note(name, {
          lastExit: { code: exit, at: Date.now() },
          started: null,
          // It was ended, it did not fail.
          starts: Math.max(0, starts - 1),
        });
      }
      log(clean ? `stopped, exit ${exit ?? 'unknown'}` : 'ALARM processes outlived SIGKILL');
    }
    write();
    return { gone: clean, exit };
  }

  // --- holds

  function armHold(): void {
    clearTimeout(holdTimer);
    const hold = record().hold;
    if (hold === null || hold.expired) return;
    holdTimer = after(leftMs(hold), () => {
      soon(() => {
        const now = file.get(name)?.hold;
        if (!now || now.expired) return;
        if (leftMs(now) > 0) armHold();
        else return expireNow();
      });
    });
  }

  async function expireNow(): Promise<void> {
    const hold = file.get(name)?.hold;
    if (!hold || deps.ending()) return;
    log('its hold is over');
    if (isAgent) {
      // Nobody has said that the new agent is well: hanging is as bad as crashing.
      await end({ keepDesired: true });
      return fallBack();
    }
    file.note(name, { hold: { ...hold, expired: true } });
    if (run === null) await fallBack();
  }

  /** The keeper's own way out of an update whose agent did not come back. */
  async function fallBack(): Promise<void> {
    const { hold } = record();
    clearTimeout(holdTimer);
    const { dir } = record().spec;
    const slot = hold?.fallback ?? (isAgent ? lastGoodOf(dir) : undefined);
    if (slot === undefined && !isAgent) {
      log('there is nothing to fall back to');
      file.note(name, { hold: null, desired: 'stopped' });
      return;
    }
    // Where the disk refuses even that, what is there is started, and the switch is tried again when it ends.
    const stuck = slot !== undefined && switchTo(slot) === 'failed';
    if (!stuck) failures = 0;
    file.note(name, {
      hold: stuck && hold ? { ...hold, expired: true } : null,
      fellBack: true,
      fellBackFor: { why: 'time' },
      desired: 'running',
      starts: 0,
    });
    log(`ALARM the agent did not come back: ${slot ?? 'what is there'} is started`);
    await tryLaunch();
  }

  // --- an earlier keeper's work

  function adopt(): void {
    const { spec, startId, started } = record();
    // A status means that the app has ended: what is found is what it left behind.
    if (startId === null || found.length === 0 || readExit(exitFile(startId)) !== null) return;
    const facts = { startId, slot: started?.slot || currentSlotOf(spec.dir), at: started?.at ?? Date.now() };
    run = adoptedRun(found, { ...facts, exitFile: exitFile(startId), pollMs: times.poll });
    clean = false;
    log(`adopted, pid ${run.pid}`);
    follow(run);
  }

  async function resumeNow(): Promise<void> {
    const { desired, startId, started, crashes, starts } = record();
    const left = record().hold;
    const hold = left && afterBoot(left);
    if (hold !== left) file.note(name, { hold });
    armHold();
    if (run !== null) {
      if (desired === 'stopped' && hold === null) await end({});
      return;
    }
    if (!clean && startId !== null) await endWhatIsLeft(startId);
    if (started !== null && startId !== null) {
      const crashed = started.boot === bootId() && !heldByAgent();
      const lastExit = { code: readExit(exitFile(startId)), at: Date.now() };
      file.note(name, { started: null, crashes: crashed ? crashes + 1 : crashes, lastExit });
    }
    if (hold?.expired) return fallBack();
    if (heldByAgent() || desired !== 'running') return;
    if (starts >= UNCOMMITTED_STARTS && (await goToLastGoodWhenUncommitted())) return;
    await tryLaunch();
  }

  return {
    status() {
      const { desired, hold, crashes, lastExit, fellBack, fellBackFor } = record();
      return {
        desired,
        running: run && { startId: run.startId, pid: run.pid, slot: run.slot, at: run.at },
        hold: hold && { fallback: hold.fallback, leftMs: leftMs(hold) },
        crashes,
        lastExit,
        fellBack,
        ...(fellBack && fellBackFor ? { fellBackFor } : {}),
      };
    },
    keep: (spec) => queue(() => file.settle(name, { ...record(), spec })),
    start: () =>
      queue(async () => {
        // The end of an adopted app is seen late; who asks now must not be answered with the dead.
        if (run && !run.own && findByStartId(run.startId).length === 0) {
          await hasEnded(run, readExit(exitFile(run.startId)));
        }
        return run ? { startId: run.startId, pid: run.pid, slot: run.slot, at: run.at } : startNow();
      }),
    restart: () =>
      queue(async () => {
        await end({ keepDesired: true });
        return startNow();
      }),
    stop: (how = {}) => queue(() => end(how)),
    hold: (hold) =>
      queue(() => {
        file.settle(name, { ...record(), hold: newHold(hold), fellBack: false });
        armHold();
      }),
    release: () =>
      queue(async () => {
        file.settle(name, { ...record(), hold: null, crashes: 0, starts: 0, fellBack: false });
        clearTimeout(holdTimer);
        failures = 0;
        await restartNow();
      }),
    commit: () =>
      queue(() => {
        // A hub says at its start that it serves; that it is the one to go back to is for the agent to find out.
        const { hold, fellBack } = record();
        const forgotten = isAgent ? { hold: null, fellBack: false } : { hold, fellBack };
        file.settle(name, { ...record(), ...forgotten, crashes: 0, starts: 0 });
        if (isAgent) clearTimeout(holdTimer);
        failures = 0;
      }),
    replace: (next) =>
      queue(() => {
        if (run !== null || !clean) throw new FettleError('busy', { data: { reason: 'it runs' } });
        clearTimeout(holdTimer);
        clearTimeout(restartTimer);
        file.settle(name, next);
      }),
    resume: () => queue(resumeNow),
    expire: () => queue(expireNow),
    async idle() {
      await tail;
    },
  };
}
