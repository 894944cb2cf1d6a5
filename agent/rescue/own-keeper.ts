import type { HomeLayout } from '../../config/home.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { createApps } from '../keeper/apps.ts';
import { type KeeperClient, KeeperRefusal } from '../keeper/client.ts';
import { type KeepFile, openKeepFile } from '../keeper/keep-file.ts';
import { takeLock } from '../keeper/lock.ts';
import type { Log } from '../keeper/log.ts';
import type { KeeperRequest } from '../keeper/parse.ts';
import { bootId } from '../keeper/proc.ts';
import { KEEPER_KNOWS } from '../keeper/protocol.ts';
import { answerRequest, type Control } from '../keeper/requests.ts';
import { KEEPER_TIMES } from '../keeper/times.ts';

/** The keeper's work done in this process, while there is no keeper. */
export interface OwnKeeper extends KeeperClient {
  /** Nothing is started from now on. What runs goes on, and the next keeper adopts it. */
  settle(): void;
}

/**
 * A keeper without a socket, for a few apps and a short time: the same code and the same `keep.json`, so that start ids
 * are on disk before a spawn, nothing is run twice, and the keeper that comes later finds what was started here.
 * Holds the keeper's lock until `close`.
 *
 * @throws {FettleError} `home_in_use` where a keeper is alive; `home_not_writable`
 */
export function openOwnKeeper(deps: {
  readonly layout: HomeLayout;
  readonly environment: NodeJS.ProcessEnv;
  readonly only: readonly string[];
  readonly log: Log;
}): OwnKeeper {
  const { layout, environment, only, log } = deps;
  const lock = takeLock(layout.keeper.lock);
  try {
    let open = true;
    const file = closable(openKeepFile(layout.keeper.keep, log), () => open);
    const { home, keeper } = layout;
    const apps = createApps({ home, exits: keeper.exits, file, times: KEEPER_TIMES, environment, log, only });
    // The keeper's own timers keep no process alive: its socket does, and here there is none.
    const awake = setInterval(() => undefined, 60_000);
    const never = () => {
      throw new FettleError('internal', { data: { reason: 'not while the keeper is away' } });
    };
    const control: Control = {
      apps,
      hello: () => ({ pid: process.pid, version: '', boot: bootId(), knows: KEEPER_KNOWS }),
      served: () => undefined,
      renew: never,
      shutdown: never,
    };
    return {
      async ask(op, params) {
        try {
          const request = { id: 0, op, ...params } as unknown as KeeperRequest;
          return ((await answerRequest(request, control)) ?? {}) as never;
        } catch (error) {
          // As it would come over the socket.
          const known = toFettleError(error, 'internal');
          throw new KeeperRefusal(known.code, known.message);
        }
      },
      settle: () => apps.beginEnding(),
      close() {
        if (!open) return;
        apps.beginEnding();
        file.flush();
        open = false;
        clearInterval(awake);
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Once closed, what is seen to end is no concern of ours: the file is the next keeper's. */
function closable(file: KeepFile, open: () => boolean): KeepFile {
  return {
    ...file,
    note: (app, change) => {
      if (open()) file.note(app, change);
    },
    settle: (app, record) => {
      if (open()) file.settle(app, record);
    },
    flush: () => !open() || file.flush(),
  };
}
