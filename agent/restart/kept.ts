import { join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { HomeLayout } from '../../config/home.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { type KeeperClient, KeeperRefusal } from '../keeper/client.ts';
import { pidsOf } from '../keeper/processes.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import type { RestartDriver } from './contract.ts';
import { findReceiver, notifyPaths, receiving, saidReady } from './notify.ts';
import { argvOf, environmentOf, homeOf, type Surroundings } from './surroundings.ts';

export interface KeptDriverDeps extends Surroundings {
  readonly keeper: KeeperClient;
  readonly layout: HomeLayout;
}

/** The keeper starts and stops the app itself. */
export function createKeptDriver(deps: KeptDriverDeps): RestartDriver {
  const { keeper, layout } = deps;
  return {
    kind: 'kept',
    define: async (app, config) => {
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
      try {
        ({ gone } = await keeper.ask(
          'stop',
          { app, signal: config.stop.signal, graceMs },
          { timeoutMs: graceMs + 20_000 },
        ));
      } catch (error) {
        if (error instanceof KeeperRefusal && error.code === 'unknown_app') return;
        throw toFettleError(error, 'stop_failed', { app });
      }
      if (!gone) throw new FettleError('stop_failed', { data: { app, reason: 'something of it survived SIGKILL' } });
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

/** How the keeper starts an app: in its slot (one executable: in its folder), without a shell, with a minimal environment. */
export function specFor(deps: KeptDriverDeps, app: string, config: AppConfig): KeepSpec {
  const { layout } = deps;
  const home = homeOf(config);
  const argv = config.run === undefined && config.binary ? [config.binary] : argvOf(deps, config.run ?? '', home);
  const receiver = config.healthy.notify ? findReceiver(deps.basicEnvironment.PATH) : undefined;
  return {
    dir: layout.app(app).dir,
    argv: receiver ? receiving(receiver, notifyPaths(layout, app), argv) : argv,
    cwd: home,
    env: environmentOf(deps, app, config),
    log: layout.appLog(app),
    stopSignal: config.stop.signal,
    graceMs: config.stop.grace,
  };
}
