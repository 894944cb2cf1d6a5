import { join } from 'node:path';
import { FettleError } from '../../src/domain/errors.ts';
import type { App, AppDeps, StopOptions } from './contract.ts';
import { afterBoot, leftMs, newHold } from './hold.ts';
import type { KeptRecord } from './keep-file.ts';
import { type Log, reasonOf } from './log.ts';
import { allPids, bootId, monotonicMs } from './proc.ts';
import { isAlive } from './processes.ts';
import type { Started } from './protocol.ts';
import { forgetExit, readExit } from './run.ts';
import { commandLine, identityOf, type ProcessIdentity, WRAPPER_NAME } from './scan.ts';
import { goToSlot } from './slots.ts';
import { prepareStart, spawnApp } from './spawn.ts';
import { after, delay, restartDelay } from './times.ts';

/** One run of the command: the shell above it, which is also its group. */
interface Command extends Started {
  readonly shell: ProcessIdentity;
  readonly exitFile: string;
}

/**
 * An entry whose command runs to its end (`once`): something else keeps the app, and this starts it there. Status 0 is
 * done; anything else is tried again with backoff, until it is done or a stop is asked for.
 *
 * Invariants: what the command leaves behind is not the entry's, carries no mark, and is never ended with it; the
 * command runs once at a time, also over two keepers; it is run by request, or because a hold on it is over, and by
 * nothing else.
 */
export function createOnce(deps: AppDeps): App {
  const { name, file, times } = deps;
  const log: Log = (text) => deps.log(`${name}: ${text}`);

  let command: Command | null = null;
  let failures = 0;
  let retryTimer: NodeJS.Timeout | undefined;
  let holdTimer: NodeJS.Timeout | undefined;
  let tail: Promise<unknown> = Promise.resolve();

  function queue<T>(work: () => T | Promise<T>): Promise<T> {
    const result = tail.then(work);
    tail = result.catch(() => {});
    return result;
  }

  function soon(work: () => unknown): void {
    queue(work).catch((error: unknown) => log(`ALARM ${reasonOf(error)}`));
  }

  function record(): KeptRecord {
    const found = file.get(name);
    if (!found) throw new FettleError('unknown_app', { data: { app: name } });
    return found;
  }

  function heldByAgent(): boolean {
    const { hold } = record();
    return hold !== null && !hold.expired;
  }

  async function launch(): Promise<Started> {
    if (deps.ending()) throw new FettleError('busy', { data: { reason: 'the keeper is ending' }, retryable: true });
    clearTimeout(retryTimer);
    const { spec, startId: last } = record();
    const prepared = prepareStart(spec, deps.environment);
    const startId = deps.newStartId(name);
    const exitFile = join(deps.exits, startId);
    // On disk before the spawn, so that the next keeper finds the command while it runs.
    file.note(name, { startId });
    if (!file.flush())
      throw new FettleError('no_space', { data: { reason: 'keep.json cannot be written' }, retryable: true });
    if (last !== null) forgetExit(join(deps.exits, last));
    const child = await spawnApp(prepared, { FETTLE_APP: name }, { log: spec.log, exit: exitFile }, log);
    const at = Date.now();
    command = { startId, pid: child.pid, slot: prepared.slot, at, shell: identityOf(child.pid), exitFile };
    file.note(name, { started: { at, slot: prepared.slot, boot: bootId() } });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    follow(command, ended);
    log(`its command was started, pid ${child.pid}`);
    return startedOf(command);
  }

  /** Resolves its end, or ends it whole when it takes too long. */
  function follow(followed: Command, ended: Promise<unknown>): void {
    const late = after(times.once, () => {
      if (!isAlive(followed.shell)) return;
      log(`ALARM its command did not end within ${times.once} ms: it is ended`);
      signalGroup(followed, 'SIGKILL');
    });
    void ended.then(() => {
      clearTimeout(late);
      soon(() => hasEnded(followed));
    });
  }

  /** Its shell is another keeper's child: it is looked at, since the kernel tells only parents. */
  async function watch(followed: Command): Promise<void> {
    while (isAlive(followed.shell)) await delay(times.poll);
  }

  function hasEnded(ended: Command): void {
    if (command !== ended) return;
    command = null;
    const code = readExit(ended.exitFile);
    file.note(name, { started: null, lastExit: { code, at: Date.now() } });
    if (code === 0) {
      failures = 0;
      file.note(name, { desired: 'stopped' });
      log('its command is done');
    } else {
      failed(`its command ended with status ${code ?? 'unknown'}`);
    }
  }

  function failed(what: string): void {
    file.note(name, { crashes: record().crashes + 1 });
    log(what);
    if (deps.ending() || record().desired !== 'running' || heldByAgent()) return;
    failures += 1;
    const wait = restartDelay(failures, false, times);
    log(`again in ${wait} ms`);
    clearTimeout(retryTimer);
    retryTimer = after(wait, () => soon(retry));
  }

  async function retry(): Promise<void> {
    const { desired, hold } = record();
    if (command !== null || desired !== 'running' || heldByAgent()) return;
    await (hold?.expired ? fallBack() : tryLaunch());
  }

  async function tryLaunch(): Promise<void> {
    if (deps.ending()) return;
    try {
      await launch();
    } catch (error) {
      failed(`its command can't be started: ${reasonOf(error)}`);
    }
  }

  async function end(how: StopOptions): Promise<{ gone: boolean; exit: number | null }> {
    clearTimeout(retryTimer);
    failures = 0;
    if (!how.keepDesired && record().desired !== 'stopped') {
      file.note(name, { desired: 'stopped' });
      file.flush();
    }
    const ending = command;
    if (ending === null) return { gone: true, exit: record().lastExit?.code ?? null };
    const { spec } = record();
    const ended = () => !groupLives(ending);
    signalGroup(ending, how.signal ?? spec.stopSignal);
    let gone = await within(how.graceMs ?? spec.graceMs, ended);
    if (!gone) {
      signalGroup(ending, 'SIGKILL');
      gone = await within(times.survivor, ended);
    }
    command = null;
    const exit = readExit(ending.exitFile);
    file.note(name, { started: null, lastExit: { code: exit, at: Date.now() } });
    log(gone ? `its command was ended, status ${exit ?? 'unknown'}` : 'ALARM its command outlived SIGKILL');
    return { gone, exit };
  }

  function armHold(): void {
    clearTimeout(holdTimer);
    const { hold } = record();
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
    file.note(name, { hold: { ...hold, expired: true } });
    // A command under way is the agent's, and may start what failed: it is waited for, or its time runs out.
    if (command !== null) await end({ keepDesired: true });
    await fallBack();
  }

  /** The agent did not come back: the slot from before the update, and the command that starts the app. */
  async function fallBack(): Promise<void> {
    const { hold, spec } = record();
    clearTimeout(holdTimer);
    const slot = hold?.fallback;
    if (slot === undefined || slot === null) {
      log('there is nothing to fall back to');
      file.note(name, { hold: null, desired: 'stopped' });
      return;
    }
    let stuck = false;
    try {
      goToSlot(spec.dir, slot);
    } catch (error) {
      stuck = true;
      log(`ALARM current can't be pointed at ${slot}: ${reasonOf(error)}`);
    }
    if (!stuck) failures = 0;
    file.note(name, { hold: stuck && hold ? { ...hold, expired: true } : null, fellBack: true, desired: 'running' });
    log(`ALARM the agent did not come back: ${slot} is started`);
    await tryLaunch();
  }

  async function resumeNow(): Promise<void> {
    const { startId, started, desired, fellBack } = record();
    const left = record().hold;
    const hold = left && afterBoot(left);
    if (hold !== left) file.note(name, { hold });
    armHold();
    const exitFile = startId === null ? undefined : join(deps.exits, startId);
    const shell = exitFile === undefined ? undefined : findShell(exitFile);
    if (startId !== null && exitFile !== undefined && shell !== undefined) {
      command = { startId, pid: shell.pid, slot: started?.slot ?? '', at: started?.at ?? Date.now(), shell, exitFile };
      log(`its command still runs, pid ${shell.pid}`);
      follow(command, watch(command));
      return;
    }
    const code = exitFile === undefined || started === null ? undefined : readExit(exitFile);
    if (code !== undefined) file.note(name, { started: null, lastExit: { code, at: Date.now() } });
    if (hold?.expired) return fallBack();
    // At the start of the machine the app is started by who keeps it; a way back that was begun is finished.
    if (desired !== 'running') return;
    if (code === 0 || !fellBack) file.note(name, { desired: 'stopped' });
    else await tryLaunch();
  }

  return {
    status() {
      const { desired, hold, crashes, lastExit, fellBack } = record();
      return {
        desired,
        running: command && startedOf(command),
        hold: hold && { fallback: hold.fallback, leftMs: leftMs(hold) },
        crashes,
        lastExit,
        fellBack,
        once: true,
      };
    },
    keep: (spec) => queue(() => file.settle(name, { ...record(), spec })),
    start: () => queue(startNow),
    restart: () =>
      queue(async () => {
        await end({ keepDesired: true });
        return startNow();
      }),
    stop: (how = {}) => queue(() => end(how)),
    hold: (hold) =>
      queue(() => {
        file.settle(name, { ...record(), hold: newHold(hold), fellBack: false });
        clearTimeout(retryTimer);
        armHold();
      }),
    release: () =>
      queue(async () => {
        file.settle(name, { ...record(), hold: null, crashes: 0, fellBack: false });
        clearTimeout(holdTimer);
        failures = 0;
        await retry();
      }),
    commit: () => queue(() => file.settle(name, { ...record(), crashes: 0 })),
    replace: (next) =>
      queue(() => {
        if (command !== null) throw new FettleError('busy', { data: { reason: 'its command runs' } });
        clearTimeout(holdTimer);
        clearTimeout(retryTimer);
        file.settle(name, next);
      }),
    resume: () => queue(resumeNow),
    expire: () => queue(expireNow),
    async idle() {
      await tail;
    },
  };

  async function startNow(): Promise<Started> {
    if (command !== null) return startedOf(command);
    file.note(name, { desired: 'running' });
    try {
      return await launch();
    } catch (error) {
      if (!deps.ending()) failed(`its command can't be started: ${reasonOf(error)}`);
      throw error;
    }
  }
}

function startedOf({ startId, pid, slot, at }: Command): Started {
  return { startId, pid, slot, at };
}

/** The shell that runs the command whose status goes to this file: an earlier keeper's child. */
function findShell(exitFile: string): ProcessIdentity | undefined {
  for (const pid of allPids()) {
    const words = commandLine(pid);
    if (words[3] !== WRAPPER_NAME || words[4] !== exitFile) continue;
    const identity = identityOf(pid);
    if (isAlive(identity)) return identity;
  }
  return undefined;
}

/** The command with what it started, but for what has made itself a session of its own. */
function signalGroup(command: Command, signal: NodeJS.Signals): void {
  try {
    process.kill(-command.pid, signal);
  } catch {
    // ESRCH: it has ended.
  }
}

/** A group's number is not given again while any of it lives. */
function groupLives(command: Command): boolean {
  return isAlive(command.shell);
}

async function within(ms: number, condition: () => boolean): Promise<boolean> {
  const end = monotonicMs() + ms;
  while (!condition()) {
    if (monotonicMs() >= end) return false;
    await delay(5);
  }
  return true;
}
