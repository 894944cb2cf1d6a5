import { fstatSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import type { HomeLayout } from '../../config/home.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { createApps } from './apps.ts';
import { type KeepFile, openKeepFile } from './keep-file.ts';
import { type Lock, takeLock } from './lock.ts';
import { createKeeperLog, type Log, reasonOf } from './log.ts';
import type { KeeperRequest } from './parse.ts';
import { bootId } from './proc.ts';
import { KEEPER_KNOWS } from './protocol.ts';
import { answerRequest, type Control } from './requests.ts';
import { rotateLog } from './rotate.ts';
import { listen } from './server.ts';
import { after, delay, KEEPER_TIMES, type KeeperTimes } from './times.ts';

export interface KeeperOptions {
  readonly layout: HomeLayout;
  readonly version: string;
  /** Aborting it is a `shutdown`. */
  readonly signal?: AbortSignal;
  /** What apps inherit from. `FETTLE_KEEPER_END` in it means: stop what an earlier keeper left, and end. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Descriptor 3 is a pipe of `fettle up`: its end is a `shutdown`. */
  readonly parentPipe?: boolean;
  readonly times?: Partial<KeeperTimes>;
  readonly log?: Log;
}

/** Exit codes that the start script knows. */
export const EXIT_ENDED = 0;
export const EXIT_RENEW = 75;

/** The exit code for what {@link runKeeper} threw: 2 where another try would not help, 1 where it may (disk, memory). */
export function exitCodeOf(error: unknown): number {
  const final = ['home_in_use', 'home_not_writable', 'bad_arguments'];
  return error instanceof FettleError && final.includes(error.code) ? 2 : 1;
}

const NO_VARIABLES = {};

/** How long `renew` waits for what is under way; whoever asked for it asks the next keeper again. */
const RENEW_WAIT_MS = 2_000;

/**
 * The keeper: parent of the agent, the hub and every kept app of one home. Runs until it is asked to end.
 *
 * @returns the exit code: 0 after `shutdown`, SIGTERM or SIGINT (all apps stopped), 75 after `renew` (all go on).
 *   The caller then ends the process, since apps that go on are still its children.
 * @throws {FettleError} `home_in_use`, `home_not_writable`, `bad_arguments`, before anything was touched
 */
export async function runKeeper(options: KeeperOptions): Promise<number> {
  const { layout, version } = options;
  let file: KeepFile | undefined;
  const log =
    options.log ??
    createKeeperLog(() => (file?.names() ?? []).map((name) => file?.get(name)?.spec.env ?? NO_VARIABLES));
  const environment = options.environment ?? process.env;
  const times = { ...KEEPER_TIMES, ...options.times };
  const parent = options.parentPipe ? openParentPipe() : undefined;

  let finish: (code: number) => void = () => {};
  const finished = new Promise<number>((resolve) => {
    finish = resolve;
  });
  // Before anything else: from here on a signal ends the apps as well.
  let asked = false;
  const shutdown = () => {
    asked = true;
    finish(EXIT_ENDED);
  };
  const stopListening = onSignals(shutdown, options.signal);
  let lock: Lock | undefined;
  try {
    lock = takeLock(layout.keeper.lock);
    const records = openKeepFile(layout.keeper.keep, log);
    file = records;
    if (environment.FETTLE_KEEPER_END) shutdown();
    const apps = createApps({ home: layout.home, exits: layout.keeper.exits, file: records, times, environment, log });
    let renewing = false;
    let stopping: Promise<void> | undefined;
    const stopAll = () => {
      apps.beginEnding();
      stopping ??= apps.stopAll().then(() => void records.flush());
      return stopping;
    };
    const control: Control = {
      apps,
      hello: () => ({ pid: process.pid, version, boot: bootId(), knows: KEEPER_KNOWS }),
      served,
      renew() {
        renewing = true;
        setImmediate(finish, EXIT_RENEW);
      },
      shutdown: () => stopAll().finally(() => setImmediate(finish, EXIT_ENDED)),
    };
    // What is asked after `renew` is left to the next keeper: clients ask again when the connection is lost.
    const answer = (request: KeeperRequest) => (renewing ? new Promise(() => {}) : answerRequest(request, control));
    const server = await listen(layout.runtime.keeperSocket, answer);
    log(`keeper ${version} serves ${layout.home}, pid ${process.pid}`);
    parent?.once('close', shutdown).resume();
    if (!asked) apps.resume();

    const servedTimer = after(times.served, served);
    const rotation = setInterval(() => {
      for (const path of [...apps.logs(), layout.keeper.log]) void rotateLog(path, times.rotateBytes, log);
    }, times.rotateEvery).unref();

    const orphaned = environment.FETTLE_UNIT ? watchParent(() => finish(EXIT_RENEW)) : undefined;

    let code = await finished;
    clearInterval(orphaned);
    if (code === EXIT_RENEW) {
      log('ends for its own update; the apps go on');
      await Promise.race([apps.idle(), delay(RENEW_WAIT_MS)]);
      apps.beginEnding();
    }
    // Asked for meanwhile, too: nobody else would do it.
    if (asked || code === EXIT_ENDED) {
      log('ends, and all apps with it');
      await stopAll();
      code = EXIT_ENDED;
    }
    clearTimeout(servedTimer);
    clearInterval(rotation);
    records.flush();
    server.close();
    return code;
  } finally {
    parent?.destroy();
    stopListening();
    lock?.release();
  }

  /** The start script's counter: this keeper is a good one. */
  function served(): void {
    try {
      rmSync(layout.keeper.starts, { force: true });
    } catch (error) {
      log(`the start counter can't be cleared: ${reasonOf(error)}`);
    }
  }
}

/** SIGHUP is not an end: whoever closes a terminal has not asked for it. */
function onSignals(shutdown: () => void, signal: AbortSignal | undefined): () => void {
  const ignore = () => {};
  process.on('SIGTERM', shutdown).on('SIGINT', shutdown).on('SIGHUP', ignore);
  if (signal?.aborted) shutdown();
  signal?.addEventListener('abort', shutdown, { once: true });
  return () => {
    process.off('SIGTERM', shutdown).off('SIGINT', shutdown).off('SIGHUP', ignore);
    signal?.removeEventListener('abort', shutdown);
  };
}

const PARENT_MS = 500;

/**
 * Under a service manager the start script is what that manager knows: were it killed, the keeper would go on unseen,
 * and could neither be stopped nor watched. So it makes way for the one that is started next, which adopts all.
 */
function watchParent(orphaned: () => void): NodeJS.Timeout {
  const parent = process.ppid;
  return setInterval(() => {
    if (process.ppid !== parent) orphaned();
  }, PARENT_MS).unref();
}

const PARENT_PIPE = 3;

function openParentPipe(): Socket {
  try {
    const stat = fstatSync(PARENT_PIPE);
    if (!stat.isFIFO() && !stat.isSocket()) throw new Error('descriptor 3 is not a pipe');
    const pipe = new Socket({ fd: PARENT_PIPE, readable: true, writable: false });
    return pipe.on('error', () => pipe.destroy());
  } catch (error) {
    throw new FettleError('bad_arguments', { data: { reason: `--parent-pipe: ${reasonOf(error)}` }, cause: error });
  }
}
