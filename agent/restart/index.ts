import type { AppConfig } from '../../config/agent-schema.ts';
import { FettleError } from '../../src/domain/errors.ts';
import { createCommandDriver } from './command.ts';
import type { RestartDriver } from './contract.ts';
import { drain } from './drain.ts';
import { createKeptDriver, type KeptDriverDeps } from './kept.ts';
import { createSignalDriver } from './signal.ts';
import { createSystemctl, systemctlEnvironment } from './systemctl.ts';
import { createSystemdDriver } from './systemd.ts';

/** What starts and stops the apps of this device. */
export interface RestartDrivers {
  /** What the keeper keeps, Fettle's own apps among it. */
  readonly kept: RestartDriver;
  /** The driver that an app's `restart:` names. */
  of(app: string, config: AppConfig): RestartDriver;
}

/** Every restart driver, by the word that configuration uses. */
export function restartDrivers(deps: KeptDriverDeps): RestartDrivers {
  const drained = (driver: RestartDriver): RestartDriver => ({
    ...driver,
    drain: (app, config, signal) => drain(deps, app, config, signal),
  });
  const kept = drained(createKeptDriver(deps));
  const env = systemctlEnvironment(deps.basicEnvironment);
  const systemctl = createSystemctl({ env });
  // One each, since it remembers what it has seen.
  const units = new Map<string, RestartDriver>();
  return { kept, of: (app, config) => drained(driverOf(app, config)) };

  function driverOf(app: string, config: AppConfig): RestartDriver {
    const { restart } = config;
    switch (restart.kind) {
      case 'kept':
        return kept;
      case 'command':
        return createCommandDriver(deps, app, config, kept);
      case 'signal':
        return createSignalDriver(deps, app, config, kept);
      case 'systemd': {
        const key = `${app} ${restart.user} ${restart.unit}`;
        const { keeper, layout } = deps;
        const driver = units.get(key) ?? createSystemdDriver({ unit: restart, systemctl, layout, keeper, kept, env });
        units.set(key, driver);
        return driver;
      }
    }
  }
}

/** The drivers where no keeper runs: they say so at once, rather than wait for one that nobody starts. */
export function withoutKeeper({ kept }: RestartDrivers): RestartDrivers {
  const refuse = async (): Promise<never> => {
    throw new FettleError('keeper_unreachable', { data: { reason: 'no keeper was started here' }, retryable: true });
  };
  const driver: RestartDriver = {
    kind: kept.kind,
    define: refuse,
    forget: refuse,
    hold: refuse,
    release: refuse,
    stop: refuse,
    start: refuse,
    status: refuse,
    pids: async () => [],
    list: async () => [],
  };
  return { kept: driver, of: () => driver };
}
