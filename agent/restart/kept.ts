import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { HomeLayout } from '../../config/home.ts';
import { isSelf } from '../../src/domain/app.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { type KeeperClient, KeeperRefusal } from '../keeper/client.ts';
import { type ProcessIdentity, pidsOf } from '../keeper/processes.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import type { RestartDriver } from './contract.ts';
import { endLeftovers } from './leftovers.ts';
import { findReceiver, notifyPaths, receiving, saidReady } from './notify.ts';
import { findRunning, programsOf, stillAlive } from './running.ts';
import { argvOf, environmentOf, homeOf, type Surroundings } from './surroundings.ts';
import { cannotReach, makeReachable, runAs, userOf } from './user.ts';

export interface KeptDriverDeps extends Surroundings {
  readonly keeper: KeeperClient;
  readonly layout: HomeLayout;
}

/** The keeper starts and stops the app itself. */
export function createKeptDriver(deps: KeptDriverDeps): RestartDriver {
  const { keeper, layout } = deps;
  async function prepare(app: string, config: AppConfig): Promise<void> {
    const user = userOf(app, config);
    if (user) makeReachable(layout, app, user, config.keep);
  }

  /** Files are handed over, and it is tried whether that was enough. */
  async function prepareAndTry(app: string, config: AppConfig): Promise<void> {
    await prepare(app, config);
    const user = userOf(app, config);
    if (!user) return;
    const { current, releases } = layout.app(app);
    const [program = ''] = argvFor(deps, config);
    const reason = cannotReach(user, [
      existsSync(current) ? current : releases,
      ...(isAbsolute(program) && !program.startsWith('{slot}') ? [program] : []),
    ]);
    if (reason) throw new FettleError('driver_unusable', { data: { app, driver: config.restart.kind, reason } });
  }

  return {
    kind: 'kept',
    usable: async (app, config) => void userOf(app, config),
    prepare,
    define: async (app, config) => {
      await prepareAndTry(app, config);
      await keeper.ask('keep', { app, spec: specFor(deps, app, config) });
    },
    forget: async (app) => {
      await keeper.ask('forget', { app });
    },
    hold: async (app, fallback, forMs) => {
      await keeper.ask('hold', {
        app,
        hold: { fallback: fallback === null ? null : join('releases', fallback), forMs },
      });
    },
    release: async (app) => {
      await keeper.ask('release', { app });
    },
    async stop(app, config) {
      const graceMs = config.stop.grace;
      let gone: boolean;
      let before: readonly ProcessIdentity[] = [];
      const programs = programsOf(app, layout.app(app), config);
      try {
        // Before, while it still answers, so that the look takes none of its outage. Of Fettle's own slots the keeper and
        // the tools run as well.
        if (!isSelf(app)) before = findRunning(programs);
        const stopping = keeper.ask(
          'stop',
          { app, signal: config.stop.signal, graceMs },
          { timeoutMs: graceMs + 20_000 },
        );
        ({ gone } = await stopping);
      } catch (error) {
        if (error instanceof KeeperRefusal && error.code === 'unknown_app') return;
        throw toFettleError(error, 'stop_failed', { app });
      }
      if (!gone) throw new FettleError('stop_failed', { data: { app, reason: 'something of it survived SIGKILL' } });
      if (stillAlive(before).length > 0) await endLeftovers(programs, config);
    },
    async start(app) {
      try {
        return await keeper.ask('start', { app });
      } catch (error) {
        throw toFettleError(error, 'start_failed', { app, log: layout.appLog(app) });
      }
    },
    pids: async (_app, startId) => pidsOf(startId),
    ...(findReceiver(deps.basicEnvironment.PATH)
      ? { ready: async (app: string, startId: string) => saidReady(notifyPaths(layout, app), startId) }
      : {}),
    list: async () => Object.keys((await keeper.ask('status', {})).apps),
    async status(app) {
      return (await keeper.ask('status', {})).apps[app];
    },
  };
}

/** The command, as it is started; one executable by its path as it is, whatever is in its name. */
function argvFor(deps: Pick<Surroundings, 'node'>, config: AppConfig): readonly string[] {
  return config.run === undefined && config.binary ? [config.binary] : argvOf(deps, config.run ?? '', homeOf(config));
}

/**
 * How the keeper starts an app: in its slot (one executable: in its folder), without a shell, with a minimal environment,
 * as its user.
 * @throws {FettleError} `driver_unusable` where it can't be started as that user
 */
export function specFor(deps: KeptDriverDeps, app: string, config: AppConfig): KeepSpec {
  const { layout } = deps;
  const user = userOf(app, config);
  const { argv, env } = runAs(user, argvFor(deps, config), environmentOf(deps, app, config));
  const receiver = config.healthy.notify ? findReceiver(deps.basicEnvironment.PATH) : undefined;
  return {
    dir: layout.app(app).dir,
    argv: receiver ? receiving(receiver, notifyPaths(layout, app), argv) : argv,
    cwd: homeOf(config),
    env,
    log: layout.appLog(app),
    stopSignal: config.stop.signal,
    graceMs: config.stop.grace,
  };
}
