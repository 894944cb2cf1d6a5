import { existsSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import type { AppConfig } from '../../config/agent-schema.ts';
import type { HomeLayout } from '../../config/home.ts';
import { isSelf } from '../../src/domain/app.ts';
import { FettleError, toFettleError } from '../../src/domain/errors.ts';
import { type KeeperClient, KeeperRefusal } from '../keeper/client.ts';
import { type ProcessIdentity, pidsOf } from '../keeper/processes.ts';
import type { KeepSpec } from '../keeper/protocol.ts';
import { words } from './command-line.ts';
import type { RestartDriver } from './contract.ts';
import { endLeftovers } from './leftovers.ts';
import { findRunning, programsOf, stillAlive } from './running.ts';
import { asUser, cannotReach, makeReachable, OWN_VARIABLES, userOf, variablesOf } from './user.ts';

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
  const { keeper, layout, node } = deps;
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
    const program = programOf(config, node);
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
        const stopping = keeper.ask(
          'stop',
          { app, signal: config.stop.signal, graceMs },
          { timeoutMs: graceMs + 20_000 },
        );
        // Looked for while it ends, so that the look takes none of its outage. Of Fettle's own slots the keeper and
        // the tools run as well.
        if (!isSelf(app)) before = findRunning(programs);
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
    list: async () => Object.keys((await keeper.ask('status', {})).apps),
    async status(app) {
      return (await keeper.ask('status', {})).apps[app];
    },
  };
}

/** The first word of the command, as it is started. */
function programOf(config: AppConfig, node: string): string {
  const [program = ''] = words(config.run ?? config.binary ?? '');
  // A program of the slot is found through PATH, which is resolved at each start; `./x` is a path in the slot.
  const found = isAbsolute(program) || !program.includes('/') ? program : join('{slot}', program);
  return found === 'node' ? node : found;
}

/**
 * How the keeper starts an app: in its slot, without a shell, with a minimal environment, as its user.
 * @throws {FettleError} `driver_unusable` where it can't be started as that user
 */
export function specFor(deps: KeptDriverDeps, app: string, config: AppConfig): KeepSpec {
  const { layout, node } = deps;
  const [, ...rest] = words(config.run ?? config.binary ?? '');
  const user = userOf(app, config);
  const path = [
    join('{slot}', 'node_modules', '.bin'),
    dirname(node),
    deps.basicEnvironment.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  ].join(delimiter);
  const left = user ? ['PATH', ...OWN_VARIABLES] : ['PATH'];
  const basic = Object.fromEntries(Object.entries(deps.basicEnvironment).filter(([name]) => !left.includes(name)));
  return {
    dir: layout.app(app).dir,
    argv: [...(user ? asUser(user) : []), programOf(config, node), ...rest],
    cwd: '{slot}',
    env: {
      ...basic,
      ...(user ? variablesOf(user) : {}),
      ...config.env,
      PATH: config.env.PATH ?? path,
      FETTLE_APP: app,
    },
    log: layout.appLog(app),
    stopSignal: config.stop.signal,
    graceMs: config.stop.grace,
  };
}
