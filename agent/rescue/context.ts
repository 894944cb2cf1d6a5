import { isSelf } from '../../src/domain/app.ts';
import { createStartLogs } from '../health/start-log.ts';
import { openInstallation } from '../install/index.ts';
import type { KeeperClient } from '../keeper/client.ts';
import type { RestartDriver } from '../restart/contract.ts';
import { restartDrivers } from '../restart/index.ts';
import { argvOf, homeOf, inSlot } from '../restart/surroundings.ts';
import type { Charge } from './charge.ts';
import { checksFor } from './checks.ts';
import type { RescueOptions } from './contract.ts';
import { type GoBack, peekJournal } from './go-back.ts';
import type { KnownApp } from './known-app.ts';

/** What is needed to change one app without the agent. The journal is read now. */
export function contextOf(options: RescueOptions, charge: Pick<Charge, 'keeper' | 'own'>, known: KnownApp): GoBack {
  const { layout, app } = options;
  return {
    options,
    known,
    journal: peekJournal(layout.agent.journal),
    slots: openInstallation(layout.app(app), known.configured && !isSelf(app) ? known.config : undefined),
    driver: driverOf(charge.keeper, options, known),
    checks: checksFor(app, layout),
    around: {
      // Checks of a rescue run as the app was started last.
      commands: (_app, config, slot, command) =>
        inSlot(slot, { argv: argvOf({ node: process.execPath }, command), env: known.spec.env, home: homeOf(config) }),
      startLogs: createStartLogs(),
      logOf: layout.appLog,
    },
    alone: charge.own !== undefined,
  };
}

function driverOf(keeper: KeeperClient, options: RescueOptions, { app, config, spec }: KnownApp): RestartDriver {
  const { PATH = '', HOME = '' } = options.environment;
  const { layout } = options;
  const drivers = restartDrivers({ keeper, layout, node: process.execPath, basicEnvironment: { PATH, HOME } });
  if (config.restart.kind !== 'kept') return drivers.of(app, config);
  return {
    ...drivers.kept,
    // How it is started has been made up already: from `keep.json`, or from the configuration.
    define: async () => {
      await keeper.ask('keep', { app, spec });
    },
  };
}
