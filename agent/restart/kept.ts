import { delimiter, dirname, isAbsolute, join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { HomeLayout } from '../../config/home.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { resolveTarget } from '../install/target.ts';
import { type KeeperClient, KeeperRefusal } from '../keeper/client.ts';
import { pidsOf } from '../keeper/processes.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import { words } from './command-line.ts';
import type { RestartDriver } from './contract.ts';

export interface KeptDriverDeps {
  readonly keeper: KeeperClient;
  readonly layout: HomeLayout;
  /** Node that runs apps of kind package; its folder comes first in their PATH after the slot's programs. */
  readonly node: string;
  /** PATH, HOME, LANG, TZ of this machine. */
  readonly basicEnvironment: Readonly<Record<string, string>>;
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
    list: async () => Object.keys((await keeper.ask('status', {})).apps),
    async status(app) {
      return (await keeper.ask('status', {})).apps[app];
    },
  };
}

/** How the keeper starts an app: in its slot (one executable: in its folder), without a shell, with a minimal environment. */
export function specFor(deps: KeptDriverDeps, app: string, config: AppConfig): KeepSpec {
  const { layout, node } = deps;
  const [program = '', ...rest] = config.run === undefined && config.binary ? [config.binary] : words(config.run ?? '');
  const basic = deps.basicEnvironment;
  // One executable is where it is, and so is what it works on: no slot is asked for.
  const home = config.binary === undefined ? '{slot}' : dirname(resolveTarget(config.binary));
  const path = [
    config.binary === undefined ? join('{slot}', 'node_modules', '.bin') : home,
    dirname(node),
    basic.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  ].join(delimiter);
  const { PATH: _path, ...otherBasics } = basic;
  // A program of the slot is found through PATH, which the keeper resolves at each start; `./x` is a path in the slot.
  const argv0 = isAbsolute(program) || !program.includes('/') ? program : join(home, program);
  return {
    dir: layout.app(app).dir,
    argv: [argv0 === 'node' ? node : argv0, ...rest],
    cwd: home,
    env: { ...otherBasics, ...config.env, PATH: config.env.PATH ?? path, FETTLE_APP: app },
    log: layout.appLog(app),
    stopSignal: config.stop.signal,
    graceMs: config.stop.grace,
  };
}
